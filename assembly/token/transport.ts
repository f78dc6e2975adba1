// Secure transport mode with a verification string: sixteen characters that stand for what the HSM is and holds, bound to a random
// string that only its sender and its receiver know. What was changed on the way makes another string (SPEC.md §6.7).

import { KEY_FK, SECRET2 } from '../arena'
import { load32be, store32be, wipe } from '../crypto/util'
import { partitionRow, ROW_SIZE, SB, SB_AUDIT_CLEARED, SB_AUDIT_KEY, SB_ROWS, SB_SERIAL } from '../flash/superblock'
import { MAX_PARTITIONS, ROLE_COUNT, STATE_FUNCTIONAL, STM_STRING } from '../protocol'
import { activation } from './activation'
import { hashBegin, hashEnd, hashPart, macBegin, macEnd, macPart } from './digest'
import { L_TRANSPORT, L_TRANSPORT_LENGTH } from './labels'
import { partitionExists } from './partitions'
import { fresh } from './random'
import { F_SIZE, FACTORY, state } from './state'

/** The base-64 digits, which vendor transcripts show. */
const DIGITS: usize = memory.data<u8>([
  0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x50, 0x51, 0x52, 0x53,
  0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c,
  0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x30, 0x31, 0x32, 0x33, 0x34,
  0x35, 0x36, 0x37, 0x38, 0x39, 0x2b, 0x2f,
])
const DIGEST: usize = memory.data(48, 16)
const MARK: usize = memory.data(8, 4)
const BITS: usize = memory.data(16, 4)

/** Twelve bytes as sixteen digits. They are read by people, so this is not constant in time. */
function digits(bytes: usize, out: usize): void {
  for (let i: usize = 0; i < 4; i++) {
    const word =
      ((<u32>load<u8>(bytes + 3 * i)) << 16) |
      ((<u32>load<u8>(bytes + 3 * i + 1)) << 8) |
      <u32>load<u8>(bytes + 3 * i + 2)
    for (let j: usize = 0; j < 4; j++)
      store<u8>(out + 4 * i + j, load<u8>(DIGITS + <usize>((word >> (18 - 6 * <u32>j)) & 63)))
  }
}

/** A new random user string, STM_STRING characters. False = the TRNG failed. */
export function randomString(out: usize): bool {
  if (!fresh(BITS, 12)) return false
  digits(BITS, out)
  wipe(BITS, 16)
  return true
}

/**
 * Hash of what counts: the manufacturing record, and of an initialized HSM everything that its superblock says but the sequence, which
 * every power-up steps, and the audit log's anchor. Who is activated counts too.
 */
function stateHash(): void {
  hashBegin()
  hashPart(FACTORY, F_SIZE)
  if (state() === STATE_FUNCTIONAL) {
    hashPart(SB + SB_SERIAL, <i32>(SB_AUDIT_CLEARED - SB_SERIAL))
    hashPart(SB + SB_AUDIT_KEY, 56)
    for (let id: u32 = 0; id < load32be(SB + SB_ROWS); id++) hashPart(partitionRow(id), <i32>ROW_SIZE)
    for (let id: u32 = 0; id <= <u32>MAX_PARTITIONS; id++) {
      if (!partitionExists(id)) continue
      for (let role = 0; role < ROLE_COUNT; role++) {
        if (activation(id, role) === 0) continue
        store32be(MARK, id)
        store32be(MARK + 4, <u32>role)
        hashPart(MARK, 8)
      }
    }
  }
  hashEnd(DIGEST)
}

/** The verification string of a random user string, as the HSM is now. */
export function verificationString(random: usize, out: usize): void {
  stateHash()
  macBegin(KEY_FK, 32)
  macPart(L_TRANSPORT, L_TRANSPORT_LENGTH)
  macPart(random, STM_STRING)
  macPart(DIGEST, 48)
  macEnd(SECRET2)
  digits(SECRET2, out)
  wipe(SECRET2, 48)
}
