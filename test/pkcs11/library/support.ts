// The parts of main.ts: what each needs, and how it says what was seen.
import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { moonlet, Running, temporaryFolder } from '../../cli/support.js'

const run = promisify(execFile)

export const ROOT = resolve(fileURLToPath(new URL('../../../..', import.meta.url)))
export const CHALLENGE = 'Crypto0fficer'
/** A slow computer under valgrind. */
const PATIENCE = 600_000

export interface Said {
  readonly good: boolean
  readonly code: number | string | null
  readonly text: string
}

export interface SaidOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** It is to work for so long. */
  readonly seconds?: number
}

/** What a program said, and whether it ended well; `code` is ENOENT where there is no such program. */
export async function said(
  program: string,
  args: readonly string[],
  { env, cwd, seconds = 0 }: SaidOptions = {},
): Promise<Said> {
  try {
    const { stdout, stderr } = await run(program, [...args], {
      env: { ...process.env, ...env },
      cwd,
      timeout: PATIENCE + 1000 * seconds,
      maxBuffer: 64 * 1024 * 1024,
    })
    return { good: true, code: 0, text: stdout + stderr }
  } catch (error) {
    if (!(error instanceof Error && 'stdout' in error && 'stderr' in error && 'code' in error)) throw error
    const code = typeof error.code === 'number' || typeof error.code === 'string' ? error.code : null
    return { good: false, code, text: `${error.stdout}${error.stderr}` }
  }
}

export async function isThere(program: string): Promise<boolean> {
  return (await said(program, ['--version'])).code !== 'ENOENT'
}

export function check(holds: boolean, what: string, text = ''): void {
  process.stdout.write(`${holds ? 'ok    ' : 'FAILED'} ${what}\n`)
  if (holds) return
  if (text) process.stdout.write(`${text.trimEnd()}\n`)
  process.exitCode = 1
}

export function leftOut(what: string): void {
  process.stdout.write(`left out: ${what}\n`)
}

/** Builds the library and test programs of it. Answers the folder in which they are. */
export async function built(sanitize: string, programs: readonly string[], compiler?: string): Promise<string> {
  const flags = programs.flatMap((name) => ['--program', name])
  const script = join(ROOT, 'scripts/build-pkcs11.mjs')
  const args = [script, ...flags, ...(sanitize ? ['--sanitize', sanitize] : [])]
  const { good, text } = await said(process.execPath, args, compiler ? { env: { CC: compiler } } : {})
  if (!good) throw new Error(`the library was not built:\n${text}`)
  return join(ROOT, 'dist/pkcs11', sanitize.replaceAll(',', '-'))
}

/** A lab with two partitions, in slots 1 and 2, and its PKCS#11 door. */
export class Door {
  readonly folder = temporaryFolder()
  readonly state = join(this.folder, 'state')
  readonly library = join(ROOT, 'dist/pkcs11/libCryptoki2_64.so')
  #server: Running | undefined

  static async make(): Promise<Door> {
    const door = new Door()
    await moonlet(['init', '--pcie', '--state', door.state])
    const conf = `Chrystoki2 = {\n   LibUNIX64 = ${door.library};\n}\n\nMoonlet = {\n   Socket = ${door.socket};\n}\n`
    mkdirSync(door.conf)
    writeFileSync(join(door.conf, 'Chrystoki.conf'), conf)
    await door.open()
    return door
  }

  get socket(): string {
    return join(this.state, 'pkcs11', 'socket')
  }

  /** Folder of a Chrystoki.conf that names library and socket. */
  get conf(): string {
    return join(this.folder, 'conf')
  }

  /** For programs that load the library. */
  get env(): Readonly<Record<string, string>> {
    return { ChrystokiConfigurationPath: this.conf }
  }

  get process(): number {
    return this.#server?.child.pid ?? 0
  }

  /** Resolves when the process has ended. */
  get ended(): Promise<unknown> {
    return this.#server?.result ?? Promise.resolve()
  }

  async open(): Promise<void> {
    this.#server = new Running('moonlet', ['pkcs11', '--state', this.state])
    await this.#server.sees('"listening"')
  }

  /** Ends the door. Answers whether it ended as it should; one that was killed did. */
  async close(): Promise<boolean> {
    this.#server?.child.kill('SIGTERM')
    const { code, signal } = (await this.#server?.result) ?? { code: 0, signal: null }
    return code === 0 || signal === 'SIGKILL'
  }
}
