// One thread of a program: a session of its own, keys of its own, and each answer held against node:crypto.
import { createCipheriv, createHmac, createPublicKey, type KeyObject, verify } from 'node:crypto'
import * as protocol from '../../../assembly/protocol.js'
import { ckrByName } from '../../../host/client/index.js'
import { calls } from '../../../host/pkcs11/calls.js'
import { CKR } from '../../../host/pkcs11/errors.js'
import type { CkMechanism } from '../../../host/pkcs11/mechanism-codec.js'
import type { Random } from '../../fuzz/engine/random.js'
import { ckrOf, data, flag, number, type Program, QUERY, Refused, room, utf8, whole } from '../support.js'

/** An answer that is not right. */
export class WrongResult extends Error {
  override readonly name = 'WrongResult'
}

/** What may come while a token restarts: it is gone, or has forgotten. */
const FORGOTTEN: ReadonlySet<number> = new Set([
  ...[CKR.DEVICE_REMOVED, CKR.DEVICE_ERROR, CKR.SESSION_HANDLE_INVALID, CKR.KEY_HANDLE_INVALID],
  ...[CKR.OBJECT_HANDLE_INVALID, CKR.USER_NOT_LOGGED_IN, CKR.OPERATION_NOT_INITIALIZED, CKR.TOKEN_NOT_PRESENT],
  ...[ckrByName('CKR_WRAPPING_KEY_HANDLE_INVALID') ?? 0, ckrByName('CKR_UNWRAPPING_KEY_HANDLE_INVALID') ?? 0],
  CKR.SLOT_ID_INVALID,
])

const P256 = Buffer.from('06082a8648ce3d030107', 'hex')
const plain = (type: number): CkMechanism => ({ type, parameter: { form: 'none' } })
const LOGGED_IN = ckrByName('CKR_USER_ALREADY_LOGGED_IN')

interface Keys {
  readonly session: number
  readonly secret: Buffer
  readonly aes: number
  readonly mac: number
  readonly pair: readonly [number, number]
  readonly publicKey: KeyObject
}

export interface ThreadOptions {
  readonly program: Program
  readonly slot: number
  readonly pin: string
  readonly random: Random
  /** Counts up whenever the token goes or comes: what was made before may be forgotten. */
  readonly epoch: () => number
}

export class Thread {
  operations = 0
  /** Times that it had to begin again. */
  again = 0
  #keys: Keys | undefined
  #epoch: number
  readonly #work: readonly ((keys: Keys) => Promise<void>)[] = [
    (keys) => this.#cbc(keys),
    (keys) => this.#gcm(keys),
    (keys) => this.#hmac(keys),
    (keys) => this.#ecdsa(keys),
    (keys) => this.#wrap(keys),
    (keys) => this.#objects(keys),
    (keys) => this.#fails(keys),
  ]

  constructor(private readonly options: ThreadOptions) {
    this.#epoch = options.epoch()
  }

  /** Works until `over` says so. @throws WrongResult; Refused for what nothing explains */
  async run(over: () => boolean): Promise<void> {
    while (!over()) {
      try {
        if (!this.#keys) {
          const before = this.options.epoch()
          this.#keys = await this.#begin()
          // It went while the thread began: that once more.
          this.#epoch = before
        }
        await this.options.random.pick(this.#work)(this.#keys)
        this.operations++
      } catch (error) {
        if (!(error instanceof Refused && FORGOTTEN.has(error.ckr))) throw error
        // That the token has gone may be heard later from the parent than from the door.
        await new Promise((resolve) => setTimeout(resolve, 50))
        if (!this.#mayForget()) throw error
        this.again++
        const old = this.#keys
        this.#keys = undefined
        if (old) await ckrOf(() => this.#call(calls.closeSession, old.session))
      }
    }
    const last = this.#keys
    if (last) await ckrOf(() => this.#call(calls.closeSession, last.session))
  }

  /** Odd while the token is away. */
  #mayForget(): boolean {
    const now = this.options.epoch()
    return now % 2 === 1 || now !== this.#epoch
  }

  get #call(): Program['call'] {
    return this.options.program.call.bind(this.options.program)
  }

  async #begin(): Promise<Keys> {
    const { slot, pin, random } = this.options
    const session = await this.#call(calls.openSession, [slot, 6])
    const login = await ckrOf(() => this.#call(calls.login, [session, 1, utf8(pin)]))
    if (login !== 0 && login !== LOGGED_IN) throw new Refused(login)
    const secret = random.bytes(32)
    const create = (keyType: number, usages: readonly number[]) =>
      this.#call(calls.createObject, [
        session,
        [
          number(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY),
          number(protocol.CKA_KEY_TYPE, keyType),
          flag(protocol.CKA_EXTRACTABLE, true),
          data(protocol.CKA_VALUE, secret),
          ...usages.map((usage) => flag(usage, true)),
        ],
      ])
    const aes = await create(protocol.CKK_AES, [protocol.CKA_ENCRYPT, protocol.CKA_DECRYPT, protocol.CKA_WRAP])
    const mac = await create(protocol.CKK_GENERIC_SECRET, [protocol.CKA_SIGN])
    const pair = await this.#call(calls.generateKeyPair, [
      session,
      plain(protocol.CKM_EC_KEY_PAIR_GEN),
      [data(protocol.CKA_EC_PARAMS, P256)],
      [flag(protocol.CKA_SIGN, true)],
    ])
    const wanted = [{ type: protocol.CKA_EC_POINT, capacity: 100 }]
    const [[point]] = await this.#call(calls.getAttributeValue, [session, pair[0], wanted])
    if (!(point?.value instanceof Uint8Array)) throw new WrongResult('a public key without a point')
    const [x, y] = [point.value.slice(3, 35), point.value.slice(35)]
    const url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url')
    const key = { kty: 'EC', crv: 'P-256', x: url(x), y: url(y) }
    return { session, secret, aes, mac, pair, publicKey: createPublicKey({ key, format: 'jwk' }) }
  }

  #same(what: string, got: Uint8Array, wanted: Uint8Array): void {
    if (Buffer.compare(got, wanted) !== 0) throw new WrongResult(`${what}: ${Buffer.from(got).toString('hex')}`)
  }

  async #cbc({ session, secret, aes }: Keys): Promise<void> {
    const { random } = this.options
    const [iv, text] = [random.bytes(16), random.bytes(16 * (1 + random.below(64)))]
    const how: CkMechanism = { type: protocol.CKM_AES_CBC, parameter: { form: 'iv', iv } }
    const cipher = createCipheriv('aes-256-cbc', secret, iv).setAutoPadding(false)
    const wanted = Buffer.concat([cipher.update(text), cipher.final()])
    await this.#call(calls.encryptInit, [session, how, aes])
    const half = text.length >> 1
    const first = whole(await this.#call(calls.encryptUpdate, [session, text.subarray(0, half), room(2048)]))
    const rest = whole(await this.#call(calls.encryptUpdate, [session, text.subarray(half), room(2048)]))
    const last = whole(await this.#call(calls.encryptFinal, [session, room(16)]))
    this.#same('AES-CBC', Buffer.concat([first, rest, last]), wanted)
    await this.#call(calls.decryptInit, [session, how, aes])
    this.#same('AES-CBC back', whole(await this.#call(calls.decrypt, [session, wanted, room(2048)])), text)
  }

  async #gcm({ session, secret, aes }: Keys): Promise<void> {
    const { random } = this.options
    const [iv, aad, text] = [random.bytes(12), random.bytes(random.below(40)), random.bytes(random.below(1024))]
    const parameter = { form: 'gcm' as const, iv, ivBits: 96, aad, tagBits: 128 }
    const cipher = createCipheriv('aes-256-gcm', secret, iv).setAAD(aad)
    const wanted = Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()])
    await this.#call(calls.encryptInit, [session, { type: protocol.CKM_AES_GCM, parameter }, aes])
    this.#same('AES-GCM', whole(await this.#call(calls.encrypt, [session, text, room(2048)])), wanted)
  }

  async #hmac({ session, secret, mac }: Keys): Promise<void> {
    const { random } = this.options
    const text = random.bytes(random.below(2000))
    await this.#call(calls.signInit, [session, plain(protocol.CKM_SHA256_HMAC), mac])
    const length = await this.#call(calls.sign, [session, text, QUERY])
    if (length instanceof Uint8Array || length.missing !== 32) throw new WrongResult('the length of an HMAC')
    const got = whole(await this.#call(calls.sign, [session, text, room(32)]))
    this.#same('HMAC', got, createHmac('sha256', secret).update(text).digest())
  }

  async #ecdsa({ session, pair, publicKey }: Keys): Promise<void> {
    const text = this.options.random.bytes(100)
    await this.#call(calls.signInit, [session, plain(protocol.CKM_ECDSA_SHA256), pair[1]])
    const signature = whole(await this.#call(calls.sign, [session, text, room(64)]))
    const key = { key: publicKey, dsaEncoding: 'ieee-p1363' as const }
    if (!verify('sha256', text, key, signature)) throw new WrongResult('an ECDSA signature')
  }

  async #wrap({ session, secret, aes, mac }: Keys): Promise<void> {
    // Its parameter would be an IV.
    const how: CkMechanism = { type: protocol.CKM_AES_KEY_WRAP, parameter: undefined }
    const got = whole(await this.#call(calls.wrapKey, [session, how, aes, mac, room(64)]))
    const cipher = createCipheriv('id-aes256-wrap', secret, Buffer.alloc(8, 0xa6))
    this.#same('AES-KW', got, Buffer.concat([cipher.update(secret), cipher.final()]))
  }

  async #objects({ session, aes }: Keys): Promise<void> {
    const label = this.options.random.bytes(8).toString('hex')
    const copy = await this.#call(calls.copyObject, [session, aes, [data(protocol.CKA_LABEL, label)]])
    await this.#call(calls.findObjectsInit, [session, [data(protocol.CKA_LABEL, label)]])
    const found = await this.#call(calls.findObjects, [session, room(4)])
    await this.#call(calls.findObjectsFinal, session)
    if (!('length' in found) || found.length !== 1 || found[0] !== copy) throw new WrongResult('a search')
    await this.#call(calls.destroyObject, [session, copy])
  }

  /** What is wrong is told as that, and ends nothing but itself. */
  async #fails({ session, aes }: Keys): Promise<void> {
    await this.#call(calls.encryptInit, [session, plain(protocol.CKM_AES_ECB), aes])
    const odd = await ckrOf(() => this.#call(calls.encrypt, [session, new Uint8Array(15), room(64)]))
    if (FORGOTTEN.has(odd)) throw new Refused(odd)
    if (odd !== CKR.DATA_LEN_RANGE) throw new WrongResult(`15 bytes of AES-ECB: 0x${odd.toString(16)}`)
    const over = await ckrOf(() => this.#call(calls.encrypt, [session, new Uint8Array(16), room(64)]))
    if (over !== CKR.OPERATION_NOT_INITIALIZED && !FORGOTTEN.has(over))
      throw new WrongResult('an operation that failed')
  }
}
