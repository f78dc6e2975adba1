// States of a token in which a fuzzer begins: each is brought about by commands, and can be gone back to.
import * as protocol from '../../../assembly/protocol.js'
import { cat, u8, u16, u32, u64 } from '../../oracle/obc1/bytes.js'
import { type Attribute, encodeAttributes } from '../../oracle/obc1/envelope.js'
import type { GuardedFirmware } from './guarded-build.js'
import { PERSON } from './ped-side.js'
import { bytesOf } from './sealing.js'
import { field, type Make, Station } from './station.js'

/** Passwords of password-authenticated tokens; challenges of the others. Longer than a label, so that none can be one. */
export const WORDS = {
  so: 'the password of the HSM security officer',
  partitionSo: 'the password of the partition security officer',
  officer: 'the password of the crypto officer, 48 characters',
  user: 'the password of the crypto user, long as well',
  auditor: 'the password of the auditor, who sees it all',
  auditDomain: 'the domain of all the auditors of this company',
  secondDomain: 'another text domain, for a partition of firmware 7',
  domain: 'a text domain that both partitions have in common',
} as const

/** Key values, such as are put into the tokens. */
export const VALUES = {
  aes: bytesOf('aes value', 32),
  open: bytesOf('open value', 32),
  hmac: bytesOf('hmac value', 48),
} as const

export interface Secret {
  readonly name: string
  readonly bytes: Buffer
}

export interface Posture {
  readonly name: string
  readonly station: Station
  /** Sessions that are open, whatever they are on. */
  readonly sessions: readonly number[]
  readonly handles: readonly number[]
}

const ulong = (type: number, value: number): Attribute => ({ type, value: u32(value) })
const bool = (type: number, value: boolean): Attribute => ({ type, value: u8(value ? 1 : 0) })
const text = (type: number, value: string): Attribute => ({ type, value: Buffer.from(value) })

const FLAGS = [protocol.CKA_ENCRYPT, protocol.CKA_DECRYPT, protocol.CKA_WRAP, protocol.CKA_UNWRAP]

/** Templates that the token takes. */
export const TEMPLATES = {
  data: [
    ulong(protocol.CKA_CLASS, protocol.CKO_DATA),
    bool(protocol.CKA_TOKEN, true),
    text(protocol.CKA_VALUE, 'public'),
  ],
  aes: [
    ...[ulong(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY), ulong(protocol.CKA_KEY_TYPE, protocol.CKK_AES)],
    ...[bool(protocol.CKA_TOKEN, true), text(protocol.CKA_LABEL, 'aes'), bool(protocol.CKA_EXTRACTABLE, true)],
    ...[{ type: protocol.CKA_VALUE, value: VALUES.aes }, ...FLAGS.map((type) => bool(type, true))],
  ],
  open: [
    ...[ulong(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY), ulong(protocol.CKA_KEY_TYPE, protocol.CKK_AES)],
    ...[bool(protocol.CKA_TOKEN, false), bool(protocol.CKA_SENSITIVE, false), bool(protocol.CKA_EXTRACTABLE, true)],
    { type: protocol.CKA_VALUE, value: VALUES.open },
  ],
  hmac: [
    ...[ulong(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY), ulong(protocol.CKA_KEY_TYPE, protocol.CKK_GENERIC_SECRET)],
    ...[bool(protocol.CKA_TOKEN, true), bool(protocol.CKA_SIGN, true), bool(protocol.CKA_VERIFY, true)],
    { type: protocol.CKA_VALUE, value: VALUES.hmac },
  ],
  ecPublic: [
    { type: protocol.CKA_EC_PARAMS, value: Buffer.from('06082a8648ce3d030107', 'hex') },
    bool(protocol.CKA_TOKEN, true),
  ],
  rsaPublic: [ulong(protocol.CKA_MODULUS_BITS, 2048), bool(protocol.CKA_TOKEN, true)],
  private: [bool(protocol.CKA_TOKEN, true), bool(protocol.CKA_EXTRACTABLE, true), text(protocol.CKA_LABEL, 'private')],
  generated: [ulong(protocol.CKA_VALUE_LEN, 32), bool(protocol.CKA_TOKEN, true), bool(protocol.CKA_EXTRACTABLE, true)],
  nothing: [],
} as const satisfies Record<string, readonly Attribute[]>

export const templateBytes = (name: keyof typeof TEMPLATES): Buffer => encodeAttributes(TEMPLATES[name])

const isPed = (make: Make) => make.auth === protocol.AUTH_PED
/** A text secret where the token takes one. */
const word = (make: Make, secret: string) => field(isPed(make) ? '' : secret)

/** Manufactured, and a channel is open. */
function zeroized(firmware: GuardedFirmware, make: Make): Station {
  return new Station(firmware, make).boot().manufacture(make).openChannel()
}

/** Initialized; answers the SO's session, on which nobody is logged in. */
function initialized(firmware: GuardedFirmware, make: Make): { station: Station; admin: number } {
  const station = zeroized(firmware, make)
  const admin = station.session(protocol.ADMIN_PARTITION)
  const init = cat(field('hsm'), word(make, WORDS.so), word(make, WORDS.domain))
  station.ask(protocol.CMD_HSM_INIT, admin, init, true)
  if (isPed(make)) station.ask(protocol.CMD_PED_VECTOR_INIT, soIn(station, admin))
  return { station, admin }
}

function soIn(station: Station, admin: number): number {
  station.login(admin, protocol.ROLE_SO, station.ped.box.size > 0 ? '' : WORDS.so)
  return admin
}

export interface Filled {
  readonly station: Station
  readonly admin: number
  /** A container of the HSM SO, its Crypto Officer and domain made. */
  readonly legacy: number
  readonly officer: number
  /** A partition with a Partition SO, unless the device is a backup device. */
  readonly own: number | undefined
  readonly handles: readonly number[]
}

/** Two partitions with objects; SO and Crypto Officer are logged in. */
export function filled(firmware: GuardedFirmware, make: Make = {}): Filled {
  const { station, admin } = initialized(firmware, make)
  if (!isPed(make)) soIn(station, admin)
  const create = cat(u8(1), field('legacy'), u64(0n), word(make, WORDS.officer))
  const legacy = station.ask(protocol.CMD_PARTITION_CREATE, admin, create, true).readUInt32BE()
  const officer = station.session(legacy)
  station.login(officer, protocol.ROLE_CRYPTO_OFFICER, isPed(make) ? '' : WORDS.officer)
  station.ask(protocol.CMD_PARTITION_SET_DOMAIN, officer, word(make, WORDS.domain), true)
  if (make.model === protocol.MODEL_BACKUP) return { station, admin, legacy, officer, own: undefined, handles: [] }
  const created = cat(u8(0), field('own'), u64(0n), field(''))
  const own = station.ask(protocol.CMD_PARTITION_CREATE, admin, created, true).readUInt32BE()
  return { station, admin, legacy, officer, own, handles: objects(station, officer) }
}

/** Objects of every kind; answers their handles. */
function objects(station: Station, officer: number): number[] {
  const create = (name: keyof typeof TEMPLATES) =>
    station.ask(protocol.CMD_OBJECT_CREATE, officer, field(templateBytes(name)), true).readUInt32BE()
  const pair = (mechanism: number, name: keyof typeof TEMPLATES) => {
    const body = cat(u32(mechanism), field(templateBytes(name)), field(templateBytes('private')))
    const made = station.ask(protocol.CMD_OBJECT_GENERATE_PAIR, officer, body)
    return [made.readUInt32BE(), made.readUInt32BE(4)]
  }
  return [
    ...[create('data'), create('aes'), create('open'), create('hmac')],
    ...pair(protocol.CKM_EC_KEY_PAIR_GEN, 'ecPublic'),
    ...pair(protocol.CKM_RSA_PKCS_KEY_PAIR_GEN, 'rsaPublic'),
  ]
}

/** The own partition's SO, Crypto Officer and Crypto User are made; answers a session on it with nobody logged in. */
export function roles({ station, own }: Filled, make: Make): number {
  const session = station.session(own ?? protocol.ADMIN_PARTITION, 8n)
  const init = cat(field('own'), word(make, WORDS.partitionSo), word(make, WORDS.domain))
  station.ask(protocol.CMD_PARTITION_INIT, session, init, true)
  const again = station.session(own ?? protocol.ADMIN_PARTITION, 8n)
  const secret = (text_: string) => (isPed(make) ? '' : text_)
  station.login(again, protocol.ROLE_PARTITION_SO, secret(WORDS.partitionSo))
  if (isPed(make)) {
    const on = (policy: number) => cat(u32(own ?? 0), u16(policy), u32(1))
    station.ask(protocol.CMD_PARTITION_SET_POLICY, again, on(protocol.POLICY_ACTIVATION))
    station.ask(protocol.CMD_PARTITION_SET_POLICY, again, on(protocol.POLICY_AUTO_ACTIVATION))
  }
  const officer = cat(u8(protocol.ROLE_CRYPTO_OFFICER), word(make, WORDS.officer))
  station.ask(protocol.CMD_ROLE_INIT, again, officer, true)
  if (isPed(make)) {
    const challenge = cat(u8(protocol.ROLE_CRYPTO_OFFICER), field(WORDS.officer))
    station.ask(protocol.CMD_ROLE_CREATE_CHALLENGE, again, challenge, true)
  }
  station.ask(protocol.CMD_ROLE_LOGOUT, again)
  station.login(again, protocol.ROLE_CRYPTO_OFFICER, WORDS.officer)
  const user = cat(u8(protocol.ROLE_CRYPTO_USER), word(make, WORDS.user))
  station.ask(protocol.CMD_ROLE_INIT, again, user, true)
  station.ask(protocol.CMD_ROLE_LOGOUT, again)
  return again
}

type Maker = (firmware: GuardedFirmware) => Omit<Posture, 'name'>

const PED: Make = { auth: protocol.AUTH_PED }
const BACKUP: Make = { auth: protocol.AUTH_PED, model: protocol.MODEL_BACKUP, serial: 700101n }

/** Makes the role with its domain; answers the session on which the auditor is logged in. */
function auditorOf({ station, admin }: Filled): number {
  station.ask(protocol.CMD_ROLE_LOGOUT, admin)
  const session = station.session(protocol.ADMIN_PARTITION, 11n)
  const role = cat(u8(protocol.ROLE_AUDITOR), field(WORDS.auditor))
  station.ask(protocol.CMD_ROLE_INIT, session, role, true)
  station.login(session, protocol.ROLE_AUDITOR, WORDS.auditor)
  station.ask(protocol.CMD_AUDIT_SET_DOMAIN, session, field(WORDS.auditDomain), true)
  station.ask(protocol.CMD_AUDIT_CONFIG, session, u32(protocol.AUDIT_ALL))
  return session
}

/** A session of a client that has nothing to do with the others. */
const stranger = (station: Station, partition: number) => station.session(partition, 99n)

const MAKERS: Readonly<Record<string, Maker>> = {
  blank: (firmware) => ({ station: new Station(firmware).boot(), sessions: [], handles: [] }),
  zeroized: (firmware) => {
    const station = zeroized(firmware, PED)
    return { station, sessions: [station.session(protocol.ADMIN_PARTITION)], handles: [] }
  },
  'nobody logged in': (firmware) => {
    const { station, admin, officer, own, handles } = filled(firmware)
    for (const session of [admin, officer]) station.ask(protocol.CMD_ROLE_LOGOUT, session)
    return { station, sessions: [admin, officer, station.session(own ?? 0)], handles }
  },
  'so and officer': (firmware) => {
    const { station, admin, officer, legacy, handles } = filled(firmware)
    return { station, sessions: [admin, officer, stranger(station, legacy)], handles }
  },
  'partition so': (firmware) => {
    const made = filled(firmware)
    const session = roles(made, {})
    made.station.login(session, protocol.ROLE_PARTITION_SO, WORDS.partitionSo)
    return { station: made.station, sessions: [made.admin, session], handles: made.handles }
  },
  'crypto user': (firmware) => {
    const made = filled(firmware)
    const session = roles(made, {})
    made.station.login(session, protocol.ROLE_CRYPTO_USER, WORDS.user)
    return { station: made.station, sessions: [session, stranger(made.station, made.own ?? 0)], handles: made.handles }
  },
  'with a PED': (firmware) => {
    const { station, admin, officer, own, handles } = filled(firmware, PED)
    return { station, sessions: [admin, officer, stranger(station, own ?? 0)], handles }
  },
  activated: (firmware) => {
    const made = filled(firmware, PED)
    const session = roles(made, PED)
    return { station: made.station, sessions: [made.admin, session, made.officer], handles: made.handles }
  },
  parked: (firmware) => {
    const { station, admin, officer, handles } = filled(firmware, PED)
    station.ask(protocol.CMD_ROLE_LOGOUT, officer)
    station.ped.person = PERSON.waits
    const body = cat(u8(protocol.ROLE_CRYPTO_OFFICER), field(''))
    station.send(station.frame({ command: protocol.CMD_ROLE_LOGIN, session: officer, body, sealed: true }))
    return { station, sessions: [admin, officer], handles }
  },
  'backup device': (firmware) => {
    const { station, admin, officer } = filled(firmware, BACKUP)
    return { station, sessions: [admin, officer], handles: [] }
  },
  auditor: (firmware) => {
    const made = filled(firmware)
    const { station, officer, handles } = made
    return { station, sessions: [auditorOf(made), officer], handles }
  },
  'several domains': (firmware) => {
    const make = { profile: protocol.PROFILE_7_8_0 }
    const made = filled(firmware, make)
    const session = roles(made, make)
    const { station, admin } = made
    station.login(session, protocol.ROLE_PARTITION_SO, WORDS.partitionSo)
    const more = cat(u8(protocol.DOMAIN_TEXT), u8(0), field('second'), field(WORDS.secondDomain))
    station.ask(protocol.CMD_PARTITION_DOMAIN_ADD, session, more, true)
    return { station, sessions: [session, admin], handles: made.handles }
  },
  'in transport': (firmware) => {
    const { station, admin, handles } = filled(firmware, { profile: protocol.PROFILE_7_0_3 })
    station.ask(protocol.CMD_STM_TRANSPORT, admin)
    const session = station.session(protocol.ADMIN_PARTITION)
    station.login(session, protocol.ROLE_SO, WORDS.so)
    return { station, sessions: [session], handles }
  },
  'purple key': (firmware) => {
    const { station, admin, officer, handles } = filled(firmware, PED)
    station.ask(protocol.CMD_SRK_ENABLE, admin)
    return { station, sessions: [admin, officer], handles }
  },
  'locked away': (firmware) => {
    const { station, admin, handles } = filled(firmware, PED)
    station.ask(protocol.CMD_SRK_ENABLE, admin)
    station.ask(protocol.CMD_SRK_TRANSPORT, admin)
    return { station, sessions: [admin], handles }
  },
  'error state': (firmware) => {
    const { station, handles } = filled(firmware)
    station.machine.inject(protocol.RC_SELF_TEST_AES)
    station.boot()
    station.channel = undefined
    return { station, sessions: [], handles }
  },
  tampered: (firmware) => {
    const { station, admin, handles } = filled(firmware)
    station.machine.chips.tamperLine = 1
    station.machine.tamper(1)
    station.channel = undefined
    return { station, sessions: [admin], handles }
  },
}

export const POSTURES = Object.keys(MAKERS)

/** @throws Error where there is no such posture */
export function makePosture(firmware: GuardedFirmware, name: string): Posture {
  const maker = MAKERS[name]
  if (!maker) throw new Error(`no posture ${name}`)
  return { name, ...maker(firmware) }
}

/** Secrets that the words and values of this file put into a token. */
export const KNOWN_SECRETS: readonly Secret[] = [
  ...Object.entries(WORDS).map(([name, secret]) => ({ name: `word ${name}`, bytes: Buffer.from(secret) })),
  ...Object.entries(VALUES).map(([name, bytes]) => ({ name: `value ${name}`, bytes })),
]
