// The structures that answers carry, field by field (PKCS#11 2.40 §3).

import { type Codec, type RpcReader, type RpcWriter, text, ulong, type Version, version } from './codec.js'

export interface Info {
  readonly cryptokiVersion: Version
  readonly manufacturer: string
  readonly flags: number
  readonly description: string
  readonly libraryVersion: Version
}

export interface SlotInfo {
  readonly description: string
  readonly manufacturer: string
  readonly flags: number
  readonly hardwareVersion: Version
  readonly firmwareVersion: Version
}

export interface TokenInfo {
  readonly label: string
  readonly manufacturer: string
  readonly model: string
  readonly serialNumber: string
  readonly flags: number
  readonly maxSessions: number
  readonly sessions: number
  readonly maxRwSessions: number
  readonly rwSessions: number
  readonly maxPin: number
  readonly minPin: number
  /** Memory in bytes. */
  readonly totalPublic: number
  readonly freePublic: number
  readonly totalPrivate: number
  readonly freePrivate: number
  readonly hardwareVersion: Version
  readonly firmwareVersion: Version
  readonly utcTime: string
}

export interface MechanismSizes {
  readonly min: number
  readonly max: number
  readonly flags: number
}

export interface SessionState {
  readonly slot: number
  readonly state: number
  readonly flags: number
  readonly deviceError: number
}

const [text16, text32, text64] = [text(16), text(32), text(64)]

export const info: Codec<Info> = {
  signature: 'vsusv',
  read: (r) => ({
    cryptokiVersion: version.read(r),
    manufacturer: text32.read(r),
    flags: r.ulong(),
    description: text32.read(r),
    libraryVersion: version.read(r),
  }),
  write: (w, value) => {
    version.write(w, value.cryptokiVersion)
    text32.write(w, value.manufacturer)
    w.ulong(value.flags)
    text32.write(w, value.description)
    version.write(w, value.libraryVersion)
  },
}

export const slotInfo: Codec<SlotInfo> = {
  signature: 'ssuvv',
  read: (r) => ({
    description: text64.read(r),
    manufacturer: text32.read(r),
    flags: r.ulong(),
    hardwareVersion: version.read(r),
    firmwareVersion: version.read(r),
  }),
  write: (w, value) => {
    text64.write(w, value.description)
    text32.write(w, value.manufacturer)
    w.ulong(value.flags)
    version.write(w, value.hardwareVersion)
    version.write(w, value.firmwareVersion)
  },
}

export const tokenInfo: Codec<TokenInfo> = {
  signature: 'ssssuuuuuuuuuuuvvs',
  read: readTokenInfo,
  write: writeTokenInfo,
}

function readTokenInfo(r: RpcReader): TokenInfo {
  return {
    label: text32.read(r),
    manufacturer: text32.read(r),
    model: text16.read(r),
    serialNumber: text16.read(r),
    flags: r.ulong(),
    maxSessions: r.ulong(),
    sessions: r.ulong(),
    maxRwSessions: r.ulong(),
    rwSessions: r.ulong(),
    maxPin: r.ulong(),
    minPin: r.ulong(),
    totalPublic: r.ulong(),
    freePublic: r.ulong(),
    totalPrivate: r.ulong(),
    freePrivate: r.ulong(),
    hardwareVersion: version.read(r),
    firmwareVersion: version.read(r),
    utcTime: text16.read(r),
  }
}

function writeTokenInfo(w: RpcWriter, value: TokenInfo): void {
  text32.write(w, value.label)
  text32.write(w, value.manufacturer)
  text16.write(w, value.model)
  text16.write(w, value.serialNumber)
  w.ulong(value.flags).ulong(value.maxSessions).ulong(value.sessions).ulong(value.maxRwSessions)
  w.ulong(value.rwSessions).ulong(value.maxPin).ulong(value.minPin).ulong(value.totalPublic)
  w.ulong(value.freePublic).ulong(value.totalPrivate).ulong(value.freePrivate)
  version.write(w, value.hardwareVersion)
  version.write(w, value.firmwareVersion)
  text16.write(w, value.utcTime)
}

export const mechanismInfo: Codec<MechanismSizes> = {
  signature: 'uuu',
  read: (r) => ({ min: ulong.read(r), max: ulong.read(r), flags: ulong.read(r) }),
  write: (w, { min, max, flags }) => w.ulong(min).ulong(max).ulong(flags),
}

export const sessionInfo: Codec<SessionState> = {
  signature: 'uuuu',
  read: (r) => ({ slot: r.ulong(), state: r.ulong(), flags: r.ulong(), deviceError: r.ulong() }),
  write: (w, { slot, state, flags, deviceError }) => w.ulong(slot).ulong(state).ulong(flags).ulong(deviceError),
}
