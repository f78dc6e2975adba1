import { PORT_COMMAND, PORT_PED, RC_OK, SERVICE_AGAIN, SERVICE_COMMAND, SERVICE_PED } from '../../assembly/protocol.js'
import { VirtualClock } from './clock.js'
import { type CrashLog, type CrashRecord, crashRecord, isFirmwareFault, MemoryCrashLog } from './crash.js'
import { BoardError, messageOf } from './errors.js'
import { PowerCut } from './faults.js'
import type { BoardImports, Firmware, FirmwareImage, MemoryAccess } from './firmware.js'
import type { FrameLink } from './frame-link.js'
import { commandOf, isCommandFrame, refusal, setTag, tagOf, withTag } from './frames.js'
import { afterPowerOff, boardImports, type Peripherals, syncAlive } from './imports.js'
import { Monitor } from './monitor.js'
import { Outbox, type Output } from './outbox.js'
import { type PedConnectorName, PedConnectors } from './ped-connectors.js'
import { type Reply, Requests } from './requests.js'
import { encodeSnapshot, requireBuild, type Snapshot } from './snapshot.js'
import { SeededTrng } from './trng.js'

/** What a board may have beside its chips. */
export interface BoardExtras {
  /** Where watchdog resets are written down; in memory unless given. */
  readonly crashes?: CrashLog
  /** Told when the firmware runs. */
  readonly monitor?: Monitor
  /** Cause at the tamper line before the first power-up. */
  readonly tamperLine?: number
  /** Whether more commands wait: the board works on them then, and not on the disk's time. Never unless given. */
  readonly isBusy?: () => boolean
}

type Job = (firmware: Firmware) => void

/** Boots that may crash in a row before the board counts as dead. */
export const BOOT_ATTEMPTS = 3

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
  #tamperLine: number
  #tampered = false
  #selfTestFault = 0
  /** `steady` of the clock at power-up. */
  #poweredOn = 0
  #jobs: Job[] = []
  #pumping = false
  #again = false
  /** A crash that a peripheral kept from its caller. */
  #hidden: { readonly thrown: unknown; readonly entry: string } | undefined
  readonly #requests = new Requests()
  readonly #peds = new PedConnectors({
    frame: (frame) => this.#do((firmware) => firmware.deliver(PORT_PED, frame)),
    changed: () => this.tick(),
  })
  readonly #crashes: CrashLog
  readonly #monitor: Monitor
  readonly #outbox: Outbox

  constructor(
    private readonly image: FirmwareImage,
    private readonly chips: Peripherals,
    extras: BoardExtras = {},
  ) {
    this.#crashes = extras.crashes ?? new MemoryCrashLog()
    this.#monitor = extras.monitor ?? new Monitor()
    this.#tamperLine = extras.tamperLine ?? 0
    this.#outbox = new Outbox(chips, extras.isBusy ?? (() => false), (work) => this.#attempt(work))
  }

  /** Whether the disk has to answer before something can leave. */
  get isWriting(): boolean {
    return this.#outbox.isWriting
  }

  get powered(): boolean {
    return this.#firmware !== undefined
  }

  /** The last watchdog reset since this object was made. */
  get crash(): CrashRecord | undefined {
    return this.#crash
  }

  /** The watchdog resets that are written down, those before this object was made too where the log keeps them. */
  get crashes(): CrashLog {
    return this.#crashes
  }

  /** Cause at the tamper line, 0 = quiet. */
  get tamperLine(): number {
    return this.#tamperLine
  }

  /**
   * Boots, unless the board is on already.
   * @returns what `boot` of the firmware answered: RC_OK, or the code that STATUS shows
   * Throws BOARD_DEAD where the firmware does not get through its boot, POWER_CUT where a fault cut it.
   */
  powerOn(): number {
    if (!this.#firmware) this.#start()
    return this.#bootCode
  }

  /** Takes the power away; requests under way fail with BOARD_OFF. */
  powerOff(): void {
    if (!this.#firmware) return
    try {
      this.#outbox.settle()
      this.#outbox.emit()
    } finally {
      this.#lose(new BoardError('BOARD_OFF', 'the board was switched off'))
    }
  }

  #lose(error: BoardError): void {
    try {
      this.#stop(error)
    } finally {
      this.#outbox.emit()
    }
  }

  /**
   * Everything that decides what the board does next, as the bytes of a snapshot file (SPEC.md §8.2): memory and globals
   * of the firmware, flash, battery RAM, counter, split, random source, clock, lines. Nothing changes by it. Commands
   * parked for the PED are part of the memory; what is on cables is not.
   *
   * A command that runs ends first, since all of it happens on this thread.
   * Throws BOARD_OFF, BOARD_DEAD, BOARD_BUSY from inside a reply, SNAPSHOT_UNSUPPORTED.
   */
  snapshot(): Uint8Array<ArrayBuffer> {
    const firmware = this.#firmware
    if (!firmware) throw this.#off()
    if (this.#pumping) throw new BoardError('BOARD_BUSY', 'the board is in the middle of its work')
    this.#outbox.settle()
    this.#outbox.emit()
    const { memory, clock, trng } = this.chips
    return encodeSnapshot({
      firmware: this.image.info.sha384,
      madeBy: `moonlet ${this.image.info.version}`,
      taken: Math.floor(clock.now()),
      uptime: clock.steady() - this.#poweredOn,
      virtualClock: clock instanceof VirtualClock,
      seed: trng instanceof SeededTrng ? trng.seed : undefined,
      tamperLine: this.#tamperLine,
      selfTestFault: this.#selfTestFault,
      bootCode: this.#bootCode,
      ...this.#requests.save(),
      globals: firmware.globals(),
      memorySize: firmware.memorySize,
      memory: firmware.pages(),
      state: memory.state,
    })
  }

  /**
   * Switches a new board on where a snapshot left another one; its chips hold what the snapshot says already. The firmware
   * does not boot. No cable is plugged in: answers to what was under way go to nobody, and a command that waits for the PED
   * goes on waiting until the first `tick` finds no PED.
   * Throws SNAPSHOT_FOREIGN, SNAPSHOT_DAMAGED, SNAPSHOT_UNSUPPORTED.
   */
  resume(snapshot: Snapshot): void {
    requireBuild(snapshot, this.image.info)
    this.#poweredOn = this.chips.clock.steady() - snapshot.uptime
    this.#firmware = this.image.resume((bytes) => this.#connect(bytes), snapshot)
    this.#bootCode = snapshot.bootCode
    this.#tamperLine = snapshot.tamperLine
    this.#selfTestFault = snapshot.selfTestFault
    this.#requests.load(snapshot.lastTag, snapshot.pending)
  }

  /**
   * Takes one command frame. The tag may be used by others at the same time: inside it is another one.
   * `done` gets FRAME_MALFORMED, BOARD_OFF, BOARD_DEAD, BOARD_RESET or POWER_CUT where there is no answer.
   * @param owned the frame is the board's from now on, which overwrites it
   */
  submit(frame: Uint8Array, done: Reply, owned = false): void {
    if (!isCommandFrame(frame)) {
      done(new BoardError('FRAME_MALFORMED', `${frame.length} bytes are not one command frame`))
      return
    }
    if (!this.#firmware) {
      done(this.#off())
      return
    }
    const tag = this.#requests.add(frame, done)
    const inner = owned ? setTag(frame, tag) : withTag(frame, tag)
    this.#do((firmware) => {
      this.#monitor.command = commandOf(inner)
      const code = firmware.deliver(PORT_COMMAND, inner)
      if (code !== RC_OK) {
        const refused = refusal(inner, code)
        this.#outbox.put(() => this.#requests.answer(refused))
      }
      inner.fill(0)
    })
  }

  /** Plugs a PED into a connector. Throws PED_IN_USE where one is plugged in. */
  attachPed(connector: PedConnectorName, link: FrameLink): void {
    this.#peds.attach(connector, link)
  }

  /** Unplugs the PED; the link is closed. */
  detachPed(connector: PedConnectorName): void {
    this.#peds.detach(connector)
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
    if (!this.#pumping) {
      this.#do(() => firmware.tamper(cause))
      return
    }
    try {
      firmware.tamper(cause)
    } catch (thrown) {
      // Below is a peripheral that the firmware called, which may take every error for its own.
      this.#hidden = { thrown, entry: firmware.entry }
    }
  }

  /**
   * Makes one self-test fail, now and at every power-up, until undone: a RC_SELF_TEST_ code, 0 = none.
   * Throws FIRMWARE_INCOMPATIBLE where the firmware has no error injection.
   */
  injectSelfTestFault(code: number): void {
    this.#firmware?.requireInjection()
    this.#selfTestFault = code
    this.#do((firmware) => firmware.inject(code))
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
      while (this.#again || this.#jobs.length > 0 || this.#tampered) {
        this.#monitor.step(() => this.#step())
        this.#outbox.emit()
      }
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
  }

  /** @returns whether the firmware has more to do at once */
  #serve(firmware: Firmware): boolean {
    const ready = firmware.service()
    const answer = ready & SERVICE_COMMAND ? firmware.take(PORT_COMMAND) : undefined
    const request = ready & SERVICE_PED ? firmware.take(PORT_PED) : undefined
    if (this.#hidden) throw this.#hidden.thrown
    if (answer && !(isCommandFrame(answer) && this.#requests.isWaiting(tagOf(answer)))) {
      throw new BoardError('FIRMWARE_TRAP', 'the firmware answered something that nobody asked')
    }
    const outputs: Output[] = []
    if (answer) outputs.push(() => this.#requests.answer(answer))
    if (request) outputs.push(() => this.#peds.send(request))
    this.#outbox.release(outputs)
    return (ready & SERVICE_AGAIN) !== 0
  }

  /** What may be a fault of the disk is one of the board. */
  #attempt(work: () => void): void {
    try {
      work()
    } catch (thrown) {
      this.#broke(thrown)
    }
    this.#outbox.emit()
  }

  /** Why a board without power answers nothing. */
  #off(): BoardError {
    if (!this.#dead) return new BoardError('BOARD_OFF', 'the board is off')
    const why = this.#crash ? `: ${this.#crash.message}` : ''
    return new BoardError('BOARD_DEAD', `the board is dead${why}`)
  }

  // ---- power --------------------------------------------------------------------------------------------------------

  #connect(bytes: MemoryAccess): BoardImports {
    const lines = { ped: () => this.#peds.lines, tamper: () => this.#tamperLine }
    return boardImports(this.chips, lines, bytes, { poweredOn: this.#poweredOn, monitor: this.#monitor })
  }

  /** Boots until the firmware is up, BOOT_ATTEMPTS times at most. Throws BOARD_DEAD or POWER_CUT. */
  #start(): void {
    for (let attempt = 1; ; attempt++) {
      try {
        this.#monitor.step(() => this.#boot())
        return
      } catch (cause) {
        if (!(cause instanceof PowerCut)) this.#recordCrash(cause)
        this.#dropFirmware()
        if (cause instanceof PowerCut) throw cause
        if (isFirmwareFault(cause) && attempt < BOOT_ATTEMPTS) continue
        this.#dead = true
        const times = attempt === 1 ? '' : `, ${attempt} times in a row`
        throw new BoardError('BOARD_DEAD', `the firmware does not boot${times}: ${messageOf(cause)}`, { cause })
      }
    }
  }

  #boot(): void {
    afterPowerOff(this.chips)
    this.#poweredOn = this.chips.clock.steady()
    this.#monitor.command = 0
    this.#hidden = undefined
    const firmware = this.image.instantiate((bytes) => this.#connect(bytes))
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
      if (!(error instanceof PowerCut)) this.#start()
    } catch (thrown) {
      this.#dropFirmware()
      if (thrown instanceof PowerCut || this.#dead) return
      this.#recordCrash(thrown)
      this.#dead = true
    }
  }

  #stop(error: BoardError): void {
    this.#dropFirmware()
    // Whoever waits for these is told the error like all the others.
    this.#outbox.drop()
    for (const done of this.#requests.takeAll()) this.#outbox.put(() => done(error))
    this.#keepTime()
  }

  #recordCrash(thrown: unknown): void {
    const { clock } = this.chips
    const { command } = this.#monitor
    const entry = this.#hidden?.entry ?? this.#firmware?.entry
    this.#crash = crashRecord(thrown, {
      time: Math.floor(clock.now()),
      uptime: clock.steady() - this.#poweredOn,
      ...(entry === undefined ? {} : { entry }),
      ...(command === 0 ? {} : { command }),
      firmware: this.image.info.sha384,
    })
    this.#crashes.add(this.#crash)
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
