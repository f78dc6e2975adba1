import * as assert from 'uvu/assert'
import { Pka, SystemTrng } from '../../host/board/index.js'
import { u32 } from './support.js'

export const pka = new Pka(new SystemTrng())

export interface Operation {
  readonly status: number
  readonly result: Buffer
}

export function run(op: number, ...operands: readonly Uint8Array[]): Operation {
  const output = Buffer.alloc(8192)
  const status = pka.run(op, Buffer.concat(operands), output)
  return { status, result: output.subarray(0, Math.max(0, status)) }
}

export function ok(op: number, ...operands: readonly Uint8Array[]): Buffer {
  const { status, result } = run(op, ...operands)
  assert.ok(status >= 0, `status ${status}`)
  return result
}

export const hex = (text: string): Buffer => Buffer.from(text, 'hex')
export const sized = (bytes: Uint8Array): Buffer => Buffer.concat([u32(bytes.length), bytes])
