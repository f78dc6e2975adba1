import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { vectorsCommand } from './command.js'

export const FIXTURES = fileURLToPath(new URL('../../../fixtures/vectors/', import.meta.url))

/** The files of fixtures/vectors that are in a published layout, from there. */
export const fixtureFiles: readonly string[] = ['nist', 'made'].flatMap((folder) =>
  readdirSync(join(FIXTURES, folder))
    .filter((name) => !name.endsWith('.mjs'))
    .map((name) => `${folder}/${name}`),
)

export const fixture = (name: string): string => readFileSync(join(FIXTURES, name), 'utf8')

const folder = mkdtempSync(join(tmpdir(), 'moonlet-vectors-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))

/** A file with this content; its path ends in the given name, which some files are told by. */
export function temporaryFile(name: string, content: string | Uint8Array): string {
  const path = join(folder, name.replaceAll('/', '-').replace(/^(nist|made)-/, ''))
  writeFileSync(path, content)
  return path
}

export interface Printed {
  readonly code: number
  readonly out: readonly string[]
  readonly err: readonly string[]
}

/** The command as a user gives it. */
export function vectors(...args: readonly string[]): Printed {
  return vectorsIn(FIXTURES, ...args)
}

export function vectorsIn(folder: string, ...args: readonly string[]): Printed {
  const [out, err]: [string[], string[]] = [[], []]
  const code = vectorsCommand(args, {
    folder,
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    progress: undefined,
  })
  return { code, out, err }
}
