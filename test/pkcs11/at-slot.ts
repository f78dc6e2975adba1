// What tests of the dispatcher begin with: a partition in slot 1, a program of the newest kind, the Crypto Officer logged in.
import type { Test } from 'uvu'
import * as protocol from '../../assembly/protocol.js'
import type { SlotSource } from '../../host/client/index.js'
import type { CkAttribute } from '../../host/pkcs11/attribute-codec.js'
import { type Call, calls } from '../../host/pkcs11/calls.js'
import type { CkMechanism } from '../../host/pkcs11/mechanism-codec.js'
import { fill } from '../firmware/support/crypt-keys.js'
import type { TestToken } from '../firmware/support/test-token.js'
import { data, flag, number, Program, partitionInSlot } from './support.js'

export const P256 = Buffer.from('06082a8648ce3d030107', 'hex')

export const plain = (type: number): CkMechanism => ({ type, parameter: { form: 'none' } })
export const withIv = (type: number): CkMechanism => ({ type, parameter: { form: 'iv', iv: fill(16, 9) } })

/** One token for all tests of a suite, a program for each. */
export class AtSlot {
  #made: { token: TestToken; partition: number; slots: SlotSource } | undefined
  #program: Program | undefined
  /** A read-write session of the program. */
  session = 0

  constructor(test: Test) {
    test.before(async () => {
      this.#made = await partitionInSlot()
    })
    test.before.each(async () => {
      // The newest client: every mechanism that the token has.
      this.#program = Program.at(this.slots, 2).program
      await this.program.initialize()
      this.session = await this.program.officer()
    })
    test.after.each(() => this.program.call(calls.finalize, undefined))
  }

  get program(): Program {
    if (!this.#program) throw new Error('no test runs')
    return this.#program
  }

  set program(other: Program) {
    this.#program = other
  }

  get slots(): SlotSource {
    return this.#all().slots
  }

  get partition(): number {
    return this.#all().partition
  }

  get token(): TestToken {
    return this.#all().token
  }

  /** An AES key of this value that encrypts and decrypts. */
  aes(value: Uint8Array, more: readonly CkAttribute[] = []): Promise<number> {
    const own = [
      number(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY),
      number(protocol.CKA_KEY_TYPE, protocol.CKK_AES),
      flag(protocol.CKA_ENCRYPT, true),
      flag(protocol.CKA_DECRYPT, true),
      data(protocol.CKA_VALUE, value),
    ]
    return this.program.call(calls.createObject, [this.session, [...own, ...more]])
  }

  /** On P-256; the private one is sensitive. */
  ecPair(): Promise<[number, number]> {
    return this.program.call(calls.generateKeyPair, [
      this.session,
      plain(protocol.CKM_EC_KEY_PAIR_GEN),
      [data(protocol.CKA_EC_PARAMS, P256), flag(protocol.CKA_VERIFY, true)],
      [flag(protocol.CKA_SIGN, true), flag(protocol.CKA_SENSITIVE, true)],
    ])
  }

  begin(call: Call<[number, CkMechanism, number], void>, mechanism: CkMechanism, key: number): Promise<void> {
    return this.program.call(call, [this.session, mechanism, key])
  }

  #all() {
    if (!this.#made) throw new Error('no test runs')
    return this.#made
  }
}
