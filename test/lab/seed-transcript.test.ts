import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CORRECTIONS, type Correction, MASKS } from './seed-corrections.js'
import { demoTranscript } from './support.js'

const test = suite('transcripts and the seed page')

const seedLines = (half: Correction['half']): string[] =>
  readFileSync(fileURLToPath(new URL(`../../../fixtures/seed/${half}.txt`, import.meta.url)), 'utf8')
    .trimEnd()
    .split('\n')

/** Where `part` stands in `lines`, from every place on. */
function places(lines: readonly string[], part: readonly string[]): number[] {
  return lines.flatMap((_, at) => (part.every((line, n) => lines[at + n] === line) ? [at] : []))
}

function corrected(half: Correction['half'], corrections: readonly Correction[] = CORRECTIONS): string[] {
  const lines = seedLines(half)
  for (const { seed, ours, reason, half: own } of corrections) {
    if (own !== half) continue
    const [at, ...others] = places(lines, seed)
    assert.ok(at !== undefined && others.length === 0, `not exactly once on the page: ${reason}`)
    lines.splice(at ?? 0, seed.length, ...ours)
  }
  return lines
}

/** Masks applied; what then is the same line again and again is one line. */
function masked(lines: readonly string[]): string[] {
  const hidden = lines.map((line) => MASKS.reduce((text, { pattern, mask }) => text.replace(pattern, mask), line))
  return hidden.filter((line, at) => line === '' || line !== hidden[at - 1])
}

const halves = async () => {
  const all = (await demoTranscript()).trimEnd().split('\n')
  const start = all.findIndex((line) => line.startsWith('LunaCM v7'))
  const trimmed = (lines: readonly string[]) => lines.join('\n').trimEnd().split('\n')
  return { backup: trimmed(all.slice(0, start)), restore: trimmed(all.slice(start)) }
}

for (const half of ['backup', 'restore'] as const) {
  test(`the ${half} session is the page's, but for the listed corrections`, async () => {
    const ours = (await halves())[half]
    assert.equal(masked(ours), masked(corrected(half)))
  })
}

test('every correction is needed', async () => {
  const ours = await halves()
  for (const correction of CORRECTIONS) {
    const { half, reason } = correction
    const others = CORRECTIONS.filter((one) => one !== correction)
    assert.not.equal(masked(ours[half]), masked(corrected(half, others)), `not needed: ${reason}`)
  }
})

test('the list is short, every mask is needed, and every reason is given', () => {
  const lines = [...seedLines('backup'), ...seedLines('restore')]
  for (const { pattern, reason } of MASKS) {
    assert.ok(
      lines.some((line) => pattern.test(line)),
      reason,
    )
    assert.ok(reason.length > 20)
  }
  const touched = CORRECTIONS.reduce((sum, { seed }) => sum + seed.length, 0)
  assert.ok(touched <= 10, `${touched} lines of the page are corrected`)
})

test.run()
