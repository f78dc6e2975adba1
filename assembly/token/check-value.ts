// CKA_CHECK_VALUE of an AES or DES key: the first three bytes of an encrypted block of zeros (PKCS#11 2.40 §4.10.2).

import { AES_CTX } from '../crypto/aes'
import { blockEncrypt, blockKey } from '../crypto/block-cipher'
import { wipe } from '../crypto/util'

const CTX: usize = memory.data(8192, 16)
const BLOCK: usize = memory.data(16, 16)

/** @param size bytes of a block: 16 for AES, 8 for DES */
export function checkValue(size: i32, key: usize, length: i32, out: usize): void {
  memory.fill(BLOCK, 0, 16)
  blockKey(CTX, size, key, length)
  blockEncrypt(CTX, size, BLOCK, BLOCK, size)
  memory.copy(out, BLOCK, 3)
  wipe(CTX, AES_CTX)
}
