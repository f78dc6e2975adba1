// Every way out of a command: success, each refusal, a peripheral that fails at any call, a tamper at any moment, and everything that
// a person at the PED can do. After each the whole memory is searched for every secret that should be gone.
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { MemoryChecks } from '../../fuzz/checks/memory.js'
import { SecretSearch } from '../../fuzz/checks/secrets.js'
import { COMMANDS, type CommandRow, commandOf } from '../../fuzz/engine/spec.js'
import type { CallName } from '../../fuzz/firmware/chips.js'
import { quietly } from '../../fuzz/firmware/contents.js'
import { guardedFirmware } from '../../fuzz/firmware/guarded-build.js'
import { PERSON } from '../../fuzz/firmware/ped-side.js'
import { makePosture, type Posture } from '../../fuzz/firmware/postures.js'
import { frameOf, type KeptStation } from '../../fuzz/firmware/station.js'
import { cat, u8, u32, u64 } from '../../oracle/obc1/bytes.js'
import type { Recipe, Scene } from './recipe.js'

const firmware = await guardedFirmware()
const NO_BODY = Buffer.alloc(0)
const hex = (value: number) => `0x${value.toString(16)}`
/** Moments of one command at which something is done to it: all, or so many spread over it. */
const MOMENTS = 6

interface Stage {
  readonly posture: Posture
  readonly start: KeptStation
  readonly search: SecretSearch
  readonly memory: MemoryChecks
}

const stages = new Map<string, Stage>()

function stageOf(name: string): Stage {
  const known = stages.get(name)
  if (known) return known
  const posture = makePosture(firmware, name)
  const search = new SecretSearch(posture.station)
  search.learn()
  const stage = { posture, start: posture.station.keep(), search, memory: new MemoryChecks(posture.station.machine) }
  stages.set(name, stage)
  return stage
}

/** What is done differently from the recipe. */
interface Variation {
  readonly name: string
  readonly person?: number
  readonly sealed?: boolean | 'damaged'
  readonly body?: (body: Buffer) => Buffer
  /** Right before the frame goes in. */
  readonly before?: (scene: Scene, session: number) => number | undefined
  /** Answers true where a peripheral call fails; gets the number of the call. */
  readonly onCall?: (name: CallName, index: number) => boolean
  /** Once the command waits for the person. */
  readonly whileParked?: (scene: Scene, session: number) => void
}

export interface Outcome {
  /** Undefined = it waits, or its answer went down with a tamper. */
  readonly code: number | undefined
  /** Peripheral calls while it ran. */
  readonly calls: readonly CallName[]
}

/** Runs a recipe with a variation and searches the memory. */
export function attempt(recipe: Recipe, variation: Variation): Outcome {
  const { posture, start, search: base, memory } = stageOf(recipe.posture)
  const { station } = posture
  const { machine } = station
  start.putBack()
  station.machine.chips.onCall = () => false
  const search = new SecretSearch(station, base)
  const scene: Scene = {
    station,
    sessions: posture.sessions,
    handles: posture.handles,
    know: (name, bytes) => search.add(name, bytes),
  }
  recipe.first?.(scene)
  const body = recipe.body?.(scene) ?? NO_BODY
  search.learnQuickly()
  station.ped.person = variation.person ?? PERSON.right
  const place = recipe.session ?? -1
  const own = place < 0 ? 0 : (scene.sessions[place] ?? 0)
  const session = variation.before?.(scene, own) ?? own
  const calls: CallName[] = []
  station.machine.chips.onCall = (name) => {
    calls.push(name)
    return variation.onCall?.(name, calls.length - 1) ?? false
  }
  const frame = frameFor(recipe, variation, scene, session, variation.body?.(body) ?? body)
  const answers = station.send(frame)
  const tag = frame.readUInt32BE(8)
  let answer = answers.find((each) => each.readUInt32BE(8) === tag)
  if (!answer && variation.whileParked) variation.whileParked(scene, session)
  station.machine.chips.onCall = () => false
  const what = `${commandOf(recipe.command)?.name} in "${recipe.posture}", ${variation.name}`
  look(search, memory, scene, what)
  if (machine.variable('token/state/tokenState') === protocol.STATE_TAMPERED) checkRecovers(scene, what)
  if (!answer && variation.whileParked) {
    // The person comes back, too late or not.
    answer = station.wait(protocol.PED_OPERATION_TIMEOUT).find((each) => each.readUInt32BE(8) === tag)
    look(search, memory, scene, `${what}, and then its time is over`)
  }
  return { code: answer?.readUInt32BE(4), calls }
}

function frameFor(recipe: Recipe, { sealed }: Variation, { station }: Scene, session: number, body: Buffer): Buffer {
  const row = commandOf(recipe.command)
  const { channel } = station
  const tag = station.nextTag()
  const seals = sealed ?? recipe.sealed ?? row?.sealed === 'always'
  if (!seals || !channel) return frameOf(recipe.command, 0, session, tag, body)
  const text = channel.seal({ command: recipe.command, word: session }, body)
  if (sealed === 'damaged') text.writeUInt8(text.readUInt8(text.length - 1) ^ 1, text.length - 1)
  return frameOf(recipe.command, protocol.FLAG_SEALED, session, tag, text)
}

/** The search: what the command may have made known first, then everything that is where it must not be. */
function look(search: SecretSearch, memory: MemoryChecks, { station }: Scene, what: string): void {
  const { machine } = station
  const waits = machine.variable('ped/prompts/parked') !== 0
  const linked = machine.variable('ped/prompts/currentId') === protocol.PED_ID_REMOTE
  search.learnQuickly()
  const found = search.misplaced({ waits, linked }).map(({ name, place }) => `${name} in ${place}`)
  assert.equal([...new Set(found)], [], what)
  memory.check(waits)
}

/** A tamper has cut the work off like a loss of power: a restart finds a store that holds together. */
function checkRecovers({ station }: Scene, what: string): void {
  // What was injected ends with the power.
  station.machine.inject(protocol.RC_OK)
  const code = station.machine.boot()
  assert.is(hex(code), hex(protocol.RC_OK), `${what}, and then a restart`)
}

// ---- variations ---------------------------------------------------------------------------------------------------------

const logOutAll = ({ station, sessions }: Scene): undefined => {
  for (const session of sessions) quietly(station, protocol.CMD_ROLE_LOGOUT, session)
  return undefined
}

/** Another session of the same client that may only read. */
function readOnly({ station }: Scene, session: number): number | undefined {
  const partition = quietly(station, protocol.CMD_SESSION_INFO, session)?.readUInt32BE()
  if (partition === undefined) return undefined
  for (const access of [7n, 8n, 11n]) {
    const other = quietly(
      station,
      protocol.CMD_SESSION_OPEN,
      0,
      cat(u32(partition), u64(access), u8(0)),
    )?.readUInt32BE()
    const role = other && quietly(station, protocol.CMD_SESSION_INFO, other)?.readUInt8(5)
    if (role !== undefined && role !== protocol.ROLE_NONE) return other
  }
  return undefined
}

const REFUSALS: readonly Variation[] = [
  { name: 'its body cut', body: (body) => body.subarray(0, -1) },
  { name: 'its body too long', body: (body) => cat(body, Buffer.alloc(5)) },
  { name: 'in the clear', sealed: false },
  { name: 'sealed', sealed: true },
  { name: 'sealed and damaged', sealed: 'damaged' },
  { name: 'nobody logged in', before: logOutAll },
  { name: 'on a session that may only read', before: readOnly },
  { name: 'without its session', before: () => 0 },
]

const PERSONS: readonly Variation[] = [
  { name: 'another key', person: PERSON.wrong },
  { name: 'the person cancels', person: PERSON.cancels },
  { name: 'nobody comes', person: PERSON.timesOut },
  { name: 'the PED is unplugged', person: PERSON.leaves },
  { name: 'the PED refuses', person: PERSON.alerts },
]

const WAITING: readonly Variation[] = waiting([
  { name: 'waiting', whileParked: () => undefined },
  {
    name: 'waiting while its session ends',
    whileParked: ({ station }, session) => void quietly(station, protocol.CMD_SESSION_CLOSE, session),
  },
  { name: 'waiting while everybody logs out', whileParked: logOutAll },
  {
    name: 'waiting while another wants the PED',
    whileParked: ({ station }) => void quietly(station, protocol.CMD_PED_CONNECT),
  },
  {
    name: 'waiting while the HSM is reset',
    whileParked: ({ station, sessions }) => {
      for (const session of sessions) quietly(station, protocol.CMD_HSM_FACTORY_RESET, session)
    },
  },
  {
    name: 'waiting while a self-test fails',
    whileParked: ({ station }) => {
      station.machine.inject(protocol.RC_SELF_TEST_RNG)
      quietly(station, protocol.CMD_SELF_TEST)
    },
  },
  { name: 'waiting at a tamper', whileParked: ({ station }) => station.machine.tamper(protocol.TAMPER_CHASSIS) },
])

function waiting(variations: readonly Variation[]): Variation[] {
  return variations.map((variation) => ({ ...variation, person: PERSON.waits }))
}

/** Indices spread over a row of n. */
function moments(n: number): number[] {
  const step = Math.max(1, n / MOMENTS)
  return [...new Set(Array.from({ length: Math.min(n, MOMENTS) }, (_, i) => Math.floor(i * step)))]
}

function failures(calls: readonly CallName[], name: CallName): Variation[] {
  const places = calls.flatMap((each, i) => (each === name ? [i] : []))
  return moments(places.length).map((k) => ({
    name: `${name} fails at call ${k}`,
    onCall: (_: CallName, index: number) => index === places[k],
  }))
}

function tampers(recipe: Recipe, calls: readonly CallName[]): Variation[] {
  const { machine } = stageOf(recipe.posture).posture.station
  return moments(calls.length).map((k) => ({
    name: `tampered with at call ${k} (${calls[k]})`,
    onCall: (_: CallName, index: number) => {
      if (index === k) machine.tamper(protocol.TAMPER_CHASSIS)
      return false
    },
  }))
}

/** Every way out that a recipe has. */
function variationsOf(recipe: Recipe, calls: readonly CallName[]): Variation[] {
  const row = commandOf(recipe.command)
  const needsPed = row?.parks === true && stageOf(recipe.posture).posture.station.ped.box.size > 0
  return [
    ...REFUSALS,
    ...(needsPed ? [...PERSONS, ...WAITING] : []),
    ...failures(calls, 'trng'),
    ...failures(calls, 'pka'),
    ...tampers(recipe, calls),
  ]
}

/** How often each outcome of each command was reached: `ROLE_LOGIN 0xa00000`. */
export type Reached = Map<string, number>

/** Takes every recipe through every way out. @returns what was reached */
export function allWaysOut(recipes: readonly Recipe[]): Reached {
  const reached: Reached = new Map()
  const note = (recipe: Recipe, code: number | undefined) => {
    const key = `${commandOf(recipe.command)?.name} ${code === undefined ? 'without an answer' : hex(code)}`
    reached.set(key, (reached.get(key) ?? 0) + 1)
  }
  for (const recipe of recipes) {
    const { code, calls } = attempt(recipe, { name: 'as it should be' })
    const wanted = hex(recipe.code ?? protocol.RC_OK)
    assert.is(
      code === undefined ? 'none' : hex(code),
      wanted,
      `${commandOf(recipe.command)?.name} in "${recipe.posture}"`,
    )
    note(recipe, code)
    for (const variation of variationsOf(recipe, calls)) note(recipe, attempt(recipe, variation).code)
  }
  return reached
}

/** The same as a test: prints how many ways out there were. */
export function assertAllGone(name: string, recipes: readonly Recipe[]): void {
  const reached = allWaysOut(recipes)
  const ways = [...reached.values()].reduce((sum, times) => sum + times, 0)
  console.log(`${name}: ${recipes.length} requests, ${ways} ways out, ${reached.size} outcomes`)
  // The plain way out and refusals of its form at the least.
  assert.ok(ways >= 5 * recipes.length, 'ways out')
}

/** Commands of SPEC.md whose success is in none of these. */
export function neverSucceeding(recipes: readonly Recipe[]): string[] {
  const done = new Set(
    recipes.filter(({ code = protocol.RC_OK }) => code === protocol.RC_OK).map(({ command }) => command),
  )
  return COMMANDS.filter(({ id }: CommandRow) => !done.has(id)).map(({ name }) => name)
}
