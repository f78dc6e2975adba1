import { readFileSync } from 'node:fs'
import {
  asOfficer,
  findKeyFiles,
  type ImportedObject,
  importItems,
  type KeyItem,
  LabError,
  readKeyFile,
  StreamTerminal,
  useLab,
} from '../../lab/index.js'
import { clientFolder, stateFolder, UsageError } from '../command-line.js'
import { defineCommand } from '../define-command.js'
import type { CliIo } from '../program.js'

export const importKeys = defineCommand({
  name: 'import',
  summary: 'Put your own keys and certificates into a partition',
  help: `Usage: moonlet import --slot N [options] FILE...

Puts keys and certificates into the partition of a slot. A FILE may be a folder.

  PEM, DER       private keys: PKCS#8 (also encrypted), PKCS#1, SEC 1; X.509
                 certificates. RSA of 1024 to 4096 bits; EC on P-256, P-384,
                 P-521 and secp256k1
  JWK            secret keys (oct), RSA and EC private keys
  NAME.aes       the 16, 24 or 32 bytes of an AES key
  NAME.hmac      the bytes of an HMAC secret

HSMs that 'moonlet up' has switched on are reached over NTLS, as lunacm does.
The name of the file without its endings becomes the label. Private keys and
secrets are unwrapped inside the token and never leave it; a private key brings
its public key along. Of a file that cannot be read nothing is imported.

Options:
  --slot N                slot of the partition
  --view NAME             the workstation whose slots are meant
  --password SECRET       challenge of the Crypto Officer (default: the one that
                          'moonlet init' gave)
  --passphrase-file FILE  passphrase of encrypted keys; asked for at a terminal
  --state DIR             state folder of the lab
  --debug                 show the stack of an error
  -h, --help              show this help

The exit code is 1 where a file was not imported.
`,
  options: {
    slot: { type: 'string' },
    view: { type: 'string' },
    password: { type: 'string' },
    'passphrase-file': { type: 'string' },
  },
  async run({ values, positionals }, io) {
    const slot = slotNumber(values.slot)
    if (positionals.length === 0) throw new UsageError('No file was named')
    const failures: LabError[] = []
    const items = await readFiles(positionals, passphrases(values['passphrase-file'], io), (error) => {
      failures.push(error)
    })
    const stateDir = stateFolder(values.state, io.env)
    const options = {
      view: values.view,
      ntlsConfig: clientFolder(undefined, values, io.env),
      onLink: (line: string) => io.stderr.write(`${line}\n`),
      signal: io.signal,
    }
    const imported = await useLab(stateDir, options, async (lab) => {
      const secret = values.password ?? lab.file.challenge?.secret
      if (secret === undefined) throw new UsageError("Option '--password' is needed: the lab file holds no challenge")
      return asOfficer(lab, slot, secret, (end) =>
        importItems(end, items, {
          onObject: (object) => io.stdout.write(`${objectLine(object)}\n`),
          onFailure: (error) => failures.push(error),
        }),
      )
    })
    for (const { code, message } of failures) io.stderr.write(`moonlet: ${code}: ${message}\n`)
    io.stdout.write(`${imported.length} objects imported into slot ${slot}\n`)
    return failures.length === 0 ? 0 : 1
  },
})

function slotNumber(option: string | undefined): number {
  if (option === undefined) throw new UsageError("Option '--slot' is needed")
  if (!/^\d{1,5}$/.test(option)) throw new UsageError("The value of option '--slot' is no slot number")
  return Number(option)
}

function objectLine({ kind, label, handle }: ImportedObject): string {
  return `handle ${String(handle).padEnd(6)} ${kind.padEnd(12)} ${label}`
}

/** Reads all that the arguments name; a file that is no good does not keep the others out. */
export async function readFiles(
  paths: readonly string[],
  passphrase: ((source: string) => Promise<string | undefined>) | undefined,
  onFailure: (error: LabError) => void,
): Promise<KeyItem[]> {
  const items: KeyItem[] = []
  const attempt = async <Result>(work: () => Promise<Result>): Promise<Result | undefined> => {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof LabError)) throw error
      onFailure(error)
      return undefined
    }
  }
  for (const path of paths) {
    for (const file of (await attempt(() => findKeyFiles(path))) ?? []) {
      items.push(...((await attempt(() => readKeyFile(file, { passphrase }))) ?? []))
    }
  }
  return items
}

/** Where passphrases come from: a file, a person at the terminal, nowhere. */
export function passphrases(
  path: string | undefined,
  { stdin, stderr, signal }: CliIo,
): ((source: string) => Promise<string | undefined>) | undefined {
  if (path !== undefined) {
    const passphrase = readPassphrase(path)
    return async () => passphrase
  }
  if (!stdin.isTTY || !stderr.isTTY) return undefined
  const terminal = new StreamTerminal(stdin, stderr, true)
  return (source) => terminal.ask(`Passphrase of ${source}: `, { masked: true, signal })
}

function readPassphrase(path: string): string {
  try {
    // The newline that an editor or echo puts at the end does not belong to it.
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '')
  } catch (cause) {
    throw new LabError('IMPORT_READ', `the passphrase file ${path} cannot be read`, { cause })
  }
}
