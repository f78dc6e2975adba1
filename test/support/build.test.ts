// What the build leaves in dist/ fits together.
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const ROOT = new URL('../../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, ROOT))

interface Manifest {
  version: string
  sha384: string
  exportsGlobals: string[]
}
const manifest: Manifest = JSON.parse(read('dist/firmware.json').toString('utf8'))
const packageJson: { version: string; bin: Record<string, string> } = JSON.parse(read('package.json').toString('utf8'))

/** Indices of the mutable globals that a module defines, from its global section (id 6), and its exported globals (id 7). */
function globalsOf(wasm: Buffer): { mutable: number[]; exported: Map<string, number> } {
  let at = 8
  const leb = () => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = wasm.readUInt8(at++)
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  const mutable: number[] = []
  const exported = new Map<string, number>()
  while (at < wasm.length) {
    const [section, size] = [wasm.readUInt8(at++), leb()]
    const end = at + size
    const count = section === 6 || section === 7 ? leb() : 0
    for (let i = 0; i < count; i++) {
      if (section === 6) {
        at++
        if (wasm.readUInt8(at++) === 1) mutable.push(i)
        // The initial value: one constant, then the end mark. A float or a vector has a fixed size, an integer is LEB128.
        const opcode = wasm.readUInt8(at++)
        if (opcode === 0x43) at += 4
        else if (opcode === 0x44) at += 8
        else if (opcode === 0xfd) at += 17
        else while (wasm.readUInt8(at++) >= 0x80);
        assert.is(wasm.readUInt8(at++), 0x0b, 'an initial value that is one constant')
      } else {
        const length = leb()
        const name = wasm.toString('utf8', at, at + length)
        at += length
        const kind = wasm.readUInt8(at++)
        const index = leb()
        if (kind === 3) exported.set(name, index)
      }
    }
    at = end
  }
  return { mutable, exported }
}

const test = suite('build')

test('the manifest belongs to the firmware and to the package', () => {
  assert.is(manifest.sha384, createHash('sha384').update(read('dist/firmware.wasm')).digest('hex'))
  assert.is(manifest.version, packageJson.version)
})

test('every mutable global of the firmware is exported for snapshots, under its reserved name', () => {
  const { mutable, exported } = globalsOf(read('dist/firmware.wasm'))
  const wanted = mutable.map((index) => `__global_${index}`)
  assert.equal(manifest.exportsGlobals, wanted)
  for (const [i, name] of wanted.entries()) assert.is(exported.get(name), mutable[i])
})

test('the crypto core stands alone', () => {
  const imports = 2
  const wasm = read('dist/crypto.wasm')
  for (let at = 8; at < wasm.length; ) {
    const section = wasm.readUInt8(at++)
    assert.is.not(section, imports)
    let size = 0
    for (let shift = 0; ; shift += 7) {
      const byte = wasm.readUInt8(at++)
      size |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    at += size
  }
})

test('programs start with a shebang and may be run', () => {
  for (const path of Object.values(packageJson.bin)) {
    assert.ok(read(path).toString('utf8').startsWith('#!/usr/bin/env node\n'), path)
    assert.is(statSync(new URL(path, ROOT)).mode & 0o111, 0o111, path)
  }
})

test.run()
