import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { moonlet, temporaryFolder } from './support.js'

const test = suite('what moonlet makes, and where')

test('two labs of one seed are the same, byte for byte', async () => {
  const dir = temporaryFolder()
  const made = await Promise.all(
    ['one', 'two', 'three'].map(async (name) => {
      const seed = name === 'three' ? 'another' : 'the same'
      const { code, stderr } = await moonlet(['init', '--state', join(dir, name), '--seed', seed])
      assert.is(code, 0, stderr)
      return filesOf(join(dir, name))
    }),
  )
  assert.equal(made[1], made[0])
  assert.ok(made[0]?.some(([name]) => name === 'hsm-network/flash.img'))
  const different = made[0]?.filter(([, hash], index) => made[2]?.[index]?.[1] !== hash).map(([name]) => name)
  assert.ok(different?.includes('hsm-network/flash.img'))
  assert.ok(different?.includes('hsm-backup/flash.img'))
})

/** Every file below a folder with the hash of its content, by name. */
function filesOf(dir: string): [name: string, sha256: string][] {
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort()
  return names.flatMap((name): [string, string][] => {
    const path = join(dir, name)
    return statSync(path).isFile() ? [[name, createHash('sha256').update(readFileSync(path)).digest('hex')]] : []
  })
}

test('a folder for the proof that cannot be had is refused before a lab is made; one that can is not left empty', async () => {
  const dir = temporaryFolder()
  writeFileSync(join(dir, 'file'), '')
  const state = join(dir, 'state')
  // Below /proc node's own recursive mkdir goes round for ever.
  for (const proof of ['/proc/x', '/proc/x/y', join(dir, 'file'), join(dir, 'file', 'deep')]) {
    const { code, stdout, stderr } = await moonlet(['demo', '--proof', proof, '--state', state])
    assert.is(code, 1, proof)
    assert.is(stdout, '')
    assert.match(stderr, `moonlet: LAB_IO: ${proof} cannot be made, or written to: `)
  }
  const refused = await moonlet(['demo', '--proof', join(dir, 'a', 'b'), '--profile', '5.0.0', '--state', state])
  assert.match(refused.stderr, 'LAB_OPTION_INVALID')
  assert.equal(readdirSync(dir), ['file'])
})

test('a folder for a lab or a board that cannot be made is refused', async () => {
  const dir = temporaryFolder()
  const refused = await moonlet(['init', '--state', '/proc/moonlet/state'])
  assert.is(refused.code, 1)
  assert.match(refused.stderr, 'LAB_IO')
  const state = join(dir, 'state')
  assert.is((await moonlet(['init', '--state', state])).code, 0)
  assert.is((await moonlet(['snapshot', 'save', join(dir, 'snap'), '--hsm', 'backup', '--state', state])).code, 0)
  const restored = await moonlet(['snapshot', 'restore', join(dir, 'snap'), '--folder', '/proc/board'])
  assert.is(restored.code, 1)
  assert.match(restored.stderr, 'LAB_IO: /proc/board cannot be made, or written to: ')
})

test.run()
