// The other primitives, one call each: what a single command of a token costs, and what many bytes cost.
import { createCipheriv, createDecipheriv, createHash, createHmac, createSecretKey, pbkdf2Sync } from 'node:crypto'
import { cmac } from '@noble/ciphers/aes.js'
import { BenchError, type Group, megabytesPerSecond, perSecond, type RowSpec } from '../harness/bench.js'
import { Core, HASHES } from '../harness/core.js'
import { interleave, loop } from '../harness/rounds.js'
import { effort, pattern } from './samples.js'

type Work = () => Uint8Array

/** Two ways to the same bytes. */
interface Duel {
  readonly ours: Work
  readonly theirs: Work
  /** Units of work in one call. */
  readonly units: number
}

interface Primitive {
  readonly spec: RowSpec
  make(core: Core): Duel
}

const NODE = 'node:crypto'
const KEY = pattern(32, 3)

function primitive(
  id: string,
  what: string,
  unit: 'ops/s' | 'MB/s',
  baselineName: string,
  make: Primitive['make'],
): Primitive {
  const present = unit === 'MB/s' ? megabytesPerSecond : perSecond
  return { spec: { id, unit, baselineName, ratio: 'speed', what, present }, make }
}

/** Answers a reader of n bytes at an address: the result of a call, copied out. */
const reader = (core: Core, at: number, n: number) => (): Uint8Array => core.memory.slice(at, at + n)

/** KWP of one object, wrap and unwrap; 1,190 bytes are about an RSA-2048 key. */
function kwp(bytes: number): Primitive {
  const what = `AES-256 KWP, wrap and unwrap of one object of ${bytes} bytes, no batch`
  return primitive(`kwp${bytes}-single-vs-node`, what, 'ops/s', `${NODE} id-aes256-wrap-pad`, (core) => {
    const plain = pattern(bytes)
    const padded = 8 + Math.ceil(bytes / 8) * 8
    const [kek, source, wrapped, back] = [core.put(KEY), core.put(plain), core.room(padded), core.room(padded)]
    const take = reader(core, back, bytes)
    const [secret, iv] = [createSecretKey(KEY), Buffer.from('a65959a6', 'hex')]
    return {
      units: 1,
      ours: () => {
        core.memory.set(plain, source)
        core.call.kwpWrap(kek, 32, source, bytes, wrapped)
        core.call.kwpUnwrap(kek, 32, wrapped, padded, back)
        return take()
      },
      theirs: () => {
        const cipher = createCipheriv('id-aes256-wrap-pad', secret, iv)
        const text = cipher.update(plain)
        cipher.final()
        const decipher = createDecipheriv('id-aes256-wrap-pad', secret, iv)
        const opened = decipher.update(text)
        decipher.final()
        return opened
      },
    }
  })
}

/** KW of one object: what a single wrapping command costs, without a batch. */
function single(bytes: number): Primitive {
  const what = `AES-256 KW, wrap and unwrap of one object of ${bytes} bytes, no batch`
  return primitive(`kw${bytes}-single-vs-node`, what, 'ops/s', `${NODE} id-aes256-wrap`, (core) => {
    const plain = pattern(bytes)
    const [kek, source] = [core.put(KEY), core.put(plain)]
    const [wrapped, back] = [core.room(bytes + 8), core.room(bytes)]
    const take = reader(core, back, bytes)
    const [secret, iv] = [createSecretKey(KEY), Buffer.alloc(8, 0xa6)]
    return {
      units: 1,
      ours: () => {
        core.memory.set(plain, source)
        core.call.kwWrap(kek, 32, source, bytes, wrapped)
        core.call.kwUnwrap(kek, 32, wrapped, bytes + 8, back)
        return take()
      },
      theirs: () => {
        const cipher = createCipheriv('id-aes256-wrap', secret, iv)
        const text = cipher.update(plain)
        cipher.final()
        const decipher = createDecipheriv('id-aes256-wrap', secret, iv)
        const opened = decipher.update(text)
        decipher.final()
        return opened
      },
    }
  })
}

function gcm(bytes: number, name: string): Primitive {
  const what = `AES-256-GCM, seal and open of ${bytes} bytes, 80 bytes of associated data`
  return primitive(`gcm${name}-vs-node`, what, 'ops/s', `${NODE} aes-256-gcm`, (core) => {
    const [plain, iv, aad] = [pattern(bytes), pattern(12, 4), pattern(80, 5)]
    const [key, nonce, extra] = [core.put(KEY), core.put(iv), core.put(aad)]
    const [source, text, back, tag] = [core.put(plain), core.room(bytes), core.room(bytes), core.room(16)]
    const take = reader(core, back, bytes)
    const secret = createSecretKey(KEY)
    return {
      units: 1,
      ours: () => {
        core.memory.set(plain, source)
        core.call.gcmSeal(key, 32, nonce, 12, extra, 80, source, bytes, text, tag, 16)
        core.call.gcmOpen(key, 32, nonce, 12, extra, 80, text, bytes, back, tag, 16)
        return take()
      },
      theirs: () => {
        const cipher = createCipheriv('aes-256-gcm', secret, iv).setAAD(aad)
        const sealed = cipher.update(plain)
        cipher.final()
        const decipher = createDecipheriv('aes-256-gcm', secret, iv).setAAD(aad).setAuthTag(cipher.getAuthTag())
        const opened = decipher.update(sealed)
        decipher.final()
        return opened
      },
    }
  })
}

const BULK = 16384

const ctr = primitive('ctr16k-vs-node', 'AES-256-CTR of 16 KiB', 'MB/s', `${NODE} aes-256-ctr`, (core) => {
  const [plain, iv] = [pattern(BULK), pattern(16, 6)]
  const context = core.context()
  const [key, counter, source, text] = [core.put(KEY), core.put(iv), core.put(plain), core.room(BULK)]
  const take = reader(core, text, BULK)
  const secret = createSecretKey(KEY)
  return {
    units: BULK,
    ours: () => {
      core.memory.set(plain, source)
      core.call.aesKeyEncrypt(context, key, 32)
      core.call.ctrCrypt(context, counter, source, text, BULK)
      return take()
    },
    theirs: () => createCipheriv('aes-256-ctr', secret, iv).update(plain),
  }
})

const mac = primitive('cmac1k-vs-noble', 'AES-256 CMAC of 1 KiB', 'MB/s', '@noble/ciphers cmac', (core) => {
  const plain = pattern(1024)
  const context = core.context()
  const [key, source, out] = [core.put(KEY), core.put(plain), core.room(16)]
  const take = reader(core, out, 16)
  return {
    units: plain.length,
    ours: () => {
      core.memory.set(plain, source)
      core.call.aesKeyEncrypt(context, key, 32)
      core.call.cmac(context, source, plain.length, out)
      return take()
    },
    theirs: () => cmac(plain, KEY),
  }
})

type HashName = keyof typeof HASHES

const DIGEST: Readonly<Record<HashName, number>> = { sha256: 32, sha384: 48, sha512: 64 }

function sha(name: HashName, bytes: number, size: string): Primitive {
  const unit = bytes >= BULK ? 'MB/s' : 'ops/s'
  const what = `${name.toUpperCase().replace('SHA', 'SHA-')} of ${bytes} bytes`
  return primitive(`${name}-${size}-vs-node`, what, unit, `${NODE} createHash`, (core) => {
    const plain = pattern(bytes)
    const context = core.context()
    const [source, out] = [core.put(plain), core.room(64)]
    const take = reader(core, out, DIGEST[name])
    return {
      units: unit === 'MB/s' ? bytes : 1,
      ours: () => {
        core.memory.set(plain, source)
        core.call.hashInit(context, HASHES[name])
        core.call.hashUpdate(context, source, bytes)
        core.call.hashFinal(context, out)
        return take()
      },
      theirs: () => createHash(name).update(plain).digest(),
    }
  })
}

function hmac(name: HashName): Primitive {
  const what = `HMAC-${name.toUpperCase().replace('SHA', 'SHA-')} of 64 bytes, key of 32`
  return primitive(`hmac-${name}-vs-node`, what, 'ops/s', `${NODE} createHmac`, (core) => {
    const plain = pattern(64)
    const [key, source, out] = [core.put(KEY), core.put(plain), core.room(64)]
    const take = reader(core, out, DIGEST[name])
    const secret = createSecretKey(KEY)
    return {
      units: 1,
      ours: () => {
        core.memory.set(plain, source)
        core.call.hmac(HASHES[name], key, 32, source, 64, out)
        return take()
      },
      theirs: () => createHmac(name, secret).update(plain).digest(),
    }
  })
}

const ITERATIONS = 1000

function pbkdf2(name: HashName): Primitive {
  const what = `PBKDF2-HMAC-${name.toUpperCase().replace('SHA', 'SHA-')}, ${ITERATIONS} iterations`
  return primitive(`pbkdf2-${name}-vs-node`, what, 'ops/s', `${NODE} pbkdf2Sync`, (core) => {
    const [password, salt] = [pattern(12, 8), pattern(32, 9)]
    const [pw, at, out] = [core.put(password), core.put(salt), core.room(32)]
    const take = reader(core, out, 32)
    return {
      units: 1,
      ours: () => {
        core.call.pbkdf2(HASHES[name], pw, 12, at, 32, ITERATIONS, out, 32)
        return take()
      },
      theirs: () => pbkdf2Sync(password, salt, ITERATIONS, 32, name),
    }
  })
}

const PRIMITIVES: readonly Primitive[] = [
  single(32),
  single(1216),
  kwp(33),
  kwp(1190),
  gcm(112, '112'),
  gcm(1216, '1216'),
  gcm(BULK, '16k'),
  ctr,
  mac,
  ...(['sha256', 'sha384', 'sha512'] as const).flatMap((name) => [sha(name, 64, '64'), sha(name, BULK, '16k')]),
  hmac('sha256'),
  hmac('sha384'),
  pbkdf2('sha256'),
  pbkdf2('sha384'),
]

/** A group for each: what fails in one leaves the others alone. */
export const primitives: readonly Group[] = PRIMITIVES.map(({ spec, make }) => ({
  rows: [spec],
  async measure(_wanted, { quick, progress }) {
    progress(spec.what)
    const { rounds, milliseconds } = effort(quick)
    const { ours, theirs, units } = make(new Core())
    if (!Buffer.from(ours()).equals(theirs())) throw new BenchError(`${spec.id}: the two results differ`)
    const contend = (work: Work) => loop(() => void work(), { units, milliseconds })
    const costs = await interleave({ ours: contend(ours), theirs: contend(theirs) }, rounds)
    return new Map([[spec.id, costs.against('ours', 'theirs')]])
  },
}))
