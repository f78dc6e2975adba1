import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ADMIN_SLOT,
  LAB_FILE,
  LAB_FORMAT,
  Lab,
  LabError,
  type LabFile,
  parseLabFile,
  readLabFile,
  writeLabFile,
} from '../../host/lab/index.js'
import { failure, temporaryFolder } from './support.js'

const test = suite('lab file')

const GOOD: LabFile = {
  format: LAB_FORMAT,
  madeBy: 'moonlet 0.1.0',
  hsms: [
    { name: 'network', kind: 'network', folder: 'hsm-network', profile: '6.27.0', auth: 'ped' },
    { name: 'card', kind: 'pcie', folder: 'hsm-card', profile: '7.7.1', auth: 'password' },
    { name: 'backup', kind: 'backup', folder: 'hsm-backup', profile: '6.27.0', auth: 'ped' },
  ],
  views: [
    {
      name: 'desk',
      persona: 'A',
      slots: [
        { slot: 1, hsm: 'network', partition: '500409014' },
        { slot: 2, hsm: 'backup', partition: ADMIN_SLOT },
        { slot: 103, hsm: 'card', partition: ADMIN_SLOT },
      ],
      firstSlot: 1,
    },
  ],
  ped: { addresses: ['localhost'], port: 1503, keys: 'ped-keys', rules: 'operator.json' },
  challenge: { secret: 'userpin1', remark: 'of a lab' },
}

const parse = (value: unknown): LabFile => parseLabFile(JSON.stringify(value), 'lab.json')

/** GOOD with the value at a path (`views.0.name`) replaced; undefined takes it away. */
function changed(path: string, value: unknown): unknown {
  const copy: unknown = structuredClone(GOOD)
  const keys = path.split('.')
  const last = keys.pop() ?? ''
  const holder = keys.reduce<unknown>((at, key) => Reflect.get(Object(at), key), copy)
  if (value === undefined) Reflect.deleteProperty(Object(holder), last)
  else Reflect.set(Object(holder), last, value)
  return copy
}

function refusal(value: unknown): LabError {
  try {
    parse(value)
  } catch (error) {
    assert.instance(error, LabError)
    if (error instanceof LabError) return error
  }
  throw new Error(`this should have been refused: ${JSON.stringify(value)}`)
}

test('what was written is read back', () => {
  const dir = temporaryFolder()
  writeLabFile(dir, GOOD)
  assert.equal(readLabFile(dir), GOOD)
  assert.equal(readdirSync(dir), [LAB_FILE])
})

test('optional fields may be left out', () => {
  const parsed = parse(changed('challenge', undefined))
  assert.is(parsed.challenge, undefined)
  assert.is(parse(changed('views.0.firstSlot', undefined)).views[0]?.firstSlot, undefined)
})

test('a newer version is refused before anything else is looked at', () => {
  for (const extra of [{}, { hsms: 'something new' }]) {
    const error = refusal({ format: LAB_FORMAT + 1, madeBy: 'moonlet 9.9.9', ...extra })
    assert.is(error.code, 'LAB_STATE_NEWER')
    assert.match(error.message, 'made by moonlet 9.9.9')
    assert.match(error.message, `up to ${LAB_FORMAT}`)
  }
})

test('every fault is named by its path', () => {
  const faults: readonly (readonly [path: string, value: unknown, message: RegExp])[] = [
    ['format', 0, /lab\.json: format must be a whole number/],
    ['format', '1', /lab\.json: format/],
    ['madeBy', undefined, /lab\.json: madeBy must be a text/],
    ['extra', 1, /lab\.json: extra is not a known field/],
    ['hsms', {}, /hsms must be a list/],
    ['hsms.1.kind', 'usb', /hsms\[1\]\.kind must be one of network, pcie, backup/],
    ['hsms.0.name', '../x', /hsms\[0\]\.name must be a name/],
    ['hsms.0.folder', '../../etc', /hsms\[0\]\.folder must be the name of a file or folder inside/],
    ['hsms.0.folder', '.hidden', /hsms\[0\]\.folder/],
    ['hsms.0.profile', 'six', /hsms\[0\]\.profile/],
    ['hsms.2.name', 'network', /hsms\[2\]\.name is there twice/],
    ['hsms.2.folder', 'hsm-network', /hsms\[2\]\.folder is there twice/],
    ['views', [], /views must hold at least one/],
    ['views.0.persona', 'C', /views\[0\]\.persona must be one of A, B/],
    ['views.0.slots.1.slot', 1, /views\[0\]\.slots\[1\]\.slot is there twice/],
    ['views.0.slots.0.slot', -1, /views\[0\]\.slots\[0\]\.slot must be a whole number/],
    ['views.0.slots.0.hsm', 'nobody', /views\[0\]\.slots\[0\]\.hsm names no HSM/],
    ['views.0.slots.0.partition', ADMIN_SLOT, /views\[0\]\.slots\[0\]\.partition must be a serial number/],
    ['views.0.slots.0.partition', 'SA52_P1', /views\[0\]\.slots\[0\]\.partition must be a partition's serial number/],
    ['views.0.slots.1.partition', '7', /views\[0\]\.slots\[1\]\.partition must be "admin"/],
    ['views.0.firstSlot', 7, /views\[0\]\.firstSlot is not a slot/],
    ['ped.port', 65536, /ped\.port must be a whole number from 1 to 65535/],
    ['ped.addresses.0', '', /ped\.addresses\[0\] must be a text/],
    ['ped.keys', '/etc', /ped\.keys/],
    ['challenge.secret', '', /challenge\.secret/],
  ]
  for (const [path, value, message] of faults) {
    const error = refusal(changed(path, value))
    assert.is(error.code, 'LAB_FILE_INVALID', path)
    assert.match(error.message, message)
  }
})

test('whatever stands in the file, it is read or refused, never anything else', () => {
  const seed = Math.floor(Math.random() * 0x7fffffff)
  console.log(`fast-check seed ${seed}`)
  const paths = ['format', 'hsms', 'hsms.0', 'hsms.0.kind', 'views.0', 'views.0.slots', 'views.0.slots.0.slot', 'ped']
  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, value) => {
      try {
        parse(changed(path, value))
      } catch (error) {
        assert.instance(error, LabError)
      }
    }),
    { seed, numRuns: 500 },
  )
  fc.assert(
    fc.property(fc.nat(JSON.stringify(GOOD).length - 1), (length) => {
      assert.throws(
        () => parseLabFile(JSON.stringify(GOOD).slice(0, length), 'lab.json'),
        (error: unknown) => error instanceof LabError && error.code === 'LAB_FILE_INVALID',
      )
    }),
    { seed, numRuns: 100 },
  )
})

test('a folder without a lab says what to do', async () => {
  const dir = temporaryFolder()
  for (const folder of [dir, join(dir, 'not-there')]) {
    const error = await failure(Lab.open(folder))
    assert.is(error.code, 'LAB_MISSING')
    assert.match(error.message, 'run `moonlet init`')
  }
})

test('a lab file of a newer version keeps the lab closed, and is left as it is', async () => {
  const dir = temporaryFolder()
  const text = JSON.stringify({ ...GOOD, format: LAB_FORMAT + 1 })
  mkdirSync(join(dir, 'hsm-network'))
  writeFileSync(join(dir, LAB_FILE), text)
  assert.is((await failure(Lab.open(dir))).code, 'LAB_STATE_NEWER')
  assert.is(readFileSync(join(dir, LAB_FILE), 'utf8'), text)
  assert.equal(readdirSync(dir).sort(), ['hsm-network', LAB_FILE])
})

test.run()
