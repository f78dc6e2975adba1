import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CONFIG_FILE, readLabFile, runningPkcs11 } from '../../lab/index.js'
import { clientFolder, refusePositionals, stateFolder, stateOption, UsageError } from '../command-line.js'
import { defineCommand } from '../define-command.js'
import { assignment, SHELLS, type Shell } from '../shells.js'

export const env = defineCommand({
  name: 'env',
  summary: 'Print what PKCS#11 programs find the slots by, for a shell',
  help: `Usage: moonlet env [options]

Prints the environment by which programs that use PKCS#11 find the slots of a
lab:

  eval "$(moonlet env)"
  moonlet env --shell fish | source
  eval "\`moonlet env --shell csh\`"
  moonlet env --shell powershell | Out-String | Invoke-Expression

  P11_KIT_SERVER_ADDRESS    where p11-kit's client finds the door
  PKCS11_MODULE_PATH        the library to load, and with the same value
  PKCS11_PROVIDER_MODULE      PKCS11_MODULE_PATH is what OpenSSL's engine reads,
  PYKCS11LIB                  the others its provider and Python's PyKCS11
  ChrystokiConfigurationPath
                            folder of Chrystoki.conf, where the lab has one
  MOONLET_PKCS11            socket of the door, for our own library
  MOONLET_LIBRARY           our own library, where it was built
  MOONLET_TOKEN             label of the first token
  MOONLET_PIN               its PIN: the challenge that the lab was made with

The library is p11-kit's client where it is installed (Debian: p11-kit-modules),
ours where it is not. What is not known is left out, and said on standard error.

Options:
  --shell SHELL    sh (the default), fish, csh or powershell
  --library NAME   p11-kit, moonlet, or the path of a library to load
  --state DIR      state folder of the lab
  --debug          show the stack of an error
  -h, --help       show this help
`,
  options: { shell: { type: 'string' }, library: { type: 'string' } },
  async run({ values, positionals }, io) {
    refusePositionals(positionals)
    const shell = readShell(values.shell)
    const stateDir = stateFolder(values.state, io.env)
    const { challenge } = readLabFile(stateDir)
    const door = await runningPkcs11(stateDir)
    const say = (line: string): void => {
      io.stderr.write(`moonlet: ${line}\n`)
    }
    if (!door) {
      const at = stateOption(stateDir, io.env)
      say(`the PKCS#11 door is closed: open it with 'moonlet up${at}' or 'moonlet pkcs11${at}'`)
    }
    const socket = door?.socket ?? join(stateDir, 'pkcs11', 'socket')
    const library = chooseLibrary(values.library)
    if (library === undefined) say("no library was found: install p11-kit's client (Debian: p11-kit-modules)")
    const config = clientFolder(undefined, values, { ...io.env, ChrystokiConfigurationPath: undefined })
    const variables: readonly (readonly [string, string | undefined])[] = [
      ['P11_KIT_SERVER_ADDRESS', `unix:path=${percentEncoded(socket)}`],
      ['PKCS11_MODULE_PATH', library],
      ['PKCS11_PROVIDER_MODULE', library],
      ['PYKCS11LIB', library],
      ['ChrystokiConfigurationPath', existsSync(join(config, CONFIG_FILE)) ? config : undefined],
      ['MOONLET_PKCS11', socket],
      ['MOONLET_LIBRARY', ownLibrary()],
      ['MOONLET_TOKEN', door?.slots.find(({ kind }) => kind !== 'backup')?.label],
      ['MOONLET_PIN', challenge?.secret],
    ]
    for (const [name, value] of variables) {
      if (value !== undefined && value !== '') io.stdout.write(`${assignment(shell, name, value)}\n`)
    }
    return 0
  },
})

/** @throws UsageError */
function readShell(name = 'sh'): Shell {
  const shell = SHELLS.find((known) => known === name)
  if (shell === undefined) throw new UsageError(`'--shell' takes ${SHELLS.join(', ')}, not '${name}'`)
  return shell
}

/** Folders in which systems keep the modules of p11-kit, beside Debian's own for each architecture. */
const MODULE_FOLDERS = ['/usr/lib64/pkcs11', '/usr/lib/pkcs11', '/usr/local/lib/pkcs11', '/opt/homebrew/lib/pkcs11']

function p11KitLibrary(): string | undefined {
  const own = existsSync('/usr/lib') ? readdirSync('/usr/lib').map((name) => join('/usr/lib', name, 'pkcs11')) : []
  return [...own, ...MODULE_FOLDERS].map((folder) => join(folder, 'p11-kit-client.so')).find((path) => existsSync(path))
}

/** Our own library, where `npm run build:pkcs11` has made it. */
function ownLibrary(): string | undefined {
  const path = fileURLToPath(new URL('../../../pkcs11/libCryptoki2_64.so', import.meta.url))
  return existsSync(path) ? path : undefined
}

function chooseLibrary(name: string | undefined): string | undefined {
  if (name === undefined) return p11KitLibrary() ?? ownLibrary()
  if (name === '') throw new UsageError("'--library' needs a name")
  return name === 'p11-kit' ? p11KitLibrary() : name === 'moonlet' ? ownLibrary() : name
}

/** As p11-kit reads the path of an address: all but what is safe in any address, byte by byte. */
function percentEncoded(path: string): string {
  return [...Buffer.from(path)]
    .map((byte) => {
      const letter = String.fromCharCode(byte)
      return /[A-Za-z0-9/._-]/.test(letter) ? letter : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
}
