// Layout of an expanded AES key: rounds (10, 12 or 14) as i32, then round keys for the kernel of eight blocks (15 times
// 8 planes for each direction) and for one block (15 blocks for each direction).

export const AES_ENCRYPT_KEYS: usize = 16
export const AES_DECRYPT_KEYS: usize = 1936
export const AES_SINGLE_ENCRYPT_KEYS: usize = 3856
export const AES_SINGLE_DECRYPT_KEYS: usize = 4096

/** Bytes of an expanded key; align it to 16. */
export const AES_CTX: i32 = 4336
