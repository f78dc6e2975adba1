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
/** Label of the content key's derivation, and what is derived from: place and digest. */
const LABEL = 8
const CONTEXT = 68

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
  const [plain, text, tag, digest] = [core.put(pattern(bytes, 6)), core.room(bytes), core.room(16), core.room(48)]
  const [label, fixed, out] = [core.room(LABEL), core.room(CONTEXT), core.room(32)]
  const [rows, keys, good] = [core.room(8 * BATCH), core.room(WRAPPED * BATCH), core.room(BATCH)]
  const view = new DataView(memory.buffer)
  for (let k = 0; k < BATCH; k++) {
    view.setUint32(rows + 8 * k, keys + WRAPPED * k, true)
    view.setUint32(rows + 8 * k + 4, SEMIBLOCKS, true)
  }
  const seal = (extra: number): void => {
    for (let k = 0; k < BATCH; k++) {
      call.sha384(plain, bytes, digest)
      call.kdf(cek, 32, label, LABEL, fixed, CONTEXT, out, 32)
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
  seal(RECORD_AAD)
  const work = (): void => {
    open(RECORD_AAD)
    seal(ENVELOPE_AAD)
    open(ENVELOPE_AAD)
    seal(RECORD_AAD)
  }
  return loop(work, { units: BATCH, milliseconds })
}
