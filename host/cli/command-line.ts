import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import type { ParseArgsConfig } from 'node:util'
import { ownClientFolder } from '../lab/index.js'
import { shellWord } from './shells.js'

/** The line was typed wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly code = 'USAGE'
  /** The command whose line it is, below the program's own name. */
  readonly words: string[] = []
}

/** What every command takes. */
export const COMMON_OPTIONS = {
  state: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  debug: { type: 'boolean' },
} as const satisfies ParseArgsConfig['options']

/** Runs node's `parseArgs`. @throws UsageError where the line is not as the options say */
export function readArguments<Result>(read: () => Result): Result {
  try {
    return read()
  } catch (cause) {
    if (!(cause instanceof TypeError && 'code' in cause && String(cause.code).startsWith('ERR_PARSE_ARGS'))) throw cause
    // Node's own message goes on about positional arguments.
    throw new UsageError(cause.message.replace(/\. To specify a positional.*$/s, ''), { cause })
  }
}

/** @throws UsageError */
export function refusePositionals(positionals: readonly string[]): void {
  const [first] = positionals
  if (first !== undefined) throw new UsageError(`Unexpected argument '${first}'`)
}

/** `--state DIR`, or the folder of the XDG base directory specification. */
export function stateFolder(option: string | undefined, env: NodeJS.ProcessEnv): string {
  if (option === '') throw new UsageError("Option '--state' needs a folder")
  if (option !== undefined) return resolve(option)
  const base = env.XDG_STATE_HOME
  // The specification wants relative paths ignored.
  return join(base !== undefined && isAbsolute(base) ? base : join(homedir(), '.local', 'state'), 'moonlet')
}

/** ` --state DIR` for a hint that names a command, or nothing where commands find the folder by themselves. */
export function stateOption(stateDir: string, env: NodeJS.ProcessEnv): string {
  return stateDir === stateFolder(undefined, env) ? '' : ` --state ${shellWord(stateDir)}`
}

/**
 * Folder of an NTLS client's Chrystoki.conf: `--config DIR`, $ChrystokiConfigurationPath, that of the lab's own client, or
 * the folder of the XDG base directory specification.
 */
export function clientFolder(
  option: string | undefined,
  { state, view }: { readonly state?: string | undefined; readonly view?: string | undefined },
  env: NodeJS.ProcessEnv,
): string {
  if (option === '') throw new UsageError("Option '--config' needs a folder")
  const given = option ?? env.ChrystokiConfigurationPath
  if (given !== undefined && given !== '') return resolve(given)
  const own = ownClientFolder(stateFolder(state, env), view)
  if (own !== undefined) return own
  const base = env.XDG_CONFIG_HOME
  return join(base !== undefined && isAbsolute(base) ? base : join(homedir(), '.config'), 'moonlet')
}

const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^:]+)):(\d{1,5})$/

/** `--listen HOST:PORT`; port 0 is any free one. @throws UsageError */
export function readListen(text: string, option = '--listen'): { host: string; port: number } {
  const [, six, other, digits] = ADDRESS.exec(text) ?? []
  const [host, port] = [six ?? other, Number(digits)]
  if (host === undefined || !(port <= 0xffff)) {
    throw new UsageError(`'${option}' takes HOST:PORT, such as 127.0.0.1:1792, not '${text}'`)
  }
  return { host, port }
}

/** How many letters are to be put in, left out or changed (each swap of neighbours counts twice) to make one word the other. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (const [line, letter] of [...a].entries()) {
    const next = [line + 1]
    for (const [at, other] of [...b].entries()) {
      const changed = (row[at] ?? 0) + (letter === other ? 0 : 1)
      next.push(Math.min(changed, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

/** The error for a word that is none of those that may stand there; it names the one that may be meant. */
export function noSuchWord(what: string, typed: string, known: readonly string[]): UsageError {
  const word = typed.toLowerCase()
  const near = known
    .map((name) => ({ name, far: name.toLowerCase().startsWith(word) ? 0 : distance(word, name.toLowerCase()) }))
    .filter(({ name, far }) => typed !== '' && far <= 2 && far < name.length / 2)
    .sort((a, b) => a.far - b.far)
  const guess = near[0] ? `: is '${near[0].name}' meant?` : ''
  return new UsageError(`There is no ${what} '${typed}'${guess}`)
}
