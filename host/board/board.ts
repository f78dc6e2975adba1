import {
  PED_ID_LOCAL,
  PED_ID_REMOTE,
  PED_LINE_LOCAL,
  PED_LINE_REMOTE,
  PORT_COMMAND,
  PORT_PED,
  RC_OK,
  SERVICE_AGAIN,
  SERVICE_COMMAND,
  SERVICE_PED,
} from '../../assembly/protocol.js'
import { BoardError, type BoardErrorCode, messageOf } from './errors.js'
import { PowerCut } from './faults.js'
import type { Firmware, FirmwareImage } from './firmware.js'
import type { FrameLink } from './frame-link.js'
import { isCommandFrame, pedIdOf, refusal, tagOf, withTag } from './frames.js'
import { afterPowerOff, boardImports, type Peripherals, syncAlive } from './imports.js'

export type PedConnectorName = 'local' | 'remote'

const CONNECTORS = {
  local: { id: PED_ID_LOCAL, line: PED_LINE_LOCAL },
  remote: { id: PED_ID_REMOTE, line: PED_LINE_REMOTE },
} as const

/** Why the watchdog last reset the board. */
export interface CrashRecord {
  readonly code: BoardErrorCode
  readonly message: string
}

/** Gets the answer to one request, or why there will be none. */
export type Reply = (result: Uint8Array<ArrayBuffer> | BoardError) => void

interface Request {
  /** The tag that its sender gave it. */
  readonly tag: number
  readonly done: Reply
}

type Job = (firmware: Firmware) => void

/**
 * One board: a firmware instance and its peripherals, pumped on this thread (SPEC.md §1).
 *
 * Nothing leaves it before everything it rests on is durable. A trap, an abort or a peripheral's error inside the
 * firmware is a watchdog reset: requests under way fail with BOARD_RESET and a new instance boots. A PowerCut leaves the
 * board off.
 */
export class Board {
  #firmware: Firmware | undefined
  #bootCode = RC_OK
  #crash: CrashRecord | undefined
  #dead = false
  #tamperLine = 0
  #tampered = false
  #selfTestFault = 0
  #jobs: Job[] = []
  #outputs: (() => void)[] = []
  #requests = new Map<number, Request>()
  #lastTag = 0
  #peds = new Map<PedConnectorName, FrameLink>()
  #pumping = false
  #again = false

  constructor(
    private readonly image: FirmwareImage,
    private readonly chips: Peripherals,
  ) {}

  get powered(): boolean {
    return this.#firmware !== undefined
  }

  /** Of the last watchdog reset since the board was made. */
  get crash(): CrashRecord | undefined {
    return this.#crash
  }

  /**
   * Boots, unless the board is on already.
   * @returns what `boot` of the firmware answered: RC_OK, or the code that STATUS shows
   * Throws BOARD_DEAD where the firmware does not get through its boot, POWER_CUT where a fault cut it.
   */
  powerOn(): number {
    if (this.#firmware) return this.#bootCode
    try {
      this.#boot()
    } catch (cause) {
      this.#dropFirmware()
      if (cause instanceof PowerCut) throw cause
      this.#recordCrash(cause)
      this.#dead = true
      throw new BoardError('BOARD_DEAD', `the firmware does not boot: ${messageOf(cause)}`, { cause })
    }
    return this.#bootCode
  }

  /** Takes the power away; requests under way fail with BOARD_OFF. */
  powerOff(): void {
    if (!this.#firmware) return
    try {
      this.#stop(new BoardError('BOARD_OFF', 'the board was switched off'))
    } finally {
      this.#emit()
    }
  }

  /**
   * Takes one command frame. The tag may be used by others at the same time: inside it is another one.
   * `done` gets FRAME_MALFORMED, BOARD_OFF, BOARD_DEAD, BOARD_RESET or POWER_CUT where there is no answer.
   */
  submit(frame: Uint8Array, done: Reply): void {
    if (!isCommandFrame(frame)) {
      done(new BoardError('FRAME_MALFORMED', `${frame.length} bytes are not one command frame`))
      return
    }
    if (!this.#firmware) {
      const why = this.#crash ? `: ${this.#crash.message}` : ''
      done(
        this.#dead
          ? new BoardError('BOARD_DEAD', `the board is dead${why}`)
          : new BoardError('BOARD_OFF', 'the board is off'),
      )
      return
    }
    const tag = this.#freeTag()
    const inner = withTag(frame, tag)
    this.#requests.set(tag, { tag: tagOf(frame), done })
    this.#do((firmware) => {
      const code = firmware.deliver(PORT_COMMAND, inner)
      if (code !== RC_OK) this.#outputs.push(this.#answer(refusal(inner, code)))
      inner.fill(0)
    })
  }

  /** Plugs a PED into a connector. Throws PED_IN_USE where one is plugged in. */
  attachPed(connector: PedConnectorName, link: FrameLink): void {
    if (this.#peds.has(connector)) throw new BoardError('PED_IN_USE', `there is a PED on the ${connector} connector`)
    this.#peds.set(connector, link)
    link.onClose(() => this.#unplugged(connector, link))
    link.onFrame((frame) => this.#fromPed(connector, link, frame))
    this.tick()
  }

  /** Unplugs the PED; the link is closed. */
  detachPed(connector: PedConnectorName): void {
    const link = this.#peds.get(connector)
    if (!link) return
    this.#unplugged(connector, link)
    link.close()
  }

  /** Time has passed, or a line has changed: the firmware looks at its time-outs. */
  tick(): void {
    this.#do((firmware) => firmware.tick())
  }

  /** Lets virtual time pass, with or without power. Throws CLOCK_NOT_VIRTUAL. */
  advance(milliseconds: number): void {
    this.chips.clock.advance(milliseconds)
    this.tick()
  }

  /**
   * Raises the tamper line (0 releases it). The firmware wipes at once, answers what it can, and is then restarted with
   * overwritten memory (OBC-1 §10, rules 5 and 6). The line stays up until it is released. May be called at any moment.
   */
  tamper(cause: number): void {
    this.#tamperLine = cause
    const firmware = this.#firmware
    if (cause === 0 || !firmware) return
    this.#tampered = true
    if (this.#pumping) firmware.tamper(cause)
    else this.#do(() => firmware.tamper(cause))
  }

  /** Makes one self-test fail, now and at every power-up, until undone: a RC_SELF_TEST_ code, 0 = none. */
  injectSelfTestFault(code: number): void {
    this.#selfTestFault = code
    this.#firmware?.inject(code)
  }

  /** A copy of the firmware's whole memory, to look for what should not be in it; undefined while the board is off. */
  memoryImage(): Uint8Array | undefined {
    return this.#firmware?.image()
  }

  // ---- the pump -----------------------------------------------------------------------------------------------------

  #do(job: Job): void {
    if (!this.#firmware) return
    this.#jobs.push(job)
    if (this.#pumping) return
    this.#pumping = true
    try {
      while (this.#again || this.#jobs.length > 0 || this.#tampered) this.#step()
    } finally {
      this.#pumping = false
    }
  }

  /** A job, or what the firmware wants to go on with; then what came out of it. */
  #step(): void {
    const firmware = this.#firmware
    if (!firmware) {
      this.#jobs = []
      this.#again = this.#tampered = false
      return
    }
    try {
      const job = this.#again ? undefined : this.#jobs.shift()
      if (job || this.#again) {
        job?.(firmware)
        this.#again = this.#serve(firmware)
      } else this.#restart(new BoardError('BOARD_RESET', 'the board was reset by its tamper line'))
    } catch (thrown) {
      this.#broke(thrown)
    }
    this.#emit()
  }

  /** @returns whether the firmware has more to do at once */
  #serve(firmware: Firmware): boolean {
    const ready = firmware.service()
    const answer = ready & SERVICE_COMMAND ? firmware.take(PORT_COMMAND) : undefined
    const request = ready & SERVICE_PED ? firmware.take(PORT_PED) : undefined
    if (answer && !(isCommandFrame(answer) && this.#requests.has(tagOf(answer)))) {
      throw new BoardError('FIRMWARE_TRAP', 'the firmware answered something that nobody asked')
    }
    if (this.chips.memory.dirty) syncAlive(this.chips)
    if (answer) this.#outputs.push(this.#answer(answer))
    if (request) this.#outputs.push(() => this.#toPed(request))
    return (ready & SERVICE_AGAIN) !== 0
  }

  /** Callers' code runs only here, outside of everything that can be a fault of the firmware. */
  #emit(): void {
    for (let output = this.#outputs.shift(); output; output = this.#outputs.shift()) output()
  }

  #answer(answer: Uint8Array): () => void {
    const tag = tagOf(answer)
    return () => {
      const request = this.#requests.get(tag)
      this.#requests.delete(tag)
      request?.done(withTag(answer, request.tag))
    }
  }

  #freeTag(): number {
    do this.#lastTag = (this.#lastTag + 1) >>> 0
    while (this.#requests.has(this.#lastTag))
    return this.#lastTag
  }

  #failRequests(error: BoardError): void {
    const requests = [...this.#requests.values()]
    this.#requests.clear()
    for (const { done } of requests) this.#outputs.push(() => done(error))
  }

  // ---- PED connectors -----------------------------------------------------------------------------------------------

  #fromPed(connector: PedConnectorName, link: FrameLink, frame: Uint8Array): void {
    // Noise, and a PED that claims to sit on the other connector, ends here.
    if (this.#peds.get(connector) !== link || pedIdOf(frame) !== CONNECTORS[connector].id) return
    this.#do((firmware) => firmware.deliver(PORT_PED, frame))
  }

  #toPed(frame: Uint8Array): void {
    const id = pedIdOf(frame)
    for (const [connector, link] of this.#peds) if (CONNECTORS[connector].id === id) link.send(frame)
  }

  #unplugged(connector: PedConnectorName, link: FrameLink): void {
    if (this.#peds.get(connector) !== link) return
    this.#peds.delete(connector)
    this.tick()
  }

  // ---- power --------------------------------------------------------------------------------------------------------

  #boot(): void {
    afterPowerOff(this.chips)
    const lines = {
      ped: () => [...this.#peds.keys()].reduce((set, connector) => set | CONNECTORS[connector].line, 0),
      tamper: () => this.#tamperLine,
    }
    const firmware = this.image.instantiate((bytes) => boardImports(this.chips, lines, bytes))
    this.#firmware = firmware
    this.#dead = false
    if (this.#selfTestFault !== 0) firmware.inject(this.#selfTestFault)
    this.#bootCode = firmware.boot()
    if (this.chips.memory.dirty) syncAlive(this.chips)
  }

  #broke(thrown: unknown): void {
    const cut = thrown instanceof PowerCut
    if (!cut) this.#recordCrash(thrown)
    const why = `the watchdog reset the board: ${messageOf(thrown)}`
    this.#restart(cut ? thrown : new BoardError('BOARD_RESET', why, { cause: thrown }))
  }

  /** Ends this instance; boots another unless the power is gone. */
  #restart(error: BoardError): void {
    try {
      this.#stop(error)
      if (!(error instanceof PowerCut)) this.#boot()
    } catch (thrown) {
      this.#dropFirmware()
      if (thrown instanceof PowerCut) return
      this.#recordCrash(thrown)
      this.#dead = true
    }
  }

  #stop(error: BoardError): void {
    this.#dropFirmware()
    this.#failRequests(error)
    this.#keepTime()
  }

  #recordCrash(thrown: unknown): void {
    this.#crash = { code: thrown instanceof BoardError ? thrown.code : 'FIRMWARE_TRAP', message: messageOf(thrown) }
  }

  /** RAM does not survive: what was in it is overwritten before the instance is forgotten. */
  #dropFirmware(): void {
    this.#firmware?.wipe()
    this.#firmware = undefined
    this.#jobs = []
    this.#again = this.#tampered = false
  }

  /** A chip keeps what was programmed when the power goes: the files follow it. */
  #keepTime(): void {
    const { memory, clock } = this.chips
    memory.apply({ kind: 'alive', time: BigInt(clock.now()) })
    try {
      memory.sync()
    } catch (thrown) {
      // A cut that was planned for this very moment finds the power gone already.
      if (!(thrown instanceof PowerCut)) throw thrown
    }
  }
}
