import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { messageOf, NtlsError } from './errors.js'

/** Makes a file's folder where it is missing, and the file whole or not at all. @throws NtlsError FILE_IO */
export function writeWhole(path: string, content: string | Uint8Array, mode: number): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    writeFileSync(`${path}.new`, content, { mode, flush: true })
    renameSync(`${path}.new`, path)
    const fd = openSync(dirname(path), 'r')
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  } catch (cause) {
    throw new NtlsError('FILE_IO', `${path} cannot be written: ${messageOf(cause)}`, { cause })
  }
}
