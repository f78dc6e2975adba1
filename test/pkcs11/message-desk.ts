// A program of our own library's at a slot, and messages as it sends them.
import { type CipherCCMTypes, type CipherGCMTypes, createCipheriv } from 'node:crypto'
import * as protocol from '../../assembly/protocol.js'
import type { SlotSource } from '../../host/client/index.js'
import type { CkAttribute } from '../../host/pkcs11/attribute-codec.js'
import { calls } from '../../host/pkcs11/calls.js'
import { LIBRARY, type Room } from '../../host/pkcs11/codec.js'
import type { CkMechanism } from '../../host/pkcs11/mechanism-codec.js'
import { FORM, messageCalls, type WireParameter } from '../../host/pkcs11/message-calls.js'
import { secret } from './mechanism-desk.js'
import { Program, room, whole } from './support.js'

export const GCM = protocol.CKM_AES_GCM
export const CCM = protocol.CKM_AES_CCM
export const NONE = new Uint8Array(0)
export const NOTHING = { missing: 0 } as const
export const ROOM = room(1 << 20)
const ALL: [Room, Room, Room] = [ROOM, ROOM, ROOM]

export interface MessageOptions {
  readonly type?: number
  readonly nonce?: Uint8Array
  readonly fixed?: number
  readonly generator?: number
  /** Bytes. */
  readonly tag?: number
  readonly aad?: Uint8Array
  /** What CCM is told of the data's length, where that is not its length. */
  readonly length?: number
}

export function wire(options: MessageOptions, length: number): WireParameter {
  const { type = GCM, nonce = new Uint8Array(12), fixed = 0, generator = protocol.CKG_NO_GENERATE, tag = 16 } = options
  const gcm = type === GCM
  return [
    [gcm ? FORM.gcm : FORM.ccm, gcm ? 0 : (options.length ?? length), nonce],
    [fixed, generator, gcm ? 8 * tag : tag],
  ]
}

export interface Sealed {
  readonly ciphertext: Buffer
  readonly nonce: Buffer
  readonly tag: Buffer
}

/** OpenSSL's opinion. */
export function sealed(key: Uint8Array, data: Uint8Array, options: MessageOptions): Sealed {
  const { type = GCM, nonce = new Uint8Array(12), tag = 16, aad = NONE } = options
  const bits = key.length === 16 ? 128 : key.length === 24 ? 192 : 256
  const [gcm, ccm]: [CipherGCMTypes, CipherCCMTypes] = [`aes-${bits}-gcm`, `aes-${bits}-ccm`]
  const length = { authTagLength: tag }
  const cipher = type === GCM ? createCipheriv(gcm, key, nonce, length) : createCipheriv(ccm, key, nonce, length)
  cipher.setAAD(aad, { plaintextLength: data.length })
  const ciphertext = Buffer.concat([cipher.update(data), cipher.final()])
  return { ciphertext, nonce: Buffer.from(nonce), tag: cipher.getAuthTag() }
}

export class MessageDesk {
  private constructor(
    readonly program: Program,
    readonly session: number,
  ) {}

  static async open(slots: SlotSource): Promise<MessageDesk> {
    const { program } = Program.at(slots, LIBRARY)
    await program.initialize()
    return new MessageDesk(program, await program.officer())
  }

  key(value: Uint8Array, more: readonly CkAttribute[] = [], keyType: number = protocol.CKK_AES): Promise<number> {
    return this.program.call(calls.createObject, [this.session, secret(keyType, value, more)])
  }

  begin(kind: 'Encrypt' | 'Decrypt' | 'Sign' | 'Verify', mechanism: number | CkMechanism, key: number): Promise<void> {
    const wanted = typeof mechanism === 'number' ? { type: mechanism, parameter: undefined } : mechanism
    return this.program.call(messageCalls[`message${kind}Init`], [this.session, wanted, key])
  }

  end(kind: 'Encrypt' | 'Decrypt' | 'Sign' | 'Verify'): Promise<void> {
    return this.program.call(messageCalls[`message${kind}Final`], this.session)
  }

  async encrypt(data: Uint8Array, options: MessageOptions = {}): Promise<Sealed> {
    const { aad = NONE } = options
    const values = await this.program.call(messageCalls.encryptMessage, [
      this.session,
      wire(options, data.length),
      aad,
      data,
      ALL,
    ])
    const [ciphertext, nonce, tag] = values.map((value) => Buffer.from(whole(value)))
    if (!ciphertext || !nonce || !tag) throw new Error('too few values')
    return { ciphertext, nonce, tag }
  }

  async encryptBegin(options: MessageOptions, length: number): Promise<Buffer> {
    const { aad = NONE } = options
    const values: [number, WireParameter, Uint8Array, Room] = [this.session, wire(options, length), aad, ROOM]
    return Buffer.from(whole(await this.program.call(messageCalls.encryptMessageBegin, values)))
  }

  async encryptNext(data: Uint8Array, last: boolean): Promise<[Buffer, Buffer]> {
    const [ciphertext, tag] = await this.program.call(messageCalls.encryptMessageNext, [
      this.session,
      data,
      last ? 1 : 0,
      [ROOM, ROOM],
    ])
    return [Buffer.from(whole(ciphertext)), Buffer.from(whole(tag))]
  }

  /** In pieces of `size` bytes, the last of them empty. */
  async encryptParts(data: Uint8Array, size: number, options: MessageOptions = {}): Promise<Sealed> {
    const nonce = await this.encryptBegin(options, data.length)
    const out: Buffer[] = []
    for (let at = 0; at < data.length; at += size)
      out.push((await this.encryptNext(data.slice(at, at + size), false))[0])
    const [rest, tag] = await this.encryptNext(NONE, true)
    return { ciphertext: Buffer.concat([...out, rest]), nonce, tag }
  }

  async decrypt({ ciphertext, nonce, tag }: Sealed, options: MessageOptions = {}): Promise<Buffer> {
    const { aad = NONE } = options
    const parameter = wire({ ...options, nonce, tag: options.tag ?? tag.length }, ciphertext.length)
    return Buffer.from(
      whole(
        await this.program.call(messageCalls.decryptMessage, [this.session, parameter, [tag, aad, ciphertext], ROOM]),
      ),
    )
  }

  async decryptParts({ ciphertext, nonce, tag }: Sealed, size: number, options: MessageOptions = {}): Promise<Buffer> {
    const { program, session } = this
    const parameter = wire({ ...options, nonce, tag: tag.length }, ciphertext.length)
    await program.call(messageCalls.decryptMessageBegin, [session, parameter, options.aad ?? NONE])
    const next = async (data: Uint8Array, last: boolean): Promise<Uint8Array> =>
      whole(
        await program.call(messageCalls.decryptMessageNext, [session, data, last ? 1 : 0, last ? tag : NOTHING, ROOM]),
      )
    for (let at = 0; at < ciphertext.length; at += size) {
      // Nothing comes out before the tag was right.
      const early = await next(ciphertext.subarray(at, at + size), false)
      if (early.length > 0) throw new Error('plaintext came before the tag')
    }
    return Buffer.from(await next(NONE, true))
  }
}
