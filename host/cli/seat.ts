import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { LabError, type LabOptions, SharedTerminal, StreamTerminal } from '../lab/index.js'
import { type Io, PipeIo, TerminalIo } from '../lunacm/index.js'
import type { CliIo } from './program.js'

/** Where the shell's lines come from, and the person at the PED if there is one. */
export interface Seat {
  readonly io: Io
  readonly person: LabOptions['person']
}

/** @throws LabError LAB_IO */
export function readCommands(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new LabError('LAB_IO', `the commands in ${path} cannot be read`, { cause })
  }
}

/** @param keep which typed lines may go into a history */
export function takeSeat(
  { stdin, stdout, stderr }: CliIo,
  commands: string | undefined,
  keep: (line: string) => boolean,
): Seat {
  if (commands !== undefined) {
    const person = stdin.isTTY && stderr.isTTY ? new StreamTerminal(stdin, stderr, true) : undefined
    return { io: new PipeIo(Readable.from([commands]), stdout), person }
  }
  if (!stdin.isTTY || !stdout.isTTY) return { io: new PipeIo(stdin, stdout), person: undefined }
  const terminal = new SharedTerminal(new TerminalIo(stdin, stdout, keep))
  return { io: terminal, person: terminal.person }
}
