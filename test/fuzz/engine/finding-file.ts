// Findings on disk: everything that is needed to see one again.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Input, readInput, writeInput } from './input.js'

const FORMAT = 1

export interface FindingRecord {
  readonly target: string
  readonly oracle: string
  readonly where: string
  readonly message: string
  /** Of the campaign, and the number of the run in it. */
  readonly seed: number
  readonly run: number
  /** Digest of the firmware's sources, where the target has firmware. */
  readonly firmware: string
  /** The check that was taken out of the firmware. */
  readonly fault?: string | undefined
  readonly steps: Input
}

/** Writes the finding into a folder; the path of the file. */
export function writeFinding(folder: string, finding: FindingRecord): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${finding.target}-${finding.seed}-${finding.run}.json`)
  const written = { format: FORMAT, ...finding, steps: writeInput(finding.steps) }
  writeFileSync(path, `${JSON.stringify(written, null, 1)}\n`)
  return path
}

/** @throws SyntaxError where the file is none of a finding */
export function readFinding(path: string): {
  readonly target: string
  readonly fault: string | undefined
  readonly steps: Input
} {
  const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
  if (typeof value !== 'object' || value === null || !('format' in value) || value.format !== FORMAT) {
    throw new SyntaxError(`${path} is no finding of this version`)
  }
  const target = 'target' in value ? value.target : undefined
  const fault = 'fault' in value ? value.fault : undefined
  if (typeof target !== 'string' || (fault !== undefined && typeof fault !== 'string')) {
    throw new SyntaxError(`${path} names no target`)
  }
  return { target, fault, steps: readInput('steps' in value ? value.steps : undefined) }
}
