// CKA_CHECK_VALUE of an AES key: the first three bytes of an encrypted block of zeros (PKCS#11 2.40 §4.10.2).

import { AES_CTX, aesEncrypt, aesKey } from '../crypto/aes'
import { wipe } from '../crypto/util'

const CTX: usize = memory.data(8192, 16)
const BLOCK: usize = memory.data(16, 16)

export function checkValue(key: usize, length: i32, out: usize): void {
  memory.fill(BLOCK, 0, 16)
  aesKey(CTX, key, length)
  aesEncrypt(CTX, BLOCK, BLOCK, 1)
  memory.copy(out, BLOCK, 3)
  wipe(CTX, AES_CTX)
}
