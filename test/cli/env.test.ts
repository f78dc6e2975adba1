// `moonlet env`: what a shell makes of its lines, whatever is in the paths.

import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assignment } from '../../host/cli/shells.js'
import { moonlet, Running, temporaryFolder } from './support.js'

const test = suite('moonlet env')

const state = join(temporaryFolder(), `it's "a" $(false) \`lab\`; 100%, ü`)
const library = join(temporaryFolder(), "it's.so")

test.before(async () => {
  assert.is((await moonlet(['init', '--state', state])).code, 0)
})

/** The value of each variable in a shell that has evaluated the lines. */
function evaluated(lines: string, ...names: string[]): string[] {
  const script = `eval "$1"; shift; for name; do eval "printf '%s\\0' \\"\\$$name\\""; done`
  const said = execFileSync('sh', ['-c', script, 'sh', lines, ...names], { env: { PATH: process.env.PATH } })
  return said.toString().split('\0').slice(0, -1)
}

const unescaped = (address: string | undefined): string => decodeURIComponent(address ?? '')

test('a shell has the door, the library, the token and its PIN; a closed door is told of', async () => {
  const closed = await moonlet(['env', '--state', state, '--library', library])
  assert.is(closed.code, 0, closed.stderr)
  assert.match(closed.stderr, 'the PKCS#11 door is closed')
  assert.not.match(closed.stdout, 'MOONLET_TOKEN')
  const socket = join(state, 'pkcs11', 'socket')
  const [address, module, provider, pin] = evaluated(
    closed.stdout,
    ...['P11_KIT_SERVER_ADDRESS', 'PKCS11_MODULE_PATH', 'PKCS11_PROVIDER_MODULE', 'MOONLET_PIN'],
  )
  assert.is(unescaped(address), `unix:path=${socket}`)
  assert.match(address ?? '', /^unix:path=[\w/.%-]+$/)
  assert.equal([module, provider, pin], [library, library, 'Crypto0fficer'])

  const other = join(temporaryFolder(), 'door')
  const server = new Running('moonlet', ['pkcs11', '--state', state, '--listen', other])
  await server.sees('"listening"')
  const open = await moonlet(['env', '--state', state, '--library', library])
  assert.is(open.stderr, '')
  assert.equal(evaluated(open.stdout, 'MOONLET_PKCS11', 'MOONLET_TOKEN'), [other, 'SA52_P1'])
  server.child.kill('SIGTERM')
  await server.result
})

test('Chrystoki.conf where the lab has one, and only there', async () => {
  const closed = ['env', '--state', state, '--library', library]
  const elsewhere = { XDG_CONFIG_HOME: temporaryFolder(), ChrystokiConfigurationPath: '/elsewhere' }
  assert.not.match((await moonlet(closed, { env: elsewhere })).stdout, 'ChrystokiConfigurationPath')
  const folder = join(state, 'clients', 'lunacm-6')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'Chrystoki.conf'), '')
  const { stdout } = await moonlet(closed, { env: elsewhere })
  assert.equal(evaluated(stdout, 'ChrystokiConfigurationPath'), [folder])
})

test('fish and PowerShell have their own way to quote; sh has any text back as it was', async () => {
  const lines = (shell: string) => moonlet(['env', '--state', state, '--shell', shell, '--library', library])
  assert.match((await lines('fish')).stdout, `set -gx PKCS11_MODULE_PATH '${library.replace("'", "\\'")}'\n`)
  assert.match((await lines('powershell')).stdout, `$env:PKCS11_MODULE_PATH = '${library.replace("'", "''")}'\n`)
  assert.is(assignment('fish', 'A', `a\\'b`), `set -gx A 'a\\\\\\'b'`)
  assert.is(assignment('csh', 'A', `it's!\n`), `setenv A 'it'\\''s\\!\\\n';`)
  assert.is(assignment('powershell', 'A', 'a’b‘c$d'), `$env:A = 'a’’b‘‘c$d'`)
  const text = fc.string({ unit: 'binary', maxLength: 40 }).filter((value) => !value.includes('\0'))
  fc.assert(
    fc.property(text, (value) => {
      const whole = Buffer.from(value).toString()
      assert.equal(evaluated(assignment('sh', 'A', whole), 'A'), [whole])
    }),
    { numRuns: 60 },
  )
})

/** What PowerShell makes of a text in single quotes, by its language's rule: any of five quotes ends it, and any two are the first. */
function inPowerShell(line: string, name: string): string {
  const start = `$env:${name} = '`
  assert.ok(line.startsWith(start), line)
  let value = ''
  for (let at = start.length; ; at++) {
    const letter = line[at]
    assert.ok(letter !== undefined, `no end: ${line}`)
    if (/['\u2018-\u201b]/.test(letter)) {
      if (!/['\u2018-\u201b]/.test(line[at + 1] ?? '')) {
        assert.is(at, line.length - 1, line)
        return value
      }
      at++
    }
    value += letter
  }
}

test('PowerShell, which is not run here: by the rule of its quotes any text comes back', () => {
  const letter = fc.constantFrom(...'\'\u2018\u2019\u201a\u201b$`\\ "a;\n')
  fc.assert(
    fc.property(fc.array(letter, { maxLength: 20 }), (letters) => {
      const value = letters.join('')
      assert.is(inPowerShell(assignment('powershell', 'A', value), 'A'), value)
    }),
  )
})

test('a line that is typed wrong, no lab, a record that cannot be read', async () => {
  for (const args of [['--shell', 'cmd'], ['--shell', ''], ['--library', ''], ['what']]) {
    const { code, stdout } = await moonlet(['env', '--state', state, ...args])
    assert.is(code, 2, args.join(' '))
    assert.is(stdout, '')
  }
  const none = await moonlet(['env', '--state', join(temporaryFolder(), 'none')])
  assert.is(none.code, 1)
  assert.match(none.stderr, 'LAB_MISSING')
  const record = join(state, 'pkcs11', 'running.json')
  writeFileSync(record, readFileSync(join(state, 'lab.json')))
  chmodSync(record, 0o600)
  const broken = await moonlet(['env', '--state', state])
  assert.is(broken.code, 1)
  assert.match(broken.stderr, /LAB_FILE_INVALID: .*running\.json: /)
})

test.run()
