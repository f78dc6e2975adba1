import {
  PED_HINT_LIMITED,
  PED_KIND_AUDIT,
  PED_KIND_DOMAIN,
  PED_KIND_MTK,
  PED_KIND_REMOTE,
  PED_KIND_SO,
  PED_KIND_USER,
} from '../../assembly/protocol.js'

/** Stickers that a key can wear. They say nothing about what is on it: black and gray keys both hold a user secret. */
export const PED_COLOURS = ['blue', 'black', 'gray', 'red', 'orange', 'purple', 'white', 'none'] as const
export type PedColour = (typeof PED_COLOURS)[number]

/** What a key can hold, and the words for it. */
export interface PedKind {
  /** PED_KIND_… */
  readonly kind: number
  /** In key files and events. */
  readonly name: string
  /** On the screen, at most 23 characters. */
  readonly title: string
  readonly colour: PedColour
  /** Screen headings while the secret is read, and while one is made. */
  readonly reading: string
  readonly making: string
}

const KINDS: readonly PedKind[] = [
  {
    kind: PED_KIND_SO,
    name: 'so',
    title: 'SO / HSM Admin',
    colour: 'blue',
    reading: 'LOGIN SO...',
    making: 'SETTING SO PIN...',
  },
  {
    kind: PED_KIND_USER,
    name: 'user',
    title: 'User / Partition Owner',
    colour: 'black',
    reading: 'LOGIN USER...',
    making: 'SETTING USER PIN...',
  },
  {
    kind: PED_KIND_DOMAIN,
    name: 'domain',
    title: 'Domain',
    colour: 'red',
    reading: 'READING DOMAIN...',
    making: 'SETTING DOMAIN...',
  },
  {
    kind: PED_KIND_REMOTE,
    name: 'remote',
    title: 'Remote PED',
    colour: 'orange',
    reading: 'READING RPV...',
    making: 'SETTING RPV...',
  },
  {
    kind: PED_KIND_MTK,
    name: 'mtk',
    title: 'Secure Recovery',
    colour: 'purple',
    reading: 'READING SRV...',
    making: 'SETTING SRV...',
  },
  {
    kind: PED_KIND_AUDIT,
    name: 'audit',
    title: 'Auditor',
    colour: 'white',
    reading: 'LOGIN AUDITOR...',
    making: 'SETTING AUDITOR PIN...',
  },
]

/** The same secret as on a black key, but the person is meant to take the gray one. */
const LIMITED: PedKind = {
  kind: PED_KIND_USER,
  name: 'user',
  title: 'Limited User',
  colour: 'gray',
  reading: 'LOGIN LIMITED USER...',
  making: 'SETTING LIMITED PIN...',
}

/** The words for a kind of key, as the HSM asks for it: `hint` is a set of PED_HINT_…. */
export function pedKind(kind: number, hint = 0): PedKind | undefined {
  if (kind === PED_KIND_USER && (hint & PED_HINT_LIMITED) !== 0) return LIMITED
  return KINDS.find((row) => row.kind === kind)
}
export const pedKindNamed = (name: string): PedKind | undefined => KINDS.find((row) => row.name === name)
