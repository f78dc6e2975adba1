// What a mechanism is, beside its number: the row of the table (mechanisms.ts) says family, hash and kind of key.

export const FAMILY_GENERATE: u32 = 0
export const FAMILY_DIGEST: u32 = 1
export const FAMILY_HMAC: u32 = 2
/** CMAC and, where the block cipher's older MAC is meant, CBC-MAC with zeros behind (FIPS 113). */
export const FAMILY_CMAC: u32 = 3
export const FAMILY_CBC_MAC: u32 = 4
export const FAMILY_GMAC: u32 = 5
export const FAMILY_ECB: u32 = 6
export const FAMILY_CBC: u32 = 7
export const FAMILY_CBC_PAD: u32 = 8
export const FAMILY_CTR: u32 = 9
export const FAMILY_GCM: u32 = 10
export const FAMILY_CCM: u32 = 11
export const FAMILY_KW: u32 = 12
export const FAMILY_KWP: u32 = 13
export const FAMILY_RSA_PKCS: u32 = 14
export const FAMILY_RSA_PSS: u32 = 15
export const FAMILY_RSA_OAEP: u32 = 16
export const FAMILY_RSA_RAW: u32 = 17
export const FAMILY_ECDSA: u32 = 18
export const FAMILY_EDDSA: u32 = 19
export const FAMILY_ECDH: u32 = 20
export const FAMILY_JOIN: u32 = 21
export const FAMILY_HASHED_KEY: u32 = 22
export const FAMILY_ECB_DATA: u32 = 23
export const FAMILY_CBC_DATA: u32 = 24
export const FAMILY_HKDF: u32 = 25
export const FAMILY_COUNTER_KDF: u32 = 26
export const FAMILY_FEEDBACK_KDF: u32 = 27
export const FAMILY_LUNA_KDF: u32 = 28
export const FAMILY_PBKDF2: u32 = 29
export const FAMILY_STREAM: u32 = 30
export const FAMILY_DUKPT: u32 = 31
export const FAMILY_DSA: u32 = 32

/** The mechanism's parameter gives the length of its MAC. */
export const GENERAL: u32 = 1
