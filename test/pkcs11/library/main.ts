// The C library at a real door: built, loaded by programs that we did not write, under valgrind and sanitizers, at a server that lies,
// and by pycryptoki's own tests. Run by .ci/suites/pkcs11lib; --help.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fuzzing, memory } from './memory.js'
import { javascript, states, tool } from './peers.js'
import { pycryptoki } from './pycryptoki.js'
import { built, check, Door, ROOT, said } from './support.js'

/** What `--only` takes, and what it is. */
const PARTS: Readonly<Record<string, string>> = {
  tool: 'pkcs11-tool of OpenSC',
  states: 'operations that are put aside and taken up again',
  pkcs11js: 'the package pkcs11js',
  pycryptoki: "pycryptoki's own tests",
  memory: 'valgrind and the sanitizers',
  fuzz: 'a server that lies',
}

const HELP = `Usage: node dist/test/pkcs11/library/main.js [options]

Builds our PKCS#11 library, and has programs use it at a lab of its own. Needs
a C compiler; what else is missing is named, and its part left out.

Options:
  --only PART          this part; may be given several times:
${Object.entries(PARTS)
  .map(([name, what]) => `                         ${name.padEnd(10)}  ${what}`)
  .join('\n')}
  --seconds N          how long the server lies (default: 20)
  --seed N             the same seed, the same lies (default: the time's)
  --pycryptoki FOLDER  with pycryptoki's sources and tests
  --pkcs11js FOLDER    in which the package pkcs11js is installed
  -h, --help           show this help

The exit code is 1 where something failed, 2 where the line was wrong.
`

function wrong(message: string): never {
  process.stderr.write(`${message}\nTry --help.\n`)
  process.exit(2)
}

function line() {
  try {
    return parseArgs({
      options: {
        seconds: { type: 'string', default: '20' },
        seed: { type: 'string', default: String(Date.now() % 1_000_000) },
        only: { type: 'string', multiple: true },
        pycryptoki: { type: 'string' },
        pkcs11js: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error))
  }
}

const values = line()
if (values.help) {
  process.stdout.write(HELP)
  process.exit()
}
const unknown = values.only?.find((part) => !Object.hasOwn(PARTS, part))
if (unknown !== undefined) wrong(`there is no part "${unknown}", only ${Object.keys(PARTS).join(', ')}`)
if (!/^\d{1,6}$/.test(values.seconds)) wrong(`--seconds takes a number, not "${values.seconds}"`)
const wanted = (part: string): boolean => values.only?.includes(part) ?? true

/** What the library shows to those who link with it. */
async function symbols(library: string): Promise<void> {
  const { text } = await said('nm', ['-D', '--defined-only', library])
  const names = text.split('\n').flatMap((line) => line.match(/\b[TDB] (\w+)$/)?.[1] ?? [])
  const standard = names.filter((name) => name.startsWith('C_'))
  check(standard.length === 92, `${standard.length} functions C_… are symbols: 68 of PKCS#11 2.40, 24 of 3.0`)
  const vendor = names.filter((name) => name.startsWith('CA_'))
  check(vendor.length > 50 && names.includes('CA_GetFunctionList'), `${vendor.length} functions CA_…`)
  check(names.length === standard.length + vendor.length, 'and nothing else', names.join(' '))
}

const folder = await built('', ['states'])
check(existsSync(join(folder, 'libCryptoki2_64.so')), 'the library is built, without a warning')
await symbols(join(folder, 'libCryptoki2_64.so'))

const none = await said(process.execPath, [join(ROOT, 'scripts/build-pkcs11.mjs')], { env: { CC: 'no-such-compiler' } })
check(none.code === 2 && /there is no C compiler "no-such-compiler"/.test(none.text), none.text.trim(), none.text)

const door = await Door.make()
try {
  if (wanted('tool')) await tool(door)
  if (wanted('states')) await states(door, folder)
  if (wanted('pkcs11js')) await javascript(door, values.pkcs11js)
  if (wanted('pycryptoki')) await pycryptoki(door, values.pycryptoki)
  if (wanted('memory')) await memory(door)
} finally {
  check(await door.close(), 'the door closes')
}
if (wanted('fuzz')) await fuzzing(Number(values.seconds), values.seed)
