// Which secrets of a token lie in its memory, and where: after a command only those that the token has to keep, in their places.
import { pbkdf2Sync } from 'node:crypto'
import { STATE_FUNCTIONAL, STATE_ZEROIZED } from '../../../assembly/protocol.js'
import { logRecords } from '../../firmware/support/flash-image.js'
import { pinKeyOfPed, roleKek } from '../../oracle/obc1/at-rest.js'
import { domainKey, KDF, TEXT, unwrap } from '../../oracle/obc1/crypto.js'
import { ITERATIONS } from '../firmware/guarded-build.js'
import type { Machine } from '../firmware/machine.js'
import { KNOWN_SECRETS, WORDS } from '../firmware/postures.js'
import type { Station } from '../firmware/station.js'

const PAGE = 4096
const ZERO_PAGE = Buffer.alloc(PAGE)
const ZERO = Buffer.alloc(32)
/** So many bytes in a row are no chance; of a longer secret its beginning, middle and end are looked for. */
const WINDOW = 16

const LOGIN = { place: 'token/sessions/LOGIN_TABLE', row: 56, used: 16, key: 24 } as const
const CACHE = { place: 'token/activation/CACHE', row: 48, used: 12, key: 16 } as const
const ROW = { size: 1280, first: 512, epoch: 4, roles: 324, role: 160, salt: 16, challengeSalt: 88 } as const

export interface FoundSecret {
  readonly name: string
  readonly address: number
  readonly place: string
}

/** Whether the row that an address lies in is in use: its 32-bit word at `used` is not zero. */
const rowInUse = (row: number, used: number) => (machine: Machine, base: number, address: number) => {
  const at = base + Math.floor((address - base) / row) * row
  return machine.memory.readUInt32LE(at + used) !== 0
}

/** What the firmware is doing with the PED. */
export interface PedState {
  /** A command waits for a person. */
  readonly waits: boolean
  /** A remote PED is connected. */
  readonly linked: boolean
}

/** A place that may hold secrets between two commands. */
interface Keeper {
  readonly place: string
  readonly secrets: RegExp
  /** Why the token has to keep it. */
  readonly reason: string
  readonly holds: (machine: Machine, base: number, address: number, now: PedState) => boolean
}

const inState =
  (...states: readonly number[]) =>
  (machine: Machine) =>
    states.includes(machine.variable('token/state/tokenState'))
const works = inState(STATE_FUNCTIONAL)
const hasMtk = inState(STATE_FUNCTIONAL, STATE_ZEROIZED)
const whileParked = (_machine: Machine, _base: number, _address: number, { waits }: PedState) => waits
const whileLinked = (_machine: Machine, _base: number, _address: number, { waits, linked }: PedState) => waits || linked
const parked = 'a command waits for a person'
const linked = 'a PED link is open'
const cloning = 'a cloning session is open'
const cloneKeys = /^cloning (kek|hkS|hkT|macKey)$|^EC scalar$/

/** Every secret that outlives a command, with the reason. Anything else, anywhere else, is a fault. */
export const KEEPERS: readonly Keeper[] = [
  ...['KEK', 'RSK', 'GSK'].map((name) => ({
    ...{ place: `arena/KEY_${name}`, secrets: new RegExp(`^key ${name}$`), reason: 'the HSM is initialized' },
    holds: works,
  })),
  ...['MTK', 'FK', 'AUDIT', 'AUDIT_IMPORTED'].map((name) => ({
    ...{
      place: `arena/KEY_${name}`,
      secrets: new RegExp(`^key (${name}|AUDIT)$`),
      reason: 'what survives zeroization',
    },
    holds: hasMtk,
  })),
  {
    place: 'arena/KEY_TUK',
    secrets: /^key TUK$|^EC scalar$/,
    reason: 'the key that the certificate names',
    holds: hasMtk,
  },
  { place: 'arena/KEY_RPV', secrets: /^key RPV$|^PED key/, reason: 'the vector of the orange key', holds: hasMtk },
  {
    place: LOGIN.place,
    secrets: /^storage key$/,
    reason: 'somebody is logged in',
    holds: rowInUse(LOGIN.row, LOGIN.used),
  },
  {
    place: CACHE.place,
    secrets: /^storage key$/,
    reason: 'a role is activated',
    holds: rowInUse(CACHE.row, CACHE.used),
  },
  {
    place: 'token/session_objects/SMALL_TABLE',
    ...{ secrets: /^value|^RSA|^EC scalar$/, reason: 'a session object exists' },
    holds: rowInUse(2112, 0),
  },
  {
    place: 'token/session_objects/LARGE_TABLE',
    ...{ secrets: /^value|^RSA|^EC scalar$/, reason: 'a session object exists' },
    holds: rowInUse(8256, 0),
  },
  {
    ...{ place: 'commands/channel/TABLE', secrets: /^channel (Kc|Kt)$/, reason: 'a channel is open' },
    holds: rowInUse(80, 0),
  },
  { place: 'cloning/source/TABLE', secrets: cloneKeys, reason: cloning, holds: rowInUse(9264, 0) },
  { place: 'cloning/target/TABLE', secrets: cloneKeys, reason: cloning, holds: rowInUse(17264, 0) },
  { place: 'ped/channel/KEYS', secrets: /^PED link/, reason: linked, holds: whileLinked },
  { place: 'ped/channel/EPHEMERAL', secrets: /^EC scalar$/, reason: linked, holds: whileParked },
  { place: 'ped/prompts/ANSWERS', secrets: /^PED|^storage/, reason: parked, holds: whileParked },
  { place: 'ped/prompts/PROMPT', secrets: /^PED/, reason: parked, holds: whileParked },
  { place: 'ped/prompts/PED_KEPT', secrets: /^challenge/, reason: parked, holds: whileParked },
  { place: 'commands/dispatch/PARK', secrets: /^word/, reason: parked, holds: whileParked },
  {
    ...{ place: 'commands/device/HOK', secrets: /^EC scalar$/, reason: 'the factory has not signed yet' },
    holds: (machine) => machine.variable('commands/device/begun') !== 0,
  },
]

const ROOT_KEYS = {
  KEK: 32,
  MTK: 32,
  RSK: 80,
  FK: 32,
  GSK: 32,
  TUK: 48,
  RPV: 48,
  AUDIT: 48,
  AUDIT_IMPORTED: 48,
} as const

export class SecretSearch {
  readonly #station: Station
  readonly #known = new Map<string, { name: string; bytes: Buffer }>()
  /** First two bytes of every window → the windows that begin so. */
  #index = new Map<number, { readonly name: string; readonly window: Buffer }[]>()
  readonly #hint = new Uint8Array(65536)

  /** @param base a search on the same station: what it knows is known */
  constructor(station: Station, base?: SecretSearch) {
    this.#station = station
    if (base) {
      for (const { name, bytes } of base.#known.values()) this.add(name, bytes)
      return
    }
    for (const { name, bytes } of KNOWN_SECRETS) this.add(name, bytes)
    for (const domain of [WORDS.domain, WORDS.secondDomain, WORDS.auditDomain]) {
      const vector = pbkdf2Sync(domain, 'OBC1 text domain', ITERATIONS, 48, 'sha512')
      this.add('domain vector', vector)
      this.add('domain key', domainKey(vector, TEXT))
    }
  }

  /** A secret of at least 12 bytes; shorter or empty ones are left out. */
  add(name: string, bytes: Uint8Array): void {
    const value = Buffer.from(bytes)
    const id = value.toString('hex')
    if (value.length < 12 || this.#known.has(id) || value.every((byte) => byte === value[0])) return
    this.#known.set(id, { name, bytes: value })
    const last = Math.max(0, value.length - WINDOW)
    for (const at of new Set([0, last >> 1, last])) {
      const window = value.subarray(at, at + WINDOW)
      const key = window.readUInt16LE()
      this.#index.set(key, [...(this.#index.get(key) ?? []), { name, window }])
      this.#hint[key] = 1
    }
  }

  /** Everything that now can be known: keys in their places, keys that follow from them, what accelerator and PED gave out. */
  learn(): void {
    this.learnQuickly()
    this.#learnRoles(this.#station.machine)
  }

  /** The same without the keys of roles, which take longer to compute. */
  learnQuickly(): void {
    const { machine, ped, channel } = this.#station
    for (const [name, length] of Object.entries(ROOT_KEYS)) {
      if (machine.has(`arena/KEY_${name}`))
        this.add(`key ${name}`, machine.view(`arena/KEY_${name}`).subarray(0, length))
    }
    for (const { name, bytes } of machine.chips.secrets.splice(0)) this.add(name, bytes)
    for (const [name, secret] of ped.box) this.add(`PED key ${name}`, secret)
    for (const secret of ped.keys?.secrets ?? []) this.add('PED link', secret)
    const names = ['channel Kc', 'channel Kt', 'channel Km', 'channel PRK', 'ECDH result', 'ECDH result']
    for (const [i, secret] of (channel?.secrets ?? []).entries()) this.add(names[i] ?? 'channel', secret)
    this.#learnStorage(machine)
  }

  /** Storage keys, the content keys that they protect, and what opens them. */
  #learnStorage(machine: Machine): void {
    const storage: Buffer[] = []
    for (const { place, row, used, key } of [LOGIN, CACHE]) {
      const table = machine.view(place)
      for (let at = 0; at + row <= table.length; at += row) {
        if (table.readUInt32LE(at + used) !== 0) storage.push(Buffer.from(table.subarray(at + key, at + key + 32)))
      }
    }
    for (const bytes of storage) this.add('storage key', bytes)
    const gsk = Buffer.from(machine.view('arena/KEY_GSK'))
    if (gsk.equals(ZERO)) return
    for (const { bytes, tombstone, committed } of logRecords(machine.chips.memory.state.flash.image)) {
      if (tombstone || !committed) continue
      const wrapped = bytes.subarray(64, 104)
      for (const key of [gsk, ...storage]) {
        const cek = unwrap(key, wrapped)
        if (cek) this.add('content key', cek)
      }
    }
  }

  /** PinKey and RoleKEK of every role, from its salt and whatever secret it may have. */
  #learnRoles(machine: Machine): void {
    if (machine.variable('token/state/tokenState') !== STATE_FUNCTIONAL) return
    const superblock = machine.view('flash/superblock/SB')
    const [kek, mtk] = [Buffer.from(machine.view('arena/KEY_KEK')), Buffer.from(machine.view('arena/KEY_MTK'))]
    const serial = superblock.readBigUInt64BE(12)
    for (let partition = 0; partition < 4; partition++) {
      const at = ROW.first + partition * ROW.size
      const epoch = superblock.readUInt32BE(at + ROW.epoch)
      for (let role = 0; role < 4; role++) {
        const row = at + ROW.roles + role * ROW.role
        const [salt, challenge] = [ROW.salt, ROW.challengeSalt].map((field) =>
          Buffer.from(superblock.subarray(row + field, row + field + 32)),
        )
        if (!salt || !challenge || salt.equals(ZERO)) continue
        const words = Object.values(WORDS).map((word) => pbkdf2Sync(word, salt, ITERATIONS, 48, 'sha512'))
        const secrets = [...this.#station.ped.box.values()].map((secret) => pinKeyOfPed(secret, salt))
        const pins = [...words, ...secrets]
        if (!challenge.equals(ZERO)) pins.push(pbkdf2Sync(WORDS.officer, challenge, ITERATIONS, 48, 'sha512'))
        for (const pin of pins) {
          this.add('PinKey', pin)
          this.add('RoleKEK', roleKek({ kek, mtk }, { serial, partition, role, epoch }, pin))
        }
      }
    }
    this.add('activation key', KDF(Buffer.concat([kek, mtk]), 'OBC1 activation', superblock.subarray(12, 20), 32))
  }

  /** Every secret in memory, wherever it is. */
  find(): FoundSecret[] {
    const { memory, end } = this.#station.machine
    const found: FoundSecret[] = []
    for (let page = 0; page < end; page += PAGE) {
      if (memory.compare(ZERO_PAGE, 0, PAGE, page, page + PAGE) === 0) continue
      // A window may begin in the last bytes of a page.
      for (let at = page; at < page + PAGE; at++) {
        const key = (memory[at] ?? 0) | ((memory[at + 1] ?? 0) << 8)
        if (this.#hint[key] === 1) this.#candidates(at, key, found)
      }
    }
    return found
  }

  #candidates(at: number, key: number, found: FoundSecret[]): void {
    const { machine } = this.#station
    for (const { name, window } of this.#index.get(key) ?? []) {
      if (machine.memory.compare(window, 0, window.length, at, at + window.length) !== 0) continue
      found.push({ name, address: at, place: machine.nameOf(at) })
    }
  }

  /** Those that lie where nothing of their kind may be. */
  misplaced(now: PedState): FoundSecret[] {
    const { machine } = this.#station
    return this.find().filter(({ name, address, place }) => {
      // Between the buffers there are only constants: the known answers of the self-tests are secrets of nobody.
      if (place.startsWith('address')) return false
      return !KEEPERS.some((keeper) => {
        if (!keeper.secrets.test(name) || !machine.has(keeper.place)) return false
        const { at, length } = machine.region(keeper.place)
        return address >= at && address < at + length && keeper.holds(machine, at, address, now)
      })
    })
  }
}
