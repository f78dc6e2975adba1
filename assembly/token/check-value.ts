// CKA_CHECK_VALUE of a key of a block cipher: the first three bytes of an encrypted block of zeros (PKCS#11 2.40 §4.10.2).

import { AES_CTX } from '../crypto/aes'
import { blockEncrypt, blockKey, cipherBlock } from '../crypto/block-cipher'
import { wipe } from '../crypto/util'

const CTX: usize = memory.data(8192, 16)
const BLOCK: usize = memory.data(16, 16)

/** @param cipher CIPHER_… */
export function checkValue(cipher: i32, key: usize, length: i32, out: usize): void {
  memory.fill(BLOCK, 0, 16)
  blockKey(CTX, cipher, key, length)
  blockEncrypt(CTX, cipher, BLOCK, BLOCK, cipherBlock(cipher))
  memory.copy(out, BLOCK, 3)
  wipe(CTX, AES_CTX)
}
