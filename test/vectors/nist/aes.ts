// AESAVS: known answers, multi-block messages and the Monte Carlo test of ECB and CBC; CTR as RFC 3686 has it.
import { basename } from 'node:path'
import type { Family } from '../family.js'
import type { Firmware } from '../firmware.js'
import type { NistFile, Vector } from '../nist-text.js'
import { joined, xor } from '../numbers.js'
import { all, compare, type Outcome, PASSED, type Primitive } from '../result.js'

type Mode = 'ECB' | 'CBC' | 'CTR'
const PRIMITIVE: Readonly<Record<Mode, Primitive>> = { ECB: 'AES-ECB', CBC: 'AES-CBC', CTR: 'AES-CTR' }

function modeOf(file: NistFile): Mode | undefined {
  const { comments } = file
  const name = basename(file.path)
  if (!/\bAES/.test(comments) && !/^(ECB|CBC|CTR)|aes/i.test(name)) return undefined
  const stated = /data for (ECB|CBC|CTR)\b/.exec(comments)?.[1] ?? (/AES Counter/.test(comments) ? 'CTR' : undefined)
  const mode = stated ?? /(ECB|CBC|CTR)/.exec(name.toUpperCase())?.[1]
  return mode === 'ECB' || mode === 'CBC' || mode === 'CTR' ? mode : undefined
}

const isMonteCarlo = (file: NistFile): boolean => /\bMCT\b/.test(file.comments) || /MCT/.test(basename(file.path))

function crypt(firmware: Firmware, mode: Mode, vector: Vector, data: Uint8Array, encrypt: boolean) {
  const key = vector.bytes('KEY')
  if (mode === 'ECB') return firmware.ecb(key, data, encrypt)
  if (mode === 'CBC') return firmware.cbc(key, vector.bytes('IV'), data, encrypt)
  return firmware.ctr(key, vector.bytes('IV'), data)
}

/** Both directions, whichever the section asks for: the pair must hold. */
function known(firmware: Firmware, mode: Mode, vector: Vector): Outcome {
  const [plaintext, ciphertext] = [vector.bytes('PLAINTEXT'), vector.bytes('CIPHERTEXT')]
  return all(
    () => compare('ciphertext', crypt(firmware, mode, vector, plaintext, true), ciphertext),
    () => compare('plaintext', crypt(firmware, mode, vector, ciphertext, false), plaintext),
  )
}

const ROUNDS = 1000

/** What one block becomes through the ROUNDS steps of the test (AESAVS §6.4): the last result and the one before it. */
function monteCarlo(firmware: Firmware, mode: Mode, vector: Vector, encrypt: boolean) {
  const { core } = firmware
  const ctx = core.aesKey(vector.bytes('KEY'))
  const text = core.put(vector.bytes(encrypt ? 'PLAINTEXT' : 'CIPHERTEXT'))
  const [before, chain, out] = [core.room(16), core.room(16), core.room(16)]
  if (mode === 'CBC') core.memory.set(vector.bytes('IV'), chain)
  const block = (at: number) => core.memory.subarray(at, at + 16)
  const { aesEncrypt, aesDecrypt, cbcEncrypt, cbcDecrypt } = core.call
  const [ecb, cbc] = encrypt ? [aesEncrypt, cbcEncrypt] : [aesDecrypt, cbcDecrypt]
  for (let round = 0; round < ROUNDS; round++) {
    core.memory.copyWithin(before, out, out + 16)
    if (mode === 'ECB') {
      ecb(ctx, text, out, 1)
      core.memory.copyWithin(text, out, out + 16)
    } else {
      cbc(ctx, chain, text, out, 16)
      // The next text is the result before this one, at first the vector's IV; the chain is this step's ciphertext.
      const next = round === 0 ? vector.bytes('IV') : block(before).slice()
      core.memory.set(encrypt ? block(out) : block(text), chain)
      core.memory.set(next, text)
    }
  }
  return { result: core.take(out, 16), before: core.take(before, 16) }
}

/** The key of the next vector: this one XOR the last bits that came out. */
const nextKey = (key: Uint8Array, { result, before }: { result: Uint8Array; before: Uint8Array }): Uint8Array =>
  xor(key, joined(before, result).subarray(32 - key.length))

export const aes: Family = {
  matches: (file) => file.hasFields('KEY', 'PLAINTEXT', 'CIPHERTEXT') && modeOf(file) !== undefined,

  *results(file, { firmware }) {
    const mode = modeOf(file)
    if (mode === undefined) return
    const monte = isMonteCarlo(file)
    let expectedKey: Uint8Array | undefined
    let direction = ''
    for (const vector of file.vectors(['CIPHERTEXT'])) {
      const encrypt = vector.section(/^(EN|DE)CRYPT$/)?.[0] !== 'DECRYPT'
      const outcome = firmware.run(() => {
        if (!monte) return known(firmware, mode, vector)
        const made = monteCarlo(firmware, mode, vector, encrypt)
        const key = vector.bytes('KEY')
        const chained = direction === String(encrypt) ? expectedKey : undefined
        expectedKey = nextKey(key, made)
        direction = String(encrypt)
        return all(
          () => (chained === undefined ? PASSED : compare('key', chained, key)),
          () => compare('last result', made.result, vector.bytes(encrypt ? 'CIPHERTEXT' : 'PLAINTEXT')),
        )
      })
      yield { primitive: PRIMITIVE[mode], where: vector.where, outcome }
    }
  },
}
