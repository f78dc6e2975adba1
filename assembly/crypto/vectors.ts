// The crypto core alone as a module (dist/crypto.wasm), so that test vectors and benchmarks reach every algorithm
// without a token around it. It imports nothing.
export * from './aes'
export * from './aes-single'
export * from './aria'
export * from './block-cipher'
export * from './cast128'
export * from './ccm'
export * from './cmac'
export * from './des'
export * from './drbg'
export * from './gcm'
export * from './ghash'
export * from './hkdf'
export * from './hmac'
export * from './kbkdf'
export * from './kdf'
export * from './key-wrap'
export * from './modes'
export * from './padding'
export * from './rc2'
export * from './rc4'
export * from './seed'
export * from './self-test'
export * from './sha1'
export * from './sha2'
export * from './trng-health'
export * from './util'

/** Where the statics of the crypto core begin and end: a test looks for what was left there. */
export function staticsBegin(): usize {
  return 0
}

export function staticsEnd(): usize {
  return __heap_base
}

/** Memory free for whoever drives this module. */
export function scratch(): usize {
  return (__heap_base + 255) & ~255
}

export function scratchSize(): usize {
  return ((<usize>memory.size()) << 16) - scratch()
}
