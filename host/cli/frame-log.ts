import { closeSync, openSync, writeSync } from 'node:fs'
import { LabError, type Recorder } from '../lab/index.js'

/** A log of every frame on every cable: one line each, `cable > hex` to the HSM and `cable < hex` from it. */
export function openLog(path: string | undefined): { readonly recorder: Recorder | undefined; close(): void } {
  if (path === undefined) return { recorder: undefined, close: () => undefined }
  let fd: number
  try {
    fd = openSync(path, 'a', 0o600)
  } catch (cause) {
    throw new LabError('LAB_IO', `the log ${path} cannot be written`, { cause })
  }
  return {
    recorder: ({ cable, direction, frame }) => {
      writeSync(fd, `${cable} ${direction === 'to HSM' ? '>' : '<'} ${Buffer.from(frame).toString('hex')}\n`)
    },
    close: () => closeSync(fd),
  }
}
