import { cpus } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { instantiateSync } from '@assemblyscript/loader'

// V8's baseline compiler (Liftoff) of WebAssembly, on x64 processors without AVX: i8x16.swizzle with a constant mask also changes the
// local variable that it reads (seen in Node 20.20.2). The firmware's AES is made of such swizzles: its self-test would fail, and the
// HSM be dead.
//
// And on processors that QEMU emulates side by side (7.2), one board in eight to one in three ended, with an illegal instruction or an
// access that no code of ours makes; none did without the baseline compiler, and none on one processor. It looks as if one thread saw
// half of the change by which another puts better code in the place of that compiler's; without it there is nothing to replace.

const MASK = Array.from({ length: 16 }, (_, i) => (i + 1) & 15)
const SOURCE = Array.from({ length: 16 }, (_, i) => i)
const SUM = SOURCE.map((value, i) => value + (MASK[i] ?? 0))

const v128 = (bytes: readonly number[]): readonly number[] => [0xfd, 0x0c, ...bytes]

/** Locals: one v128. v = SOURCE; all_true(swizzle(v, MASK) + v == SUM). */
const BODY = [
  ...[1, 1, 0x7b],
  ...[...v128(SOURCE), 0x21, 0],
  ...[0x20, 0, ...v128(MASK), 0xfd, 0x0e],
  ...[0x20, 0, 0xfd, 0x6e],
  ...[...v128(SUM), 0xfd, 0x23, 0xfd, 0x63, 0x0b],
]
/** A module with one function, `f: () -> i32`. */
const PROBE = Uint8Array.of(
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 5, 1, 0x60, 0, 1, 0x7f],
  ...[3, 2, 1, 0],
  ...[7, 5, 1, 1, 0x66, 0, 0],
  ...[10, BODY.length + 2, 1, BODY.length, ...BODY],
)

function isSound(): boolean {
  return instantiateSync<{ f(): number }>(new WebAssembly.Module(PROBE)).exports.f() === 1
}

/** Whether a processor's model is one that QEMU emulates; a guest that is given another's name cannot tell. */
export const isEmulated = (model: string): boolean => /^QEMU /.test(model)

let checked = false

/**
 * Sees to it that WebAssembly compiled from now on does what it says: where the baseline compiler is at fault, this process does
 * without. Code that a better one has replaced stays: where V8 collects it, Node 20.20.2 can end with "Check failed:
 * maybe_code.has_value()" in the middle of a command (seen again and again on QEMU's emulated processor), and what a board
 * replaces, it replaces once.
 */
function soundEngine(): void {
  if (checked) return
  checked = true
  setFlagsFromString('--no-wasm-code-gc')
  if (cpus().some(({ model }) => isEmulated(model)) || !isSound()) setFlagsFromString('--no-liftoff')
}

/** A module that does what its bytes say. Throws a WebAssembly.CompileError where they are none. */
export function soundModule(bytes: BufferSource): WebAssembly.Module {
  soundEngine()
  return new WebAssembly.Module(bytes)
}
