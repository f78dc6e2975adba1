import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, type Writable } from 'node:stream'
import { flashDigest } from '../board/index.js'
import { Chance } from './chance.js'
import { LabError } from './errors.js'
import { importItems } from './import.js'
import type { KeyItem } from './key-items.js'
import type { Lab } from './lab.js'
import { asOfficer } from './officer.js'
import { demoPlan } from './plan.js'
import { type ObjectProof, proveRestored } from './proof.js'
import type { Recorder } from './recorder.js'
import { DEFAULT_CHALLENGE, initLab } from './setup.js'
import { TranscriptDigest } from './transcript-digest.js'
import { useLab } from './use-lab.js'

export interface DemoOptions {
  /** Where the lab is made and stays; a temporary folder unless given. */
  readonly stateDir?: string | undefined
  readonly profile?: string | undefined
  /** Gets the two shells' transcripts, and nothing else. */
  readonly transcript: Writable
  /** Called with a line for each step that is not in a transcript. */
  readonly onProgress?: ((line: string) => void) | undefined
  readonly signal?: AbortSignal | undefined
  readonly recorder?: Recorder | undefined
  /** As in LabOptions: two demos with one seed do the same, byte for byte. */
  readonly seed?: string | undefined
  /** With a seed: gets the hashes of what was done, once it is done. */
  readonly onDigests?: ((digests: DemoDigests) => void) | undefined
}

/** SHA-256 in hex of what two runs can be compared by. */
export interface DemoDigests {
  /** Flash of each HSM, by name. */
  readonly images: readonly { readonly hsm: string; readonly sha256: string }[]
  readonly transcript: { readonly cables: number; readonly frames: number; readonly sha256: string }
}

const SOURCE_SLOT = 1
const TARGET_SLOT = 0
const CONTAINER = 'SAbck1'
const YES = 'proceed'

/** The seed page's commands, each followed by what is typed at its questions. */
const backupScript = (challenge: string): readonly string[] => [
  'slot set slot 1',
  'ped get',
  'ped connect ip 192.20.10.190',
  'ped get',
  'role login -name Crypto Officer',
  challenge,
  'ped disconnect',
  YES,
  'ped connect ip 192.20.10.189 -slot 2',
  'ped get -slot 2',
  `partition archive backup -slot 2 -par ${CONTAINER}`,
]

/** The page forgets to move the PED to the Backup HSM, which asks for the container's black key. */
const restoreScript = (challenge: string): readonly string[] => [
  'slot set slot 0',
  'ped connect ip 192.20.10.190',
  'ped get',
  'role login -name Crypto Officer',
  challenge,
  'ped disconnect',
  YES,
  'ped connect ip 192.20.10.190 -slot 21',
  `partition archive restore -slot 21 -partition ${CONTAINER} -replace`,
  YES,
]

/**
 * The seed page from beginning to end: a lab is made, the items go into the Network HSM's partition, one workstation
 * backs it up, another restores it to a second Network HSM, and every restored object is compared with its file.
 * @throws LabError DEMO_FAILED where a shell's command failed; whatever making and using a lab throws
 */
export async function runDemo(items: readonly KeyItem[], options: DemoOptions): Promise<ObjectProof[]> {
  const temporary = options.stateDir === undefined ? await mkdtemp(join(tmpdir(), 'moonlet-demo-')) : undefined
  const stateDir = options.stateDir ?? join(temporary ?? '', 'lab')
  try {
    const { onProgress, signal, profile, seed } = options
    const digest = new TranscriptDigest(options.recorder)
    const { recorder } = digest
    const file = await initLab(stateDir, demoPlan(profile === undefined ? {} : { profile }), {
      onProgress,
      signal,
      recorder,
      seed,
    })
    const chance = new Chance(seed, 'demo')
    const imported = await useLab(stateDir, { view: 'backup', recorder, signal, seed }, async (lab) => {
      const random = chance.source('import')
      const objects = await asOfficer(lab, SOURCE_SLOT, DEFAULT_CHALLENGE, (end) => importItems(end, items, { random }))
      onProgress?.(`imported ${objects.length} objects from ${new Set(items.map(({ source }) => source)).size} files`)
      await runShell(lab, backupScript(DEFAULT_CHALLENGE), options)
      return objects
    })
    const proofs = await useLab(stateDir, { view: 'restore', recorder, signal, seed }, async (lab) => {
      await runShell(lab, restoreScript(DEFAULT_CHALLENGE), options)
      const random = chance.source('proof')
      return asOfficer(lab, TARGET_SLOT, DEFAULT_CHALLENGE, (end) => proveRestored(end, imported, random))
    })
    const images = file.hsms.map(({ name, folder }) => ({ hsm: name, sha256: flashDigest(join(stateDir, folder)) }))
    options.onDigests?.({ images, transcript: digest.result() })
    return proofs
  } finally {
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true })
  }
}

async function runShell(lab: Lab, script: readonly string[], { transcript }: DemoOptions): Promise<void> {
  // Loaded here: the shell is more than many programs of a lab need.
  const { PipeIo, Shell } = await import('../lunacm/index.js')
  const input = Readable.from([`${script.join('\n')}\n`])
  const shell = new Shell({ slots: lab, persona: lab.view.persona, io: new PipeIo(input, transcript) })
  if ((await shell.run()) !== 0) throw new LabError('DEMO_FAILED', `a command failed in the view "${lab.view.name}"`)
}
