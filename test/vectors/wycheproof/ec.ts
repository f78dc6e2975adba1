// What reaches the firmware are points, scalars and r ∥ s; the encodings around them are the client's. A test of another
// encoding than the one that a client would make is none of the firmware.
import { createPrivateKey } from 'node:crypto'
import { hashOf } from '../firmware.js'
import { joined, toBytes, toInteger } from '../numbers.js'
import { curveOf } from '../public-key.js'
import { notApplicable, type Outcome } from '../result.js'
import type { Check } from '../wycheproof.js'
import { judge, outside } from './judge.js'
import type { Reader } from './reader.js'

const noCurve = (name: string): Outcome => notApplicable(`the accelerator has no curve ${name}`)
const noHash = (name: string): Outcome => notApplicable(`the firmware has no hash ${name}`)

// ---- ECDSA ----------------------------------------------------------------------------------------------------------------

/** The content of a DER element that fills `bytes` to its end, or that starts it: [content, rest]. */
function element(tag: number, bytes: Uint8Array): readonly [content: Uint8Array, rest: Uint8Array] | undefined {
  const [first, second, third] = bytes
  if (first !== tag || second === undefined) return undefined
  let [start, length] = [2, second]
  if (second === 0x81 && third !== undefined && third >= 0x80) [start, length] = [3, third]
  else if (second >= 0x80) return undefined
  if (bytes.length < start + length) return undefined
  return [bytes.subarray(start, start + length), bytes.subarray(start + length)]
}

/** A positive INTEGER in its shortest form. */
function unsigned(content: Uint8Array): bigint | undefined {
  const [first = 0x80, second = 0] = content
  const shortest = content.length > 0 && first < 0x80 && !(content.length > 1 && first === 0 && second < 0x80)
  return shortest ? toInteger(content) : undefined
}

/** r and s of an ECDSA signature in DER; undefined where it is not DER of two numbers without a sign. */
function fromDer(signature: Uint8Array): readonly [r: bigint, s: bigint] | undefined {
  const sequence = element(0x30, signature)
  const first = sequence?.[1].length === 0 ? element(0x02, sequence[0]) : undefined
  const second = first && element(0x02, first[1])
  if (first === undefined || second === undefined || second[1].length > 0) return undefined
  const [r, s] = [unsigned(first[0]), unsigned(second[0])]
  return r === undefined || s === undefined ? undefined : [r, s]
}

export const ecdsa =
  (plain: boolean): Check =>
  (group, test, { publicKeys: keys }) => {
    const key = group.object('publicKey')
    const [curve, alg] = [curveOf(key.text('curve')), hashOf(group.text('sha'))]
    if (curve === undefined) return noCurve(key.text('curve'))
    if (alg === undefined) return noHash(group.text('sha'))
    let signature = test.bytes('sig')
    if (!plain) {
      const numbers = fromDer(signature)
      if (numbers === undefined) return outside(test, 'no DER of two numbers: decoded outside the firmware')
      const length = keys.curveLength(curve)
      signature = joined(...numbers.map((number) => toBytes(number, length)))
    }
    const point = key.bytes('uncompressed')
    return judge(test, 'signature', keys.ecVerify(curve, point, alg, test.bytes('msg'), signature))
  }

// ---- ECDH -----------------------------------------------------------------------------------------------------------------

/** SubjectPublicKeyInfo of a named curve up to its point (RFC 5480 §2), by the curve. */
const SPKI: ReadonlyMap<string, string> = new Map([
  ['secp256r1', '3059301306072a8648ce3d020106082a8648ce3d030107034200'],
  ['secp384r1', '3076301006072a8648ce3d020106052b81040022036200'],
  ['secp521r1', '30819b301006072a8648ce3d020106052b8104002303818600'],
  ['secp256k1', '3056301006072a8648ce3d020106052b8104000a034200'],
])

const OTHER_ENCODING = 'a public key that is no uncompressed point of the named curve: decoded outside the firmware'

/** The point behind the prefix; undefined where the encoding is another one. */
function pointOf(curve: string, der: Uint8Array): Uint8Array | undefined {
  const prefix = Buffer.from(SPKI.get(curve) ?? '', 'hex')
  const point = der.subarray(prefix.length)
  return Buffer.compare(der.subarray(0, prefix.length), prefix) === 0 && point[0] === 4 ? point : undefined
}

/** DER in PEM as it is written, without a byte that does not belong there. */
function fromPem(text: string): Uint8Array | undefined {
  const [, body] = /^-----BEGIN PUBLIC KEY-----\n([\w+/=\n]+)\n-----END PUBLIC KEY-----\n?$/.exec(text) ?? []
  if (body === undefined) return undefined
  const der = Buffer.from(body, 'base64')
  return der.toString('base64') === body.replaceAll('\n', '') ? der : undefined
}

interface Agreement {
  readonly peer: Uint8Array | undefined
  readonly scalar: bigint
}

function agreementOf(encoding: string, curve: string, test: Reader): Agreement {
  if (encoding === 'webcrypto') {
    const peer = test.object('public')
    const coordinates = joined(Uint8Array.of(4), peer.base64url('x'), peer.base64url('y'))
    const named = peer.text('crv') === curve
    return { peer: named ? coordinates : undefined, scalar: toInteger(test.object('private').base64url('d')) }
  }
  if (encoding === 'pem') {
    const der = fromPem(test.text('public'))
    const { d = '' } = createPrivateKey(test.text('private')).export({ format: 'jwk' })
    return { peer: der && pointOf(curve, der), scalar: toInteger(Buffer.from(d, 'base64url')) }
  }
  const bytes = test.bytes('public')
  const scalar = test.integer('private')
  if (encoding === 'asn') return { peer: pointOf(curve, bytes), scalar }
  return { peer: bytes[0] === 4 ? bytes : undefined, scalar }
}

export const ecdh: Check = (group, test, { publicKeys: keys }) => {
  const name = group.text('curve')
  const curve = curveOf(name)
  if (curve === undefined) return noCurve(name)
  const { peer, scalar } = agreementOf(group.text('encoding'), name, test)
  if (peer === undefined) return outside(test, OTHER_ENCODING)
  return judge(test, 'shared X', keys.ecAgree(curve, scalar, peer), test.bytes('shared'))
}
