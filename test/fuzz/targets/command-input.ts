// Requests for the command port: bodies as SPEC.md has them, filled with what means something to the token, and then damaged.
import * as protocol from '../../../assembly/protocol.js'
import { cat, u8, u32 } from '../../oracle/obc1/bytes.js'
import { type Attribute, encodeAttributes } from '../../oracle/obc1/envelope.js'
import { publicKey } from '../../oracle/obc1/p384.js'
import { type Step, step } from '../engine/input.js'
import { type BytesField, type FixedField, type NumberField, putTogether, takeApart } from '../engine/layout.js'
import { EDGES, mutate, oddNumber } from '../engine/mutate.js'
import type { Random } from '../engine/random.js'
import { COMMANDS, type CommandRow } from '../engine/spec.js'
import { PERSON, PERSONS } from '../firmware/ped-side.js'
import { type Posture, TEMPLATES, WORDS } from '../firmware/postures.js'
import { bytesOf, scalarOf } from '../firmware/sealing.js'
import { field } from '../firmware/station.js'

/** How a request is sealed. */
export const SEAL = { not: 0, right: 1, damaged: 2, replayed: 3, strange: 4, cut: 5 } as const

const numbersNamed = (prefix: string): number[] =>
  Object.entries(protocol).flatMap(([name, value]) =>
    name.startsWith(prefix) && typeof value === 'number' ? [value] : [],
  )

const MECHANISMS = numbersNamed('CKM_')
const ATTRIBUTES = numbersNamed('CKA_')

/** What the named numbers of requests are about. */
const NUMBERS: Readonly<Record<string, readonly number[]>> = {
  role: [0, 1, 2, 3, 4],
  type: [1, 2],
  index: [0, 1, 2, 3],
  mask: [0, 1, 7, protocol.AUDIT_ALL],
  from: [0, 1, 2, 5],
  through: [0, 1, 2, 5],
  partition: [0, 1, 2, 3],
  id: [0, 1, 2, 3, ...numbersNamed('HSM_POLICY_')],
  policy: numbersNamed('POLICY_'),
  value: [0, 1, 2, 10, 248, 255],
  legacy: [0, 1],
  size: [0, 1, 20_000, 100_000, 400_000],
  n: [0, 1, 2, 3],
  limit: [0, 1, 2, 100, 0xffff],
  cursor: [0, 1, 2, 19, 20, 257, 0x40000001, 0x40000101, 0xffffffff],
  purpose: [0, 1, 2, 3],
  flags: [0, 1, 2],
  access: [7, 8, 99],
  serial: [500409, 700101, 1],
  model: [1, 2, 3],
  profile: numbersNamed('PROFILE_'),
  auth: [1, 2],
  maxPartitions: [1, 20, 100],
  storage: [1, 400_000],
  mechanism: MECHANISMS,
}

const HANDLES = new Set(['handle', 'key', 'wrappingKey', 'unwrappingKey'])
const LABELS = [
  'a',
  'own',
  'legacy',
  'another',
  '0123456789abcdef0123456789abcdef',
  'x'.repeat(33),
  'x'.repeat(40),
  'x'.repeat(255),
  'ünïcode',
]
const PASSWORDS = [
  ...Object.values(WORDS),
  '',
  'short',
  'wrong-password',
  'a new password 1',
  'x'.repeat(64),
  'x'.repeat(255),
  'x'.repeat(256),
]
const PASSWORD_FIELDS = new Set(['password', 'old', 'new', 'challenge', 'domain'])
export const LENGTHS = [
  0, 1, 8, 15, 16, 17, 20, 24, 28, 32, 40, 47, 48, 64, 96, 127, 128, 132, 245, 256, 257, 384, 512, 1000,
]
const NAMES = Object.keys(TEMPLATES).flatMap((name) => (isTemplate(name) ? [name] : []))

function isTemplate(name: string): name is keyof typeof TEMPLATES {
  return Object.hasOwn(TEMPLATES, name)
}

/** A list with one thing wrong that its bytes need not show: order, a double, padding, a length. */
function oddList(random: Random, attributes: readonly Attribute[]): Buffer {
  const pieces = attributes.map((each) => encodeAttributes([each]))
  const choice = random.below(7)
  if (choice === 0) return Buffer.concat(pieces)
  if (choice === 1) return Buffer.concat([...pieces].reverse())
  const sorted = encodeAttributes(attributes)
  if (choice === 2) return sorted.subarray(0, Math.max(0, sorted.length - random.between(1, 3)))
  const text = encodeAttributes([{ type: protocol.CKA_LABEL, value: random.bytes(random.pick([1, 2, 3, 5])) }])
  if (choice === 3) return cat(text, text)
  if (choice === 4) text.writeUInt8(random.between(1, 255), text.length - 1)
  else if (choice === 5) return roundList(random)
  // As long as there are bytes, or longer.
  else text.writeUInt32BE(oddNumber(random, [text.length - 8, text.length]), 4)
  return text
}

/** A list whose last length, added up in 32 bits, leads back into a value: from there it goes on to the end in good order. */
function roundList(random: Random): Buffer {
  const inside = encodeAttributes([{ type: protocol.CKA_START_DATE, value: random.bytes(8 * random.between(2, 4)) }])
  const list = encodeAttributes([
    { type: protocol.CKA_TOKEN, value: Buffer.of(1) },
    { type: protocol.CKA_LABEL, value: inside },
    { type: protocol.CKA_ID, value: random.bytes(8) },
  ])
  const last = list.length - 16
  const back = last - inside.length
  list.writeUInt32BE(2 ** 32 - (last + 8) + back, last + 4)
  // What is inside ends where the list does.
  list.writeUInt32BE(list.length - back - 8, back + 4)
  return list
}

/** An attribute list that the token takes, with a value that is no secret of the token's; more often than not with something changed. */
function template(random: Random): Buffer {
  const list = TEMPLATES[random.pick(NAMES)].map((each) => ({
    ...each,
    value: each.type === protocol.CKA_VALUE ? bytesOf('public value', random.pick([16, 24, 32])) : each.value,
  }))
  const more = random.oneIn(3)
    ? [{ type: random.pick(ATTRIBUTES), value: random.oneIn(2) ? Buffer.of(1) : u32(random.pick([0, 1, 16, 32])) }]
    : []
  const types = new Set(more.map(({ type }) => type))
  const kept = list.filter(({ type }) => !types.has(type) && !random.oneIn(12))
  const bytes = encodeAttributes([...kept, ...more])
  if (random.oneIn(4)) return oddList(random, [...kept, ...more])
  return random.oneIn(3) ? mutate(random, bytes, encodeAttributes(TEMPLATES.aes)) : bytes
}

const counter = (random: Random): Buffer => cat(u8(random.below(2)), u32(random.pick([8, 16, 24, 32, 12, 0])))

/** Segments of SP 800-108. */
function segments(random: Random): Buffer {
  const n = random.below(4)
  const one = (): Buffer => {
    const type = random.pick([1, 2, 3, 4, 4, 5])
    if (type === 4) return cat(u8(4), field(random.bytes(random.pick([0, 5, 64]))))
    return cat(u8(type), type === 3 ? cat(u8(random.pick([1, 2])), counter(random)) : counter(random))
  }
  return cat(u8(n), ...Array.from({ length: n }, one))
}

const some = (random: Random): Buffer => field(random.bytes(random.pick([0, 8, 33])))
const prf = (random: Random): Buffer =>
  u32(random.pick([protocol.CKM_SHA256_HMAC, protocol.CKM_SHA3_512_HMAC, protocol.CKM_AES_CMAC]))

/** Parameters that are made of several fields. */
const DERIVATIONS: ReadonlyMap<number, (random: Random) => Buffer> = new Map([
  ...[protocol.CKM_ECDH1_DERIVE, protocol.CKM_ECDH1_COFACTOR_DERIVE].map(
    (type) =>
      [
        type,
        (random: Random) =>
          cat(u32(random.pick([1, 2, 6, 8, 0x0d, 99])), some(random), field(publicKey(scalarOf('ecdh')))),
      ] as const,
  ),
  [
    protocol.CKM_HKDF_DERIVE,
    (random) => {
      const hash = u32(random.pick([protocol.CKM_SHA_1, protocol.CKM_SHA512, protocol.CKM_SHA3_256]))
      const salt = cat(u32(random.pick([1, 2, 4])), some(random), u32(random.pick([0, 19, 21])))
      return cat(u8(random.below(4)), hash, salt, some(random))
    },
  ],
  [protocol.CKM_SP800_108_COUNTER_KDF, (random) => cat(prf(random), segments(random))],
  [protocol.CKM_SP800_108_FEEDBACK_KDF, (random) => cat(prf(random), some(random), segments(random))],
  [
    protocol.CKM_LUNA_NIST_PRF_KDF,
    (random) =>
      cat(
        u32(random.pick([1, 2, 5, 7, 9])),
        some(random),
        some(random),
        u32(random.pick([0, 1, 255])),
        u32(random.below(7)),
      ),
  ],
  [
    protocol.CKM_PKCS5_PBKD2,
    (random) => cat(some(random), u32(random.pick([0, 1, 3])), u32(random.pick([1, 3, 4, 6, 7])), some(random)),
  ],
  [
    protocol.CKM_AES_CCM,
    (random) => cat(field(random.bytes(random.pick([7, 13, 14]))), some(random), u32(random.pick([4, 8, 16, 17]))),
  ],
])

/** A parameter as a mechanism takes it. */
export function parameterFor(random: Random, mechanism: number): Buffer {
  const hash = u32(random.pick([protocol.CKM_SHA256, protocol.CKM_SHA384, protocol.CKM_SHA512]))
  const isPss =
    mechanism === protocol.CKM_RSA_PKCS_PSS ||
    (mechanism >= protocol.CKM_SHA256_RSA_PKCS_PSS && mechanism <= protocol.CKM_SHA512_RSA_PKCS_PSS)
  if (isPss) return cat(hash, u32(random.pick([0, 20, 32, 48, 64, 222, 512, 513])))
  if (mechanism === protocol.CKM_RSA_PKCS_OAEP) return hash
  const own = DERIVATIONS.get(mechanism)
  if (own) return own(random)
  const iv: readonly number[] = [protocol.CKM_AES_CBC, protocol.CKM_AES_CBC_PAD, protocol.CKM_AES_CTR]
  if (iv.includes(mechanism)) return random.bytes(16)
  if (mechanism !== protocol.CKM_AES_GCM) return Buffer.alloc(0)
  return cat(
    field(random.bytes(random.pick([12, 12, 1, 16, 64]))),
    field(random.bytes(random.pick([0, 5, 16, 40]))),
    u32(random.pick([96, 104, 128])),
  )
}

const MESSAGES: ReadonlySet<number> = new Set([protocol.CMD_MESSAGE_NONCE, protocol.CMD_MESSAGE_SEAL])

/** Flags, generator, fixed bits, nonce, associated data and length of the tag of a message. */
function messageFor(random: Random): Buffer {
  return cat(
    Buffer.of(random.pick([0, 1, 1, 2, 3, 4]), random.pick([0, 1, 2, 3, 4, 5])),
    u32(random.pick([0, 1, 32, 64, 94, 96, 128])),
    field(random.bytes(random.pick([12, 12, 16, 7, 13, 17, 0]))),
    some(random),
    u32(random.pick([128, 96, 16, 4, 17])),
  )
}

/** Place of the posture's objects that a mechanism works with: AES, HMAC, EC public and private, RSA public and private. */
function fittingKey(mechanism: number, command: number): number | undefined {
  if (mechanism >= protocol.CKM_AES_KEY_GEN && mechanism <= protocol.CKM_AES_GCM) return 1
  if (mechanism >= protocol.CKM_SHA256_HMAC && mechanism <= protocol.CKM_SHA512_HMAC) return 3
  const isPublic = command === protocol.CMD_VERIFY || command === protocol.CMD_ENCRYPT || command === protocol.CMD_WRAP
  if (mechanism >= protocol.CKM_ECDSA && mechanism <= protocol.CKM_ECDSA_SHA512) return isPublic ? 4 : 5
  return mechanism <= protocol.CKM_SHA512_RSA_PKCS_PSS ? (isPublic ? 6 : 7) : undefined
}

/** The value of one field of a request. */
class Values {
  #mechanism = 0

  constructor(
    private readonly random: Random,
    private readonly row: CommandRow,
    private readonly posture: Posture,
  ) {}

  readonly of = (field_: NumberField | FixedField | BytesField, _row: number): number | Uint8Array => {
    const { kind, name } = field_
    if (kind === 'number') return this.#number(name)
    if (kind === 'fixed') return this.#fixed(name, field_.length)
    return kind === 'attrs' ? template(this.random) : this.#bytes(name)
  }

  #number(name: string): number {
    const { random, posture, row } = this
    if (name === 'n' && row.id === protocol.CMD_RANDOM) return random.pick([0, 1, 32, 4096, 4097])
    if (name === '' && row.id === protocol.CMD_OBJECT_GET) return random.pick(ATTRIBUTES)
    const fitting = name === 'handle' || name === '' ? undefined : fittingKey(this.#mechanism, row.id)
    if (fitting !== undefined && !random.oneIn(3)) return posture.handles[fitting] ?? 19
    if (HANDLES.has(name) || name === '')
      return random.oneIn(8) ? oddNumber(random, posture.handles) : random.pick([...posture.handles, 19])
    const known = NUMBERS[name]
    if (!known) return random.pick(EDGES)
    const value = random.oneIn(10) && name !== 'n' ? oddNumber(random, known) : random.pick(known)
    if (name === 'mechanism') this.#mechanism = value
    return value
  }

  #fixed(name: string, length: number): Uint8Array {
    return name === 'eph' && !this.random.oneIn(4)
      ? publicKey(scalarOf(`fuzz ${this.random.below(4)}`))
      : this.random.bytes(length)
  }

  #bytes(name: string): Uint8Array {
    const { random } = this
    if (name === 'label') return Buffer.from(random.pick(LABELS))
    if (name === 'parameter' && MESSAGES.has(this.row.id) && !random.oneIn(5)) return messageFor(random)
    if (name === 'parameter')
      return random.oneIn(5) ? random.bytes(random.pick(LENGTHS)) : parameterFor(random, this.#mechanism)
    if (PASSWORD_FIELDS.has(name)) {
      // On PED-authenticated tokens most of these have to be empty.
      return random.oneIn(3) ? Buffer.alloc(0) : Buffer.from(random.pick(PASSWORDS))
    }
    if (/^M\d$/.test(name))
      return cat(
        'OBC1',
        Buffer.of(Number(name.slice(1)), 1, 0, 0),
        u32(random.pick([683, 728, 252, 72])),
        random.bytes(700),
      )
    const length = random.oneIn(40) ? random.pick([8192, 16384, 65535, 65536, 66000]) : random.pick(LENGTHS)
    return random.bytes(length)
  }
}

/** A body that SPEC.md allows, as far as its form goes. */
export function goodBody(random: Random, row: CommandRow, posture: Posture): Buffer {
  return putTogether(row.request, new Values(random, row, posture).of)
}

/** One length or count inside a body changed to something odd. */
function withOddLength(random: Random, row: CommandRow, body: Buffer): Buffer {
  const spans = (takeApart(row.request, body) ?? []).filter(
    ({ field: { kind, name } }) => kind === 'bytes' || kind === 'attrs' || name === 'n',
  )
  if (spans.length === 0) return mutate(random, body)
  const { at, field: field_, length } = random.pick(spans)
  const width = field_.kind === 'number' ? field_.width : 4
  const copy = Buffer.from(body)
  const value = oddNumber(random, [length - width, body.length - at - width, body.length])
  copy.writeUIntBE(value % 2 ** (8 * Math.min(width, 4)), at, Math.min(width, 4))
  return copy
}

/** What ends a token, or takes long, comes seldom. */
const SELDOM: ReadonlySet<number> = new Set([
  ...[protocol.CMD_HSM_INIT, protocol.CMD_HSM_FACTORY_RESET, protocol.CMD_HSM_ZEROIZE, protocol.CMD_PARTITION_DELETE],
  ...[protocol.CMD_PARTITION_CLEAR, protocol.CMD_PARTITION_INIT, protocol.CMD_SELF_TEST, protocol.CMD_SESSION_CLOSE],
  ...[protocol.CMD_ROLE_LOGOUT, protocol.CMD_PED_VECTOR_ERASE, protocol.CMD_HSM_SET_POLICY, protocol.CMD_CHANNEL_OPEN],
  protocol.CMD_OBJECT_DESTROY,
])

function pickCommand(random: Random): CommandRow {
  for (;;) {
    const row = random.pick(COMMANDS)
    if (!SELDOM.has(row.id) || random.oneIn(row.id === protocol.CMD_SELF_TEST ? 60 : 10)) return row
  }
}

function commandStep(random: Random, posture: Posture): Step {
  const row = pickCommand(random)
  let body = goodBody(random, row, posture)
  const damage = random.below(10)
  if (damage < 3) body = mutate(random, body, goodBody(random, row, posture))
  else if (damage < 5) body = withOddLength(random, row, body)
  if (body.length > protocol.MAX_BODY) body = body.subarray(0, protocol.MAX_BODY)
  const session = row.session !== random.oneIn(20) ? random.between(1, Math.max(1, posture.sessions.length)) : 0
  const mustSeal = row.sealed === 'always' ? !random.oneIn(20) : random.oneIn(row.sealed === 'never' ? 8 : 2)
  const seal = !mustSeal ? SEAL.not : random.oneIn(10) ? random.pick(Object.values(SEAL)) : SEAL.right
  const person = random.oneIn(2) ? PERSON.right : random.pick(PERSONS)
  const command = random.oneIn(60) ? random.below(0x10000) : row.id
  return step('command', [command, session, seal, person], body)
}

/** Bytes that are hardly a frame. */
function frameStep(random: Random): Step {
  const row = random.pick(COMMANDS)
  const head = Buffer.alloc(16)
  head.writeUInt16BE(row.id)
  head.writeUInt32BE(0xfefefefe, 8)
  const body = random.bytes(random.pick(LENGTHS))
  head.writeUInt32BE(body.length, 12)
  return step('frame', [], mutate(random, cat(head, body)))
}

/** One step in a posture. */
export function anyStep(random: Random, posture: Posture): Step {
  if (random.oneIn(25)) return frameStep(random)
  if (random.oneIn(60)) return step('wait', [random.pick([1000, 200_000, 600_000, 820_000])])
  return commandStep(random, posture)
}
