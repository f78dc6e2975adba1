// The messages M1 to M5: OBC-1 §5.1 to §5.5.
import * as protocol from '../../../assembly/protocol.js'
import { cat, equal, FieldReader, isZero, u8, u16, u32, u64 } from './bytes.js'
import { HM } from './crypto.js'
import { seqOf, splitEnvelopes, tagOf } from './envelope.js'

const SRC_HELLO = 1
const TGT_HELLO = 2
const BATCH = 3
const RESULT = 4
const CLOSE = 5
const HEADER = 16
export const SUITE = 1
/** Batch flags. */
export const FIRST = 1
export const LAST = 2
export const NO_HANDLE = protocol.UNAVAILABLE

/** A check of the protocol failed; `code` is the return code (RC_…) it is known by. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  constructor(
    readonly code: number,
    what: string,
  ) {
    super(`${what} (0x${code.toString(16)})`)
  }
}

export function refuse(what: string, code: number = protocol.RC_NEGOTIATION_INVALID): never {
  throw new ProtocolError(code, what)
}

export function must(condition: unknown, what: string, code?: number): asserts condition {
  if (!condition) refuse(what, code)
}

// ---- frames -------------------------------------------------------------------------------------------------------

const header = (type: number, length: number, number: number) =>
  cat('OBC1', u8(type), u8(1), u16(0), u32(length), u32(number))

function frame(type: number, number: number, ...parts: Buffer[]): Buffer {
  const body = cat(...parts)
  return cat(header(type, body.length, number), body)
}

/** Body of a message, after the checks of §5.1. */
function unframe(message: Buffer, type: number, number: number): FieldReader {
  must(message.length >= HEADER && message.length <= protocol.OBC_MAX_MESSAGE, 'message length')
  const body = message.subarray(HEADER)
  must(equal(message.subarray(0, HEADER), header(type, body.length, number)), 'header')
  return new FieldReader(body, refuse)
}

const mac = (key: Buffer, message: Buffer) => HM(key, message.subarray(0, -32)).subarray(0, 32)

/** A message that ends in a MAC over all before it; its header already counts the MAC. */
function macFrame(key: Buffer, type: number, number: number, ...parts: Buffer[]): Buffer {
  const message = frame(type, number, ...parts, Buffer.alloc(32))
  return cat(message.subarray(0, -32), mac(key, message))
}

// ---- hellos -------------------------------------------------------------------------------------------------------

/** What a token says of itself in a hello. */
export interface Identity {
  serial: bigint
  partition: number
  firmware: number
  flags: number
  hoc: Buffer
  twc: Buffer
}

const identity = (token: Identity) =>
  cat(u64(token.serial), u32(token.partition), u32(token.firmware), u32(token.flags), token.hoc, token.twc)

function readIdentity(reader: FieldReader): Identity {
  const [serial, partition, firmware, flags] = [reader.u64(), reader.u32(), reader.u32(), reader.u32()]
  const [hoc, twc] = [reader.bytes(protocol.OBC_CERTIFICATE), reader.bytes(protocol.OBC_CERTIFICATE)]
  return { serial, partition, firmware, flags, hoc, twc }
}

export interface SourceHello extends Identity {
  sidS: Buffer
  nonce: Buffer
  eph: Buffer
  suites: number[]
}

export const encodeM1 = (hello: {
  sidS: Buffer
  nonce: Buffer
  eph: Buffer
  suites?: number[]
  token: Identity
}): Buffer => {
  const { sidS, nonce, eph, suites = [SUITE], token } = hello
  return frame(SRC_HELLO, 0, sidS, nonce, eph, u8(suites.length), Buffer.alloc(3), ...suites.map(u16), identity(token))
}

export function decodeM1(message: Buffer): SourceHello {
  const reader = unframe(message, SRC_HELLO, 0)
  const [sidS, nonce, eph] = [reader.bytes(16), reader.bytes(32), reader.bytes(97)]
  const count = reader.u8()
  must(count >= 1 && count <= 8 && isZero(reader.bytes(3)), 'suite list')
  const suites = Array.from({ length: count }, reader.u16)
  const hello = { sidS, nonce, eph, suites, ...readIdentity(reader) }
  reader.end()
  return hello
}

export interface TargetHello extends Identity {
  sidS: Buffer
  sidT: Buffer
  nonce: Buffer
  eph: Buffer
  suite: number
  /** Header ∥ body without the tags. */
  core: Buffer
  tags: Buffer[]
}

interface TargetHelloFields {
  sidS: Buffer
  sidT: Buffer
  nonce: Buffer
  eph: Buffer
  domains: number
  suite?: number
  token: Identity
}

/** M2core: header with its final length ∥ body without the tags. */
export function encodeM2core({ sidS, sidT, nonce, eph, domains, suite = SUITE, token }: TargetHelloFields): Buffer {
  const body = cat(sidS, sidT, nonce, eph, u8(domains), u16(suite), identity(token))
  return cat(header(TGT_HELLO, body.length + 32 * domains, 0), body)
}

export function decodeM2(message: Buffer): TargetHello {
  const reader = unframe(message, TGT_HELLO, 0)
  const [sidS, sidT, nonce, eph] = [reader.bytes(16), reader.bytes(16), reader.bytes(32), reader.bytes(97)]
  const domains = reader.u8()
  must(domains >= 1 && domains <= 3, 'domain count')
  const suite = reader.u16()
  const token = readIdentity(reader)
  const tags = Array.from({ length: domains }, () => reader.bytes(32))
  reader.end()
  return { sidS, sidT, nonce, eph, suite, ...token, core: message.subarray(0, -32 * domains), tags }
}

// ---- M3, M4, M5 ---------------------------------------------------------------------------------------------------

const batchMac = (hkS: Buffer, message: Buffer, envelopes: readonly Buffer[]) =>
  HM(hkS, message.subarray(0, HEADER + 56), ...envelopes.map((each) => cat(u32(seqOf(each)), tagOf(each)))).subarray(
    0,
    32,
  )

export interface BatchFields {
  hkS: Buffer
  sid: Buffer
  number: number
  slot: number
  flags: number
  /** tagS; zeros unless the batch is the first. */
  confirmation?: Buffer
  envelopes: readonly Buffer[]
}

export function encodeM3({
  hkS,
  sid,
  number,
  slot,
  flags,
  confirmation = Buffer.alloc(32),
  envelopes,
}: BatchFields): Buffer {
  const head = cat(sid, u32(number), u8(slot), u8(flags), u16(envelopes.length), confirmation)
  const message = frame(BATCH, number + 1, head, ...envelopes, Buffer.alloc(32))
  return cat(message.subarray(0, -32), batchMac(hkS, message, envelopes))
}

export interface Batch {
  sid: Buffer
  slot: number
  flags: number
  count: number
  confirmation: Buffer
  envelopes: Buffer[]
}

/** Form only; the MAC needs the key of the slot named inside. */
export function decodeM3(message: Buffer, number: number): Batch {
  const reader = unframe(message, BATCH, number + 1)
  const sid = reader.bytes(16)
  must(reader.u32() === number, 'batch number')
  const [slot, flags, count, confirmation] = [reader.u8(), reader.u8(), reader.u16(), reader.bytes(32)]
  must((flags & ~(FIRST | LAST)) === 0 && count <= protocol.OBC_MAX_BATCH, 'batch flags or count')
  must((flags & FIRST) !== 0 || isZero(confirmation), 'tag in a later batch')
  const rest = reader.rest()
  must(rest.length >= 32, 'truncated')
  const envelopes = splitEnvelopes(rest.subarray(0, -32), count) ?? refuse('envelope lengths')
  return { sid, slot, flags, count, confirmation, envelopes }
}

export const m3MacIsGood = (hkS: Buffer, message: Buffer, envelopes: readonly Buffer[]): boolean =>
  equal(batchMac(hkS, message, envelopes), message.subarray(-32))

export interface Result {
  seq: number
  code: number
  /** NO_HANDLE unless the code is RC_OK. */
  handle: number
}

export const encodeM4 = ({
  hkT,
  sid,
  number,
  results,
}: {
  hkT: Buffer
  sid: Buffer
  number: number
  results: readonly Result[]
}): Buffer => {
  const rows = results.map(({ seq, code, handle }) => cat(u32(seq), u32(code), u32(handle), u32(0)))
  return macFrame(hkT, RESULT, number + 1, sid, u32(number), u16(results.length), u16(0), ...rows)
}

/** A batch that waits for its results. */
export interface Pending {
  number: number
  firstSeq: number
  count: number
}

export function decodeM4(
  message: Buffer,
  { hkT, sid, number, firstSeq, count }: Pending & { hkT: Buffer; sid: Buffer },
): Result[] {
  const reader = unframe(message, RESULT, number + 1)
  must(equal(mac(hkT, message), message.subarray(-32)), 'result MAC')
  must(equal(reader.bytes(16), sid) && reader.u32() === number, 'result of another batch')
  must(reader.u16() === count && reader.u16() === 0, 'result count')
  const results = Array.from({ length: count }, (_, i) => {
    const row = { seq: reader.u32(), code: reader.u32(), handle: reader.u32() }
    must(reader.u32() === 0 && row.seq === firstSeq + i, 'result entry')
    must(row.code === protocol.RC_OK || row.handle === NO_HANDLE, 'handle of an object that failed')
    return row
  })
  reader.bytes(32)
  reader.end()
  return results
}

export const encodeClose = ({
  key,
  sid,
  number,
  total,
}: {
  key: Buffer
  sid: Buffer
  number: number
  total: number
}): Buffer => macFrame(key, CLOSE, number, sid, u32(total))

export function checkClose(message: Buffer, fields: { key: Buffer; sid: Buffer; number: number; total: number }): void {
  must(equal(message, encodeClose(fields)), 'close')
}
