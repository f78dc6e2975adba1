// Set-up of an OBC-1 session: hellos, key schedule, key confirmation (OBC-1 §4, §5.1 to §5.3).

import { KDF_OUT, KEY_TUK, SECRET, SHARED } from '../arena'
import { kdf } from '../crypto/kdf'
import { load16be, load32be, load64be, store16be, store32be, wipe } from '../crypto/util'
import {
  HSM_POLICY_NON_FIPS,
  OBC_TOKEN_BACKUP,
  OBC_TOKEN_FIPS,
  OBC_TOKEN_PED,
  RC_NEGOTIATION_INVALID,
  RC_NEGOTIATION_NO_ROOTS,
  RC_OK,
} from '../protocol'
import { certifiedKey } from '../token/certificate'
import { macBegin, macEnd, macPart } from '../token/digest'
import { domainKey } from '../token/keys'
import {
  L_KC_SOURCE,
  L_KC_SOURCE_LENGTH,
  L_KC_TARGET,
  L_KC_TARGET_LENGTH,
  L_SESSION,
  L_SESSION_LENGTH,
} from '../token/labels'
import { domainType, domainVector } from '../token/partitions'
import { ecdh } from '../token/pka'
import { hsmPolicy } from '../token/policies'
import { CERTIFICATES_SIZE, certificates, firmwareVersion, isBackup, isPed, serialBytes } from '../token/state'

export const SRC_HELLO: i32 = 1
export const TGT_HELLO: i32 = 2
export const BATCH: i32 = 3
export const RESULT: i32 = 4
export const CLOSE: i32 = 5

export const HEADER: i32 = 16
export const SUITE: u32 = 1
/** Bytes 0 to 3 of a header, for comparison. */
const MAGIC: u32 = 0x4f424331

// SRC_HELLO, offsets in the message, one suite.
export const M1_SIZE: i32 = 699
export const M1_SID: usize = 16
export const M1_NONCE: usize = 32
export const M1_EPH: usize = 64
const M1_COUNT: usize = 161
const M1_SUITES: usize = 165
const M1_MOST: i32 = 713

// TGT_HELLO, offsets in the message.
export const M2_CORE: i32 = 712
export const M2_SID_SOURCE: usize = 16
export const M2_SID: usize = 32
export const M2_NONCE: usize = 48
export const M2_EPH: usize = 80
export const M2_DOMAINS: usize = 177
export const M2_SUITE: usize = 178
export const M2_IDENTITY: usize = 180
export const M2_TAGS: usize = 712

// Identity block: serial 8, partition 4, firmware 4, flags 4, HOC, TWC.
export const ID_PARTITION: usize = 8
export const ID_FLAGS: usize = 16
export const ID_CERTIFICATES: usize = 20

/** MacKey 48, KEK 32, HKs 48, HKt 48. */
export const KM_SIZE: i32 = 176
export const KM_KEK: usize = 48
export const KM_HKS: usize = 80
export const KM_HKT: usize = 128

export function obcHeader(out: usize, type: i32, bodyLength: i32, number: u32): void {
  store32be(out, MAGIC)
  store<u8>(out + 4, <u8>type)
  store<u8>(out + 5, 1)
  store16be(out + 6, 0)
  store32be(out + 8, <u32>bodyLength)
  store32be(out + 12, number)
}

/** Exactly this header: type, version, flags, length, number (OBC-1 §5.1). */
export function obcFrameIs(message: usize, length: i32, type: i32, number: u32): bool {
  if (length < HEADER || load32be(message) !== MAGIC) return false
  if (load<u8>(message + 4) !== <u8>type || load<u8>(message + 5) !== 1 || load16be(message + 6) !== 0) return false
  return load32be(message + 8) === <u32>(length - HEADER) && load32be(message + 12) === number
}

/** This token's identity block. */
export function writeIdentity(out: usize, partition: u32): void {
  memory.copy(out, serialBytes(), 8)
  store32be(out + 8, partition)
  store32be(out + 12, firmwareVersion())
  let flags: u32 = 0
  if (isPed()) flags |= OBC_TOKEN_PED
  if (hsmPolicy(HSM_POLICY_NON_FIPS) === 0) flags |= OBC_TOKEN_FIPS
  if (isBackup()) flags |= OBC_TOKEN_BACKUP
  store32be(out + ID_FLAGS, flags)
  memory.copy(out + ID_CERTIFICATES, certificates(), CERTIFICATES_SIZE)
}

/** Address of the identity block of a SRC_HELLO whose form is right, 0 = it is not. */
export function m1Identity(message: usize, length: i32): usize {
  if (length < M1_SIZE || length > M1_MOST || !obcFrameIs(message, length, SRC_HELLO, 0)) return 0
  const n = <i32>load<u8>(message + M1_COUNT)
  if (n < 1 || n > 8 || length !== M1_SIZE - 2 + 2 * n) return 0
  if (load<u8>(message + M1_COUNT + 1) !== 0 || load16be(message + M1_COUNT + 2) !== 0) return 0
  return message + M1_SUITES + <usize>(2 * n)
}

export function m1Offers(message: usize, suite: u32): bool {
  const n = <usize>load<u8>(message + M1_COUNT)
  for (let i: usize = 0; i < n; i++) if (load16be(message + M1_SUITES + 2 * i) === suite) return true
  return false
}

/** Writes SRC_HELLO with one suite; sidS, nonce and ephS stand in place already. */
export function m1Write(message: usize, partition: u32): void {
  obcHeader(message, SRC_HELLO, M1_SIZE - HEADER, 0)
  store<u8>(message + M1_COUNT, 1)
  store<u8>(message + M1_COUNT + 1, 0)
  store16be(message + M1_COUNT + 2, 0)
  store16be(message + M1_SUITES, SUITE)
  writeIdentity(message + M1_SUITES + 2, partition)
}

/** Number of tags of a TGT_HELLO whose form is right, 0 = it is not. */
export function m2Domains(message: usize, length: i32): i32 {
  if (length < M2_CORE + 32 || !obcFrameIs(message, length, TGT_HELLO, 0)) return 0
  const d = <i32>load<u8>(message + M2_DOMAINS)
  return d >= 1 && d <= 3 && length === M2_CORE + 32 * d ? d : 0
}

/** Writes TGT_HELLO without tags; sidT, nonce and ephT stand in place already. */
export function m2Write(message: usize, sidSource: usize, partition: u32, domains: i32): void {
  obcHeader(message, TGT_HELLO, M2_CORE - HEADER + 32 * domains, 0)
  memory.copy(message + M2_SID_SOURCE, sidSource, 16)
  store<u8>(message + M2_DOMAINS, <u8>domains)
  store16be(message + M2_SUITE, SUITE)
  writeIdentity(message + M2_IDENTITY, partition)
}

export function samePlace(identity: usize, partition: u32): bool {
  return load64be(identity) === load64be(serialBytes()) && load32be(identity + ID_PARTITION) === partition
}

/** Ze and Zs into SHARED. RC_OK, or whose point is none: the certified one is the chain's fault, the ephemeral one the hello's. */
export function agree(ephemeral: usize, peerEphemeral: usize, identity: usize): u32 {
  const peerKey = certifiedKey(identity + ID_CERTIFICATES + 256)
  if (!ecdh(KEY_TUK, peerKey, SHARED + 48)) return RC_NEGOTIATION_NO_ROOTS
  return ecdh(ephemeral, peerEphemeral, SHARED) ? RC_OK : RC_NEGOTIATION_INVALID
}

/** KM of one own domain into `out` (176 bytes), from Ze and Zs in SHARED. */
export function sessionKeys(partition: u32, slot: i32, th: usize, out: usize): bool {
  if (!domainVector(partition, slot, SECRET)) return false
  sessionKeysOf(SECRET, domainType(partition, slot), th, out)
  wipe(SECRET, 48)
  return true
}

export function sessionKeysOf(vector: usize, type: i32, th: usize, out: usize): void {
  domainKey(vector, type, SHARED + 96)
  macBegin(th, 48)
  macPart(SHARED, 144)
  macEnd(KDF_OUT)
  kdf(KDF_OUT, 48, L_SESSION, L_SESSION_LENGTH, th, 48, out, KM_SIZE)
  wipe(SHARED + 96, 48)
  wipe(KDF_OUT, 48)
}

/** tagT = HM(MacKey, "KC_2_V" ∥ IDt ∥ IDs ∥ ephT ∥ ephS ∥ TH); 48 bytes at `out`, of which 32 count. */
export function tagOfTarget(km: usize, idT: usize, idS: usize, ephT: usize, ephS: usize, th: usize, out: usize): void {
  macBegin(km, 48)
  macPart(L_KC_TARGET, L_KC_TARGET_LENGTH)
  macPart(idT, 12)
  macPart(idS, 12)
  macPart(ephT, 97)
  macPart(ephS, 97)
  macPart(th, 48)
  macEnd(out)
}

/** tagS covers the tags of M2 too: without them a courier could choose among common domains. */
export function tagOfSource(
  km: usize,
  idS: usize,
  idT: usize,
  ephS: usize,
  ephT: usize,
  th: usize,
  tags: usize,
  domains: i32,
  out: usize,
): void {
  macBegin(km, 48)
  macPart(L_KC_SOURCE, L_KC_SOURCE_LENGTH)
  macPart(idS, 12)
  macPart(idT, 12)
  macPart(ephS, 97)
  macPart(ephT, 97)
  macPart(th, 48)
  macPart(tags, 32 * domains)
  macEnd(out)
}
