// What must hold for everything that comes out of the firmware.
import * as protocol from '../../../assembly/protocol.js'
import { takeApart } from '../engine/layout.js'
import { commandOf } from '../engine/spec.js'
import { Finding } from '../engine/target.js'
import { POISON } from '../firmware/machine.js'
import type { Secret } from '../firmware/postures.js'

/** An answer taken apart; its body is still sealed where the flag says so. */
export interface Answer {
  readonly command: number
  readonly sealed: boolean
  readonly code: number
  readonly tag: number
  readonly body: Buffer
}

const hex = (value: number) => `0x${value.toString(16)}`

/** @throws Finding where the frame is no answer as SPEC.md §2 has it */
export function readAnswer(frame: Buffer): Answer {
  const fault = (what: string): never => {
    throw new Finding('answer', what, `${what}: ${frame.toString('hex', 0, 32)}`)
  }
  if (frame.length < protocol.FRAME_HEADER || frame.length > protocol.MAX_FRAME) fault('length of an answer')
  const [command, flags, code] = [frame.readUInt16BE(0), frame.readUInt16BE(2), frame.readUInt32BE(4)]
  const body = frame.subarray(protocol.FRAME_HEADER)
  if ((command & protocol.ANSWER) === 0) fault('an answer without its mark')
  if (flags > protocol.FLAG_SEALED) fault('flags of an answer')
  if (frame.readUInt32BE(12) !== body.length) fault('body length of an answer')
  if (code !== protocol.RC_OK && (body.length > 0 || flags !== 0)) fault('a refusal with a body')
  if (code === protocol.RC_PARKED) fault('a code that is internal')
  return { command: command & ~protocol.ANSWER, sealed: flags !== 0, code, tag: frame.readUInt32BE(8), body }
}

/** The body of an answer with RC_OK, opened, is what SPEC.md says. @throws Finding */
export function checkAnswerBody(command: number, body: Buffer): void {
  const row = commandOf(command)
  if (!row) throw new Finding('answer', hex(command), `a command that SPEC.md does not know is answered with RC_OK`)
  const spans = takeApart(row.answer, body)
  if (!spans) {
    throw new Finding(
      'answer layout',
      row.name,
      `the answer of ${row.name} is not as SPEC.md has it: ${body.toString('hex', 0, 64)}`,
    )
  }
  // A label has a place of 32 bytes wherever it is kept.
  const long = spans.find(({ field, length }) => field.name === 'label' && length > 4 + protocol.LABEL_MAX)
  if (long) throw new Finding('label', row.name, `${row.name} answers a label of ${long.length - 4} bytes`)
  if (body.includes(POISON))
    throw new Finding('read past the end', row.name, `the answer of ${row.name} holds what nobody sent`)
}

/** No secret stands in a frame as it is. @throws Finding */
export function checkSecrets(frame: Buffer, secrets: readonly Secret[], what: string): void {
  if (frame.length < 24) return
  for (const { name, bytes } of secrets) {
    if (frame.includes(bytes))
      throw new Finding('secret in the clear', `${name} in ${what}`, `${name} stands in ${what}`)
  }
}
