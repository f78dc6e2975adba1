// A command that is refused changes nothing: neither what is stored nor who is logged in.
import * as protocol from '../../../assembly/protocol.js'
import { Finding } from '../engine/target.js'
import type { Machine } from '../firmware/machine.js'

/** A buffer of the firmware: all of it, or of each row so much that a change shows. */
interface Place {
  readonly name: string
  readonly row?: number
  readonly head?: number
}

const SUPERBLOCK = 'flash/superblock/SB'
/** What commands may change, in memory. */
const STATE: readonly Place[] = [
  ...[
    SUPERBLOCK,
    'token/sessions/TABLE',
    'token/sessions/LOGIN_TABLE',
    'token/activation/CACHE',
    'token/state/FACTORY',
  ],
  ...[
    'arena/KEY_KEK',
    'arena/KEY_MTK',
    'arena/KEY_RSK',
    'arena/KEY_FK',
    'arena/KEY_GSK',
    'arena/KEY_TUK',
    'arena/KEY_RPV',
    'arena/KEY_AUDIT',
    'arena/KEY_AUDIT_IMPORTED',
    'arena/KEY_STATE',
    'token/events/EVENTS',
  ],
]
  .map((name): Place => ({ name }))
  .concat([
    { name: 'token/session_objects/SMALL_TABLE', row: 2112, head: 128 },
    { name: 'token/session_objects/LARGE_TABLE', row: 8256, head: 128 },
  ])
/** Cloning sessions; a message that does not fit ends the session that it was sent to. */
const CLONING: readonly Place[] = [
  { name: 'cloning/source/TABLE', row: 13376, head: 1056 },
  { name: 'cloning/target/TABLE', row: 50192, head: 752 },
]

const ALL = [...STATE, ...CLONING]

const LOGINS: ReadonlySet<number> = new Set([protocol.CMD_ROLE_LOGIN, protocol.CMD_ROLE_CHANGE_SECRET])
/** A wrong secret is counted before it is looked at. */
const COUNTED: ReadonlySet<number> = new Set([
  ...[protocol.RC_PIN_INCORRECT, protocol.RC_PIN_INCORRECT_LOCKED, protocol.RC_PIN_INCORRECT_ZEROIZED],
  ...[protocol.RC_CHALLENGE_INCORRECT, protocol.RC_SO_LOGIN_FAILURE_THRESHOLD, protocol.RC_PIN_LOCKED],
])
/** Making room comes before it is known whether there is enough: records move, and stay what they are. */
const MADE_ROOM: ReadonlySet<number> = new Set([
  ...[protocol.RC_DEVICE_MEMORY, protocol.RC_HSM_STORAGE_FULL, protocol.RC_CONTAINER_STORAGE_FULL],
  protocol.RC_MAX_OBJECT_COUNT_EXCEEDED,
])

/** Whether a refusal may leave something changed, by what SPEC.md says of the command. */
function mayChange(command: number, code: number): boolean {
  if (LOGINS.has(command) && COUNTED.has(code)) return true
  // The pair's first key is ended again in the same transaction; its handle is used up.
  if (command === protocol.CMD_OBJECT_GENERATE_PAIR) return true
  return MADE_ROOM.has(code) || command === protocol.CMD_SELF_TEST
}

export class StateChecks {
  readonly #machine: Machine
  readonly #kept = new Map<string, Buffer>()

  constructor(machine: Machine) {
    this.#machine = machine
  }

  /** What is now is how it has to stay. */
  note(): void {
    for (const { name } of ALL) {
      if (!this.#machine.has(name)) continue
      const kept = this.#kept.get(name)
      if (kept) this.#machine.view(name).copy(kept)
      else this.#kept.set(name, Buffer.from(this.#machine.view(name)))
    }
    this.#machine.chips.memory.watch()
  }

  /**
   * @param logged the HSM has an auditor: what is refused is logged, in flash and in the superblock's anchor
   * @throws Finding where a refused command changed something that it must not
   */
  check(command: number, code: number, logged: boolean): void {
    if (mayChange(command, code)) return
    const where = `0x${command.toString(16)} ${code.toString(16)}`
    const isLog = (kind: string) => logged && (kind === 'program' || kind === 'erase')
    const changes = this.#machine.chips.memory.changes.filter((kind) => !isLog(kind))
    if (changes.length > 0) {
      const what = `command 0x${command.toString(16)} is refused with 0x${code.toString(16)} and has done: ${changes.join(', ')}`
      throw new Finding('refusal changes', where, what)
    }
    const places = command >>> 8 === 8 ? STATE : ALL
    for (const place of places) {
      if (logged && place.name === SUPERBLOCK) continue
      if (this.#isKept(place)) continue
      throw new Finding(
        'refusal changes',
        where,
        `command 0x${command.toString(16)} is refused and has changed ${place.name}`,
      )
    }
  }

  #isKept({ name, row, head }: Place): boolean {
    const kept = this.#kept.get(name)
    if (!kept) return true
    const now = this.#machine.view(name)
    if (row === undefined || head === undefined) return now.equals(kept)
    for (let at = 0; at + head <= kept.length; at += row) {
      if (now.compare(kept, at, at + head, at, at + head) !== 0) return false
    }
    return true
  }
}
