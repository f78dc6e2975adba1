// What a process says of itself in its folder below the state folder, for as long as it has the folder's lock.

import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { FolderLock } from '../board/index.js'
import { codeOf, LabError, messageOf } from './errors.js'
import type { Check } from './json-check.js'
import { writeWholeFile } from './whole-file.js'

const FILE = 'running.json'

/** @throws LabError LAB_IO */
export function writeRunFile(folder: string, value: object): void {
  writeWholeFile(join(folder, FILE), `${JSON.stringify(value, null, 2)}\n`)
}

export function removeRunFile(folder: string): void {
  rmSync(join(folder, FILE), { force: true })
}

/** What was said last, maybe by a process that was killed; undefined = nothing. @throws LabError LAB_FILE_INVALID */
export function readRunFile<Value>(folder: string, check: Check<Value>): Value | undefined {
  const path = join(folder, FILE)
  try {
    return check(JSON.parse(readFileSync(path, 'utf8')), '')
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw new LabError('LAB_FILE_INVALID', `${path}: ${messageOf(error)}`, { cause: error })
  }
}

/** What the process says that has the folder now; undefined = none has. @throws LabError LAB_FILE_INVALID */
export async function runningIn<Value>(folder: string, check: Check<Value>): Promise<Value | undefined> {
  const said = readRunFile(folder, check)
  return said !== undefined && (await FolderLock.isHeld(folder)) ? said : undefined
}
