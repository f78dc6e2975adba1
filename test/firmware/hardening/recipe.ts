// What a recipe is, and the words in which recipes are written.
import type { Station } from '../../fuzz/firmware/station.js'
import { field } from '../../fuzz/firmware/station.js'
import { cat, u8, u32 } from '../../oracle/obc1/bytes.js'

/** What a recipe may look at and do before its command. */
export interface Scene {
  readonly station: Station
  /** Sessions of the posture, in its order. */
  readonly sessions: readonly number[]
  readonly handles: readonly number[]
  /** A secret that is looked for from now on. */
  readonly know: (name: string, bytes: Uint8Array) => void
}

export interface Recipe {
  readonly command: number
  readonly posture: string
  /** Place in the posture's sessions; −1 = none. */
  readonly session?: number
  readonly body?: (scene: Scene) => Buffer
  /** What comes before. */
  readonly first?: (scene: Scene) => void
  /** Otherwise sealed where SPEC.md says so. */
  readonly sealed?: boolean
  /** RC_OK unless given. */
  readonly code?: number
}

export const NOTHING = Buffer.alloc(0)
export const SOON = 'so and officer'
export const PED = 'with a PED'
export const AES = 1
export const OPEN = 2
export const HMAC = 3
export const [EC_PUBLIC, EC_PRIVATE, RSA_PUBLIC, RSA_PRIVATE] = [4, 5, 6, 7]
/** Partitions of the postures: the HSM SO's container, and the one with a Partition SO. */
export const [LEGACY, OWN] = [1, 2]

export const handle = ({ handles }: Scene, place: number): number => handles[place] ?? 0
export const role = (number: number, ...secrets: readonly string[]): Buffer => cat(u8(number), ...secrets.map(field))

/** mechanism, parameter, key, then whatever follows. */
export const operation = (
  scene: Scene,
  mechanism: number,
  parameter: Buffer,
  key: number,
  ...more: readonly Buffer[]
): Buffer => cat(u32(mechanism), field(parameter), u32(handle(scene, key)), ...more)

export const plain = (command: number, posture: string, session: number, body: Buffer = NOTHING): Recipe => ({
  ...{ command, posture, session, body: () => body },
})
