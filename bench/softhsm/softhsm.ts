// SoftHSM2 through PKCS#11, in a small C program of its own (migrate.c) that the C compiler of this machine builds.
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { BenchError, type Context, Unavailable } from '../harness/bench.js'

const SOURCE = fileURLToPath(new URL('../../../bench/softhsm/migrate.c', import.meta.url))

/** Where distributions put the module; SOFTHSM2_MODULE names another. */
const MODULES = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/usr/lib64/softhsm/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
]

/** @throws Unavailable */
export function findModule(): string {
  const named = process.env.SOFTHSM2_MODULE
  const found = (named ? [named] : MODULES).find((path) => existsSync(path))
  if (found === undefined) throw new Unavailable('SoftHSM2 is not installed (package softhsm2)')
  return found
}

/** Builds a C program of the bench. @throws Unavailable: there is no compiler */
export function compile(folder: string, source: string): string {
  const program = join(folder, 'program')
  try {
    const flags = ['-std=c11', '-D_POSIX_C_SOURCE=200809L', '-O2', '-pthread', '-o', program, source, '-ldl']
    execFileSync(process.env.CC ?? 'cc', flags, { stdio: ['ignore', 'ignore', 'pipe'] })
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')
      throw new Unavailable('there is no C compiler (cc)')
    throw new BenchError(`${source} does not compile`, { cause })
  }
  return program
}

/** Nanoseconds per key. */
export interface MigrationCost {
  /** As SoftHSM2 does it: its file store writes, and leaves it to the system when the disk gets it. */
  readonly written: number
  /** With every file of the tokens synced at the end. */
  readonly durable: number
}

/** Two SoftHSM2 tokens, the first full of keys. */
export class SoftHsmMigration {
  readonly #lines: AsyncIterator<string>
  #complaints = ''

  private constructor(
    private readonly child: ChildProcessByStdio<Writable, Readable, Readable>,
    readonly keys: number,
  ) {
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints += text
    })
    // A program that has ended is noticed by its missing answer.
    child.stdin.on('error', () => undefined)
  }

  /** Makes the tokens and their keys. @throws Unavailable without SoftHSM2 or a C compiler */
  static async start(keys: number, context: Context): Promise<SoftHsmMigration> {
    const module = findModule()
    const folder = context.folder('softhsm')
    const program = compile(folder, SOURCE)
    const tokens = join(folder, 'tokens')
    mkdirSync(tokens)
    const configuration = join(folder, 'softhsm2.conf')
    const lines = [`directories.tokendir = ${tokens}`, 'objectstore.backend = file', 'log.level = ERROR', '']
    writeFileSync(configuration, lines.join('\n'))
    const child = spawn(program, [module, String(keys), tokens], {
      env: { ...process.env, SOFTHSM2_CONF: configuration },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    context.adopt(child)
    const migration = new SoftHsmMigration(child, keys)
    if ((await migration.#answer()) !== 'ready') throw migration.#failure()
    return migration
  }

  /** Moves all keys once. */
  async run(): Promise<MigrationCost> {
    this.child.stdin.write('go\n')
    const [written = 0, durable = 0] = (await this.#answer())?.split(' ').map(Number) ?? []
    if (!(written > 0 && durable > 0)) throw this.#failure()
    return { written: written / this.keys, durable: durable / this.keys }
  }

  end(): void {
    this.child.stdin.end()
  }

  async #answer(): Promise<string | undefined> {
    const { value, done } = await this.#lines.next()
    return done ? undefined : value
  }

  #failure(): BenchError {
    return new BenchError(
      `the migration between SoftHSM2 tokens failed: ${this.#complaints.trim() || 'no reason given'}`,
    )
  }
}
