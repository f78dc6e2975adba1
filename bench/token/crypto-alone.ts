// What the cryptography of moving one object costs by itself: the firmware's own primitives on data of the same lengths, without
// frames, flash, directory or host. Open at rest, seal for the way, open, seal at rest (OBC-1 §5.4, §6.3).
import { pattern } from '../crypto/samples.js'
import { Core } from '../harness/core.js'
import { type Contender, loop } from '../harness/rounds.js'

/** Bytes under the GCM tag beside the object: the head of a record, and SID and head of an envelope. */
const RECORD_AAD = 104
const ENVELOPE_AAD = 96
/** A wrapped content key: check value and 32 bytes. */
const WRAPPED = 40
const SEMIBLOCKS = 4
const BATCH = 256
/** What a content key is derived from beside the object: 32 bytes of the TRNG and the place. */
const RECORD_SEED = 32 + 56
const ENVELOPE_SEED = 32 + 20
/** Bytes of a SHA-384 digest. */
const DIGEST = 48

/** @param bytes of the object's attribute list */
export function cryptoAlone(bytes: number, milliseconds: number): Contender {
  const core = new Core()
  const { call, memory } = core
  const context = core.context()
  const [kek, cek, iv, aad] = [
    core.put(pattern(32, 2)),
    core.put(pattern(32, 3)),
    core.put(pattern(12, 4)),
    core.put(pattern(104, 5)),
  ]
  const [plain, text, tag, digest] = [core.put(pattern(bytes, 6)), core.room(bytes), core.room(16), core.room(DIGEST)]
  const derived = core.room(RECORD_SEED + bytes)
  const [rows, keys, good] = [core.room(8 * BATCH), core.room(WRAPPED * BATCH), core.room(BATCH)]
  const view = new DataView(memory.buffer)
  for (let k = 0; k < BATCH; k++) {
    view.setUint32(rows + 8 * k, keys + WRAPPED * k, true)
    view.setUint32(rows + 8 * k + 4, SEMIBLOCKS, true)
  }
  const seal = (extra: number, seed: number): void => {
    for (let k = 0; k < BATCH; k++) {
      // An HMAC whose pads are hashed already.
      call.sha384(derived, seed + bytes, digest)
      call.sha384(digest, DIGEST, digest)
      call.gcmSeal(cek, 32, iv, 12, aad, extra, plain, bytes, text, tag, 16)
    }
    call.aesKey(context, kek, 32)
    call.kwWrapMany(context, rows, BATCH)
  }
  const open = (extra: number): void => {
    call.aesKey(context, kek, 32)
    call.kwUnwrapMany(context, rows, BATCH, good)
    for (let k = 0; k < BATCH; k++) call.gcmOpen(cek, 32, iv, 12, aad, extra, text, bytes, plain, tag, 16)
  }
  seal(RECORD_AAD, RECORD_SEED)
  const work = (): void => {
    open(RECORD_AAD)
    seal(ENVELOPE_AAD, ENVELOPE_SEED)
    open(ENVELOPE_AAD)
    seal(RECORD_AAD, RECORD_SEED)
  }
  return loop(work, { units: BATCH, milliseconds })
}
