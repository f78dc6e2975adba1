/** A page of docs/ and what carrying it out needs. */
export interface ProgramPage {
  /** Of its file, without `.md`. */
  readonly name: string
  readonly about: string
  readonly programs: readonly string[]
  /** What else must be there, each with a command that succeeds where it is. */
  readonly needs?: readonly { readonly name: string; readonly test: string }[]
  /** Debian's packages that have it. */
  readonly packages: string
}

const P11_KIT = { name: 'p11-kit-client.so', test: 'ls /usr/lib/*/pkcs11/p11-kit-client.so' }

/** In the order in which they are carried out: all work in one folder and one lab. */
export const PAGES: readonly ProgramPage[] = [
  {
    name: 'opensc',
    about: "OpenSC's pkcs11-tool",
    programs: ['pkcs11-tool', 'openssl'],
    needs: [P11_KIT],
    packages: 'opensc p11-kit-modules openssl',
  },
  {
    name: 'openssl',
    about: "OpenSSL's engine: a CA, a certificate, a signed message",
    programs: ['pkcs11-tool', 'openssl'],
    needs: [P11_KIT, { name: 'the engine pkcs11', test: 'openssl engine pkcs11' }],
    packages: 'opensc p11-kit-modules openssl libengine-pkcs11-openssl',
  },
  {
    name: 'openssl-provider',
    about: "OpenSSL's provider",
    programs: ['pkcs11-tool', 'openssl'],
    needs: [
      P11_KIT,
      { name: 'the provider pkcs11', test: 'test -e "$(openssl version -m | cut -d\\" -f2)"/pkcs11.so' },
    ],
    packages: 'opensc p11-kit-modules openssl pkcs11-provider',
  },
  {
    name: 'tls-server',
    about: 'openssl s_server and nginx serve TLS',
    programs: ['pkcs11-tool', 'openssl', 'nginx', 'curl'],
    needs: [P11_KIT, { name: 'the engine pkcs11', test: 'openssl engine pkcs11' }],
    packages: 'opensc p11-kit-modules openssl libengine-pkcs11-openssl nginx-light curl',
  },
  {
    name: 'java',
    about: 'keytool and jarsigner',
    programs: ['keytool', 'jarsigner', 'jar', 'openssl', 'unzip'],
    needs: [P11_KIT],
    packages: 'default-jdk-headless p11-kit-modules openssl unzip',
  },
  {
    name: 'ssh',
    about: 'ssh-agent, ssh-keygen, a log-in at sshd, commits that git signs',
    programs: ['ssh-keygen', 'ssh-agent', 'ssh', 'sshd', 'git', 'pkcs11-tool'],
    needs: [P11_KIT],
    packages: 'openssh-client openssh-server git opensc p11-kit-modules',
  },
  {
    name: 'python',
    about: "Python's PyKCS11",
    programs: ['openssl'],
    needs: [P11_KIT, { name: 'PyKCS11', test: '/usr/bin/python3 -c "import PyKCS11"' }],
    packages: 'python3-pykcs11 p11-kit-modules openssl',
  },
  {
    name: 'gnutls',
    about: "GnuTLS's p11tool",
    programs: ['p11tool', 'certtool'],
    needs: [P11_KIT],
    packages: 'gnutls-bin p11-kit-modules',
  },
  {
    name: 'cmu',
    about: 'cmu over NTLS: pairs, requests, certificates, and a Backup HSM that refuses',
    programs: ['openssl'],
    packages: 'openssl',
  },
  {
    name: 'library',
    about: 'our own PKCS#11 library, with a mechanism that p11-kit does not know',
    programs: ['pkcs11-tool'],
    needs: [{ name: 'our library (npm run build:pkcs11)', test: 'moonlet env 2>/dev/null | grep -q MOONLET_LIBRARY' }],
    packages: 'opensc gcc libc6-dev',
  },
  {
    name: 'backup',
    about: 'lunacm backs the keys of these programs up and restores them, and the programs use them again',
    programs: ['pkcs11-tool', 'openssl', 'keytool', 'jarsigner', 'ssh-keygen', 'git', 'p11tool'],
    needs: [P11_KIT, { name: 'PyKCS11', test: '/usr/bin/python3 -c "import PyKCS11"' }],
    packages: 'those of the other pages',
  },
]
