/** The exports of assembly/crypto/vectors.ts, in its units: addresses and lengths in bytes. */
export interface CryptoExports extends Record<string, unknown> {
  scratch(): number
  scratchSize(): number
  staticsBegin(): number
  staticsEnd(): number
  ctEqual(a: number, b: number, n: number): number
  wipe(p: number, n: number): void
  hashInit(ctx: number, alg: number): void
  hashUpdate(ctx: number, p: number, n: number): void
  hashFinal(ctx: number, out: number): void
  hashLength(alg: number): number
  hashBlock(alg: number): number
  desKey(ctx: number, key: number, n: number): void
  desEncrypt(ctx: number, src: number, dst: number, blocks: number): void
  desDecrypt(ctx: number, src: number, dst: number, blocks: number): void
  blockKey(ctx: number, cipher: number, key: number, n: number): void
  blockEncrypt(ctx: number, cipher: number, src: number, dst: number, n: number): void
  blockDecrypt(ctx: number, cipher: number, src: number, dst: number, n: number): void
  rc2Key(ctx: number, key: number, n: number, bits: number): void
  rc4Crypt(key: number, keyLength: number, src: number, dst: number, n: number): void
  chainEncrypt(ctx: number, cipher: number, iv: number, src: number, dst: number, n: number): void
  chainDecrypt(ctx: number, cipher: number, iv: number, src: number, dst: number, n: number): void
  cmacInitWith(ctx: number, key: number, cipher: number, plain: number): void
  sha384(p: number, n: number, out: number): void
  hmacInit(ctx: number, alg: number, key: number, keyLen: number): void
  hmacUpdate(ctx: number, p: number, n: number): void
  hmacFinal(ctx: number, out: number): void
  hmac(alg: number, key: number, keyLen: number, p: number, n: number, out: number): void
  hkdf(
    alg: number,
    extracts: number,
    expands: number,
    key: number,
    keyLength: number,
    salt: number,
    saltLength: number,
    info: number,
    infoLength: number,
    out: number,
    n: number,
  ): void
  kdf(
    key: number,
    keyLen: number,
    label: number,
    labelLen: number,
    context: number,
    contextLen: number,
    out: number,
    n: number,
  ): void
  kdfAlg(
    alg: number,
    key: number,
    keyLen: number,
    label: number,
    labelLen: number,
    context: number,
    contextLen: number,
    out: number,
    n: number,
  ): void
  kdfCounterValid(prf: number, keyLen: number, counterLen: number, n: number): number
  kdfCounter(
    prf: number,
    key: number,
    keyLen: number,
    before: number,
    beforeLen: number,
    after: number,
    afterLen: number,
    counterLen: number,
    out: number,
    n: number,
  ): number
  pbkdf2(
    alg: number,
    pw: number,
    pwLen: number,
    salt: number,
    saltLen: number,
    iterations: number,
    out: number,
    n: number,
  ): void
  aesKeyLengthValid(keyLen: number): number
  aesKey(ctx: number, key: number, keyLen: number): void
  aesKeyEncrypt(ctx: number, key: number, keyLen: number): void
  aesEncrypt(ctx: number, src: number, dst: number, blocks: number): void
  aesDecrypt(ctx: number, src: number, dst: number, blocks: number): void
  aesKeySingle(ctx: number, key: number, keyLen: number): void
  aesSingleEncrypt(ctx: number, src: number, dst: number, blocks: number): void
  aesSingleDecrypt(ctx: number, src: number, dst: number, blocks: number): void
  aesEncrypt8(ctx: number, src: number, dst: number): void
  aesDecrypt8(ctx: number, src: number, dst: number): void
  ctrCrypt(ctx: number, counterBlock: number, src: number, dst: number, n: number): void
  cbcEncrypt(ctx: number, iv: number, src: number, dst: number, n: number): void
  cbcDecrypt(ctx: number, iv: number, src: number, dst: number, n: number): void
  pad(p: number, n: number): number
  unpadded(p: number, n: number): number
  cmac(aes: number, p: number, n: number, out: number): void
  cmacInit(ctx: number, aes: number): void
  cmacUpdate(ctx: number, p: number, n: number): void
  cmacFinal(ctx: number, out: number): void
  ccmLengthsValid(keyLen: number, nonceLen: number, n: number, tagLen: number): number
  ccmSeal(
    key: number,
    keyLen: number,
    nonce: number,
    nonceLen: number,
    aad: number,
    aadLen: number,
    src: number,
    n: number,
    dst: number,
    tag: number,
    tagLen: number,
  ): void
  ccmOpen(
    key: number,
    keyLen: number,
    nonce: number,
    nonceLen: number,
    aad: number,
    aadLen: number,
    src: number,
    n: number,
    dst: number,
    tag: number,
    tagLen: number,
  ): number
  gcmLengthsValid(keyLen: number, ivLen: number, tagLen: number): number
  gcmSeal2(
    key: number,
    keyLen: number,
    iv: number,
    ivLen: number,
    aad1: number,
    aad1Len: number,
    aad2: number,
    aad2Len: number,
    src: number,
    n: number,
    dst: number,
    tag: number,
    tagLen: number,
  ): void
  gcmOpen2(
    key: number,
    keyLen: number,
    iv: number,
    ivLen: number,
    aad1: number,
    aad1Len: number,
    aad2: number,
    aad2Len: number,
    src: number,
    n: number,
    dst: number,
    tag: number,
    tagLen: number,
  ): number
  gcmSeal(
    key: number,
    keyLen: number,
    iv: number,
    ivLen: number,
    aad: number,
    aadLen: number,
    src: number,
    n: number,
    dst: number,
    tag: number,
    tagLen: number,
  ): void
  gcmOpen(
    key: number,
    keyLen: number,
    iv: number,
    ivLen: number,
    aad: number,
    aadLen: number,
    src: number,
    n: number,
    dst: number,
    tag: number,
    tagLen: number,
  ): number
  kwWrap(kek: number, kekLen: number, src: number, n: number, dst: number): number
  kwUnwrap(kek: number, kekLen: number, src: number, n: number, dst: number): number
  kwpWrap(kek: number, kekLen: number, src: number, n: number, dst: number): number
  kwpUnwrap(kek: number, kekLen: number, src: number, n: number, dst: number): number
  kwWrapMany(ctx: number, desc: number, count: number): void
  kwUnwrapMany(ctx: number, desc: number, count: number, ok: number): void
  kwpWrapMany(ctx: number, desc: number, count: number): void
  kwpUnwrapMany(ctx: number, desc: number, count: number, lengths: number): void
  /** Where the state of the random generator lies; it begins with the requests since the last seed, u64. */
  readonly DRBG_STATE: { readonly value: number }
  drbgInstantiate(
    predictionResistance: boolean,
    entropy: number,
    entropyLen: number,
    nonce: number,
    nonceLen: number,
    personal: number,
    personalLen: number,
  ): number
  drbgReseed(entropy: number, entropyLen: number, additional: number, additionalLen: number): number
  drbgGenerate(out: number, n: number, additional: number, additionalLen: number): number
  drbgGenerateResistant(
    out: number,
    n: number,
    entropy: number,
    entropyLen: number,
    additional: number,
    additionalLen: number,
  ): number
  drbgUninstantiate(): void
  trngHealth(p: number, n: number): number
  trngHealthReset(): void
  cryptoSelfTest(): number
  selfTestCorrupt(which: number): void
}
