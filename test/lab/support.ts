import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import {
  DEFAULT_CHALLENGE,
  findKeyFiles,
  initLab,
  type KeyItem,
  type Lab,
  type LabPlan,
  readKeyFile,
  runDemo,
  standardPlan,
} from '../../host/lab/index.js'
import { PipeIo, Shell } from '../../host/lunacm/index.js'

/** The package's own test keys. */
export const FIXTURE_KEYS = fileURLToPath(new URL('../../../fixtures/keys', import.meta.url))
export const OPERATOR_RULES = fileURLToPath(new URL('../../../fixtures/operator', import.meta.url))
export const CHALLENGE = DEFAULT_CHALLENGE

const folders: string[] = []
process.once('exit', () => {
  for (const dir of folders) rmSync(dir, { recursive: true, force: true })
})

/** A folder that goes when the test file's process ends. */
export function temporaryFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'moonlet-test-'))
  folders.push(dir)
  return dir
}

const made = new Map<string, Promise<string>>()

/** A lab in a new folder, as `initLab` makes it from a plan: made once for a test file, then copied. */
export async function newLab(plan: LabPlan = standardPlan()): Promise<string> {
  const key = plan.hsms.map(({ name, record }) => `${name} ${record.profile}`).join()
  const original = made.get(key) ?? makeLab(plan)
  made.set(key, original)
  const copy = join(temporaryFolder(), 'state')
  cpSync(await original, copy, { recursive: true })
  return copy
}

async function makeLab(plan: LabPlan): Promise<string> {
  const stateDir = join(temporaryFolder(), 'state')
  await initLab(stateDir, plan)
  return stateDir
}

/** Collects what is written. */
export class Collector extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString('utf8')
    done()
  }
}

/** Runs a lunacm session as a script does; answers the transcript and the exit code. */
export async function lunacm(lab: Lab, commands: readonly string[]): Promise<{ transcript: string; code: number }> {
  const output = new Collector()
  const io = new PipeIo(Readable.from([`${commands.join('\n')}\n`]), output)
  const code = await new Shell({ slots: lab, persona: lab.view.persona, io }).run()
  return { transcript: output.text, code }
}

export async function fixtureItems(path = FIXTURE_KEYS): Promise<KeyItem[]> {
  const items: KeyItem[] = []
  for (const file of await findKeyFiles(path)) items.push(...(await readKeyFile(file)))
  return items
}

let demo: Promise<string> | undefined

/** What `moonlet demo` prints of its two sessions; run once for a test file. */
export function demoTranscript(): Promise<string> {
  demo ??= (async () => {
    const output = new Collector()
    await runDemo(await fixtureItems(), { transcript: output })
    return output.text
  })()
  return demo
}

/** Runs work that has to fail; answers the error. */
export async function failure(work: Promise<unknown>): Promise<Error & { readonly code?: unknown }> {
  try {
    await work
  } catch (error) {
    if (error instanceof Error) return error
    throw error
  }
  throw new Error('this should have failed')
}
