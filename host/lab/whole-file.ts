import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { LabError, messageOf } from './errors.js'

/** Writes a file whole or not at all, for its owner's eyes only. @throws LabError LAB_IO */
export function writeWholeFile(path: string, content: string): void {
  try {
    writeFileSync(`${path}.new`, content, { mode: 0o600, flush: true })
    renameSync(`${path}.new`, path)
    syncFolder(dirname(path))
  } catch (cause) {
    throw new LabError('LAB_IO', `${path} cannot be written: ${messageOf(cause)}`, { cause })
  }
}

/** Makes names in a folder durable. */
export function syncFolder(dir: string): void {
  const fd = openSync(dir, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
