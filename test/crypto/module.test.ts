import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Core, coreBytes } from './core.js'

const test = suite('the crypto core as a module')

const source = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url))

/** The kinds of section of a wasm module, with the number of entries of each. */
function sections(wasm: Uint8Array): Map<number, number> {
  const found = new Map<number, number>()
  let at = 8
  const number = () => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = wasm[at++] ?? 0
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  while (at < wasm.length) {
    const kind = wasm[at++] ?? 0
    const end = number() + at
    found.set(kind, number())
    at = end
  }
  return found
}

test('imports nothing: no allocator, nothing that could abort', () => {
  assert.is(sections(coreBytes()).get(2) ?? 0, 0)
})

test('the generated kernels are what their generators write', () => {
  const generated = [
    ['aes-kernel', 'crypto'],
    ['aes-single-tables', 'crypto'],
    ['sha2-kernel', 'crypto'],
    ['p384-field', 'accelerator'],
  ]
  for (const [name, room] of generated) {
    const written = execFileSync(process.execPath, [source(`scripts/gen/${name}.mjs`), '--print'], {
      encoding: 'utf8',
      maxBuffer: 1 << 24,
    })
    assert.ok(
      written === readFileSync(source(`assembly/${room}/${name}.ts`), 'utf8'),
      `assembly/${room}/${name}.ts is not what scripts/gen/${name}.mjs writes`,
    )
  }
})

test('ctEqual looks at every byte', () => {
  const core = new Core()
  const bytes = Buffer.from(Array.from({ length: 33 }, (_, i) => i))
  const a = core.put(bytes)
  const b = core.put(bytes)
  assert.is(core.call.ctEqual(a, b, 33), 1)
  assert.is(core.call.ctEqual(a, b, 0), 1)
  for (let i = 0; i < 33; i++) {
    for (let bit = 0; bit < 8; bit++) {
      core.memory[b + i] = (bytes[i] ?? 0) ^ (1 << bit)
      assert.is(core.call.ctEqual(a, b, 33), 0)
    }
    core.memory[b + i] = bytes[i] ?? 0
  }
  core.call.wipe(a, 33)
  core.assertZero(a, 33, 'a wiped buffer')
  core.reset()
})

test.run()
