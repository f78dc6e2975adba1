// Files that people write and programs read: lab.json, operator rules, PED keys, keys to be imported, the last crash.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as protocol from '../../../assembly/protocol.js'
import { CRASH_FILE, FileCrashLog } from '../../../host/board/crash.js'
import { LAB_FORMAT, LabError, type LabFile, parseLabFile, readKeyFile } from '../../../host/lab/index.js'
import { checkOperatorRules, decodePedKey, defaultRules, encodePedKey, PedError } from '../../../host/ped/index.js'
import { promptMatcher } from '../../../host/ped/operator-rules.js'
import { type Input, step } from '../engine/input.js'
import { mutate } from '../engine/mutate.js'
import type { Random } from '../engine/random.js'
import { Finding, type Fuzzer, type Target, trial } from '../engine/target.js'
import { damagedJson } from './json-damage.js'

const KEYS = fileURLToPath(new URL('../../../../fixtures/keys', import.meta.url))
const SECRET = Buffer.alloc(protocol.PED_SECRET, 0xc5)

/** One kind of file: how it begins, how it is damaged, what has to come of it. */
interface Kind {
  make(random: Random): Buffer
  check(bytes: Buffer, which: number): void | Promise<void>
}

const fault = (where: string, what: string): never => {
  throw new Finding('file', where, what)
}

/** The error's code is one of these, and its words quote nothing that is secret. */
function refusedWith(
  error: unknown,
  kind: typeof LabError | typeof PedError,
  codes: readonly string[],
  secrets: readonly string[],
): void {
  if (!(error instanceof kind) || !codes.includes(error.code)) throw error
  for (const secret of secrets) {
    if (secret.length >= 12 && error.message.includes(secret))
      fault('secret', `an error quotes a secret: ${error.code}`)
  }
}

// ---- lab.json ---------------------------------------------------------------------------------------------------------

const LAB: LabFile = {
  format: LAB_FORMAT,
  madeBy: 'the fuzzer',
  hsms: [
    { name: 'network', kind: 'network', folder: 'hsm-network', profile: '6.27.0', auth: 'ped' },
    { name: 'backup', kind: 'backup', folder: 'hsm-backup', profile: '6.27.0', auth: 'ped' },
  ],
  views: [
    {
      ...{ name: 'backup', persona: 'A', firstSlot: 1 },
      slots: [
        { slot: 1, hsm: 'network', partition: '500409014' },
        { slot: 2, hsm: 'backup', partition: 'admin' },
      ],
    },
  ],
  ped: { addresses: ['localhost'], port: 1503, keys: 'ped-keys', rules: 'rules.json' },
  challenge: { secret: 'a secret challenge', remark: 'for play' },
}

const lab: Kind = {
  make: (random) => damagedJson(random, LAB),
  check(bytes) {
    let file: LabFile
    try {
      file = parseLabFile(bytes.toString(), 'lab.json')
    } catch (error) {
      refusedWith(error, LabError, ['LAB_FILE_INVALID', 'LAB_STATE_NEWER'], ['a secret challenge'])
      return
    }
    const again = JSON.stringify(parseLabFile(JSON.stringify(file), 'again'))
    if (again !== JSON.stringify(file)) fault('lab.json', 'a lab that was read is written as another one')
    const names = file.hsms.map(({ name }) => name)
    const outside = [...file.hsms.map(({ folder }) => folder), file.ped.keys, file.ped.rules].find((name) =>
      /[/\\]|^\.+$/.test(name),
    )
    if (outside !== undefined) fault('lab.json', `a folder outside of the state folder: ${outside}`)
    if (new Set(names).size !== names.length) fault('lab.json', 'two HSMs of one name')
    for (const { slots } of file.views) {
      if (slots.some(({ hsm }) => !names.includes(hsm))) fault('lab.json', 'a slot of no HSM')
      if (new Set(slots.map(({ slot }) => slot)).size !== slots.length) fault('lab.json', 'one slot twice')
    }
  },
}

// ---- operator rules ---------------------------------------------------------------------------------------------------

const rules: Kind = {
  make: (random) =>
    damagedJson(
      random,
      random.oneIn(2)
        ? defaultRules().slice(0, 4)
        : [{ prompt: '/blue/', action: 'key', key: 'blue', pin: '1234', times: 2 }],
    ),
  check(bytes) {
    let value: unknown
    try {
      value = JSON.parse(bytes.toString())
    } catch {
      return
    }
    try {
      const list = checkOperatorRules(value)
      for (const { prompt } of list) promptMatcher(prompt)('SLOT LOGIN... Insert a blue PED key')
      if (JSON.stringify(checkOperatorRules(JSON.parse(JSON.stringify(list)))) !== JSON.stringify(list))
        fault('rules', 'rules that were read are others')
    } catch (error) {
      refusedWith(error, PedError, ['OPERATOR_RULES_INVALID'], [])
    }
  },
}

// ---- PED keys ---------------------------------------------------------------------------------------------------------

const PED_KEY = encodePedKey({
  colour: 'blue',
  label: 'HSM SO',
  content: { kind: protocol.PED_KIND_SO, secret: SECRET, pin: false },
})

const pedKey: Kind = {
  make: (random) => (random.oneIn(3) ? mutate(random, Buffer.from(PED_KEY)) : damagedJson(random, JSON.parse(PED_KEY))),
  check(bytes) {
    try {
      const key = decodePedKey(bytes.toString(), 'key')
      const again = decodePedKey(encodePedKey(key), 'again')
      if (JSON.stringify(again) !== JSON.stringify(key))
        fault('PED key', 'a key that was read is written as another one')
      if (key.content && !key.content.secret.equals(SECRET)) fault('PED key', 'a secret that nobody wrote is read')
    } catch (error) {
      refusedWith(error, PedError, ['PED_KEY_INVALID', 'PED_KEY_VERSION'], [SECRET.toString('hex').slice(0, 24)])
    }
  },
}

// ---- keys to be imported ----------------------------------------------------------------------------------------------

const folder = mkdtempSync(join(tmpdir(), 'moonlet-fuzz-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))

const samples = readdirSync(KEYS)
  .filter((name) => /\.(pem|der|jwk|aes|hmac|bin)$/.test(name))
  .map((name) => ({ name, bytes: readFileSync(join(KEYS, name)) }))
const IMPORT_CODES = ['IMPORT_READ', 'IMPORT_FORMAT', 'IMPORT_UNSUPPORTED', 'IMPORT_PASSPHRASE']

const keyFile: Kind = {
  make(random) {
    const { bytes } = random.pick(samples)
    return random.oneIn(10) ? bytes : mutate(random, bytes, random.pick(samples).bytes)
  },
  async check(bytes, which) {
    const { name } = samples[which % samples.length] ?? { name: 'x.pem' }
    const path = join(folder, name)
    writeFileSync(path, bytes)
    const lines = bytes
      .toString('latin1')
      .split('\n')
      .map((line) => line.trim())
    try {
      const items = await readKeyFile(path)
      if (items.length === 0) fault('key file', 'a file is read, and nothing comes of it')
    } catch (error) {
      refusedWith(
        error,
        LabError,
        IMPORT_CODES,
        lines.filter((line) => !line.startsWith('-----')),
      )
    }
  },
}

// ---- crash.json -------------------------------------------------------------------------------------------------------

const crash: Kind = {
  make: (random) =>
    damagedJson(random, {
      format: 1,
      count: 2,
      crashes: [{ code: 'FIRMWARE_TRAP', message: 'x', time: 1, stack: [{ function: 1, offset: 2 }] }],
    }),
  check(bytes) {
    writeFileSync(join(folder, CRASH_FILE), bytes)
    const log = new FileCrashLog(folder)
    if (log.count < log.records.length || !log.records.every(({ stack }) => Array.isArray(stack)))
      fault('crash.json', 'records that are none')
  },
}

const KINDS: readonly Kind[] = [lab, rules, pedKey, pedKey, keyFile, crash]

const files: Fuzzer = {
  generate(random: Random): Input {
    const kind = random.below(KINDS.length)
    return [step('file', [kind, random.below(samples.length)], (KINDS[kind] ?? lab).make(random))]
  },
  run(input: Input) {
    return trial(async (count) => {
      for (const {
        numbers: [kind = 0, which = 0],
        bytes,
      } of input) {
        count()
        await KINDS[kind % KINDS.length]?.check(bytes, which)
      }
    })
  },
}

export const filesTarget: Target = {
  name: 'files',
  summary: 'lab.json, operator rules, PED keys, keys to be imported, crash.json',
  usesFirmware: false,
  prepare: async () => files,
}
