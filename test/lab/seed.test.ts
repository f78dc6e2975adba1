import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type BoardSettings, initLab, standardPlan, useLab } from '../../host/lab/index.js'
import { temporaryFolder } from './support.js'

const test = suite('lab: seeds')

interface Made {
  readonly stateDir: string
  /** Hash of every file, by path. */
  readonly files: Readonly<Record<string, string>>
}

async function make(options: { readonly seed?: string; readonly boards?: BoardSettings }): Promise<Made> {
  const stateDir = join(temporaryFolder(), 'state')
  await initLab(stateDir, standardPlan(), options)
  const names = readdirSync(stateDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = names.map((entry) => join(entry.parentPath, entry.name)).sort()
  const files = paths.map((path) => [
    path.slice(stateDir.length),
    createHash('sha256').update(readFileSync(path)).digest('hex'),
  ])
  return { stateDir, files: Object.fromEntries(files) }
}

test('one seed makes one lab: images, keys at the PED and all; another seed another', async () => {
  const [first, second] = [await make({ seed: 'a lab' }), await make({ seed: 'a lab' })]
  assert.equal(second.files, first.files)
  const other = await make({ seed: 'another lab' })
  for (const name of ['/hsm-network/flash.img', '/hsm-backup/battery.bin', '/ped-keys/red-domain.json']) {
    assert.ok(first.files[name] !== undefined, name)
    assert.is.not(other.files[name], first.files[name], name)
  }
  const views = [first, second].map(({ stateDir }) =>
    useLab(stateDir, { seed: 'a lab', all: true }, async (lab) => {
      const bytes = await Promise.all(['network', 'backup'].map((name) => lab.hsm(name).console.random(32)))
      return bytes.map((one) => Buffer.from(one).toString('hex'))
    }),
  )
  const [one, two] = await Promise.all(views)
  assert.equal(one, two)
  assert.is.not(one?.[0], one?.[1], 'each HSM has a stream of its own')
})

test('boards with one seed in their settings have streams of their own as well', async () => {
  const boards = { trng: { seed: 'boards' } }
  const { stateDir } = await make({ boards })
  const [splits] = [['network', 'backup'].map((name) => readFileSync(join(stateDir, `hsm-${name}`, 'split.bin')))]
  assert.not(splits[0]?.equals(splits[1] ?? Buffer.alloc(0)))
})

test.run()
