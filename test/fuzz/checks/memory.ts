// What must hold in the firmware's memory whenever it waits for the next frame.
import { Finding } from '../engine/target.js'
import { RED_ZONE } from '../firmware/guarded-build.js'
import type { Machine, Region } from '../firmware/machine.js'

/** The arena of one command, and whatever else holds secrets no longer than that. */
const WIPED = [
  ...['arena/SCRATCH', 'arena/PLAIN', 'arena/PLAIN2', 'arena/BATCH_CEKS', 'arena/BATCH_SEEDS', 'arena/BATCH_RECORDS'],
  ...['commands/dispatch/BODY', 'commands/dispatch/REPLY', 'commands/dispatch/INBOX'],
  ...['commands/crypt_operation/CTX', 'token/rsa/BLOCK', 'token/rsa/DB', 'token/keys/KEYS'],
  ...['commands/crypt_mac/HMAC', 'commands/crypt_mac/CMAC', 'commands/crypt_part/STATE', 'commands/crypt_part/HASH'],
  ...['commands/crypt_kdf/HMAC', 'commands/crypt_kdf/CMAC', 'commands/crypt_kdf/LAST', 'crypto/cmac/SUBKEY'],
  ...['crypto/key_wrap/KEY', 'crypto/hmac/PAD', 'crypto/hmac/DIGEST', 'crypto/kdf/BLOCK', 'crypto/kdf/SUM'],
]
/** The same, but a command that waits for the PED keeps them. */
const WIPED_UNLESS_PARKED = [
  ...[
    'commands/dispatch/PARK',
    'ped/prompts/ANSWERS',
    'ped/prompts/PROMPT',
    'ped/prompts/PLAIN',
    'ped/prompts/PED_KEPT',
  ],
]

/** Areas that are zero, all at once: one comparison for neighbours is cheaper than one for each. */
function firstByte(area: Buffer): number {
  return area.findIndex((byte) => byte !== 0)
}

export class MemoryChecks {
  readonly #machine: Machine
  readonly #zero: Buffer
  readonly #wiped: readonly Region[]
  readonly #wipedUnlessParked: readonly Region[]
  /** Between the buffers: tables, labels, the root key, known answers. */
  readonly #constants: readonly { readonly at: number; readonly bytes: Buffer }[]

  constructor(machine: Machine) {
    this.#machine = machine
    const known = (names: readonly string[]) =>
      names.filter((name) => machine.has(name)).map((name) => machine.region(name))
    this.#wiped = known(WIPED)
    this.#wipedUnlessParked = known(WIPED_UNLESS_PARKED)
    this.#zero = Buffer.alloc(Math.max(...this.#wiped.map(({ length }) => length)))
    let end = 0
    this.#constants = machine.regions.flatMap(({ at, length }) => {
      const gap = { at: end, bytes: Buffer.from(machine.memory.subarray(end, at)) }
      end = at + length + RED_ZONE
      return gap.bytes.length > 0 ? [gap] : []
    })
  }

  /** @throws Finding */
  check(parked: boolean): void {
    const { memory } = this.#machine
    const overrun = this.#machine.overrun()
    if (overrun) throw new Finding('red zone', overrun.name, `something was written behind ${overrun.name}`)
    for (const { at, bytes } of this.#constants) {
      if (memory.compare(bytes, 0, bytes.length, at, at + bytes.length) !== 0) {
        throw new Finding('constants', String(at), `constants between ${at} and ${at + bytes.length} were changed`)
      }
    }
    for (const region of this.#wiped) this.#isWiped(region)
    if (!parked) for (const region of this.#wipedUnlessParked) this.#isWiped(region)
  }

  #isWiped({ name, at, length }: Region): void {
    if (this.#machine.memory.compare(this.#zero, 0, length, at, at + length) === 0) return
    const where = firstByte(this.#machine.memory.subarray(at, at + length))
    throw new Finding('not wiped', name, `${name} holds something at ${where} after the command`)
  }
}
