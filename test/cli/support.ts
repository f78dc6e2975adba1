import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

const PROGRAMS = {
  moonlet: fileURLToPath(new URL('../../host/cli/moonlet.js', import.meta.url)),
  lunacm: fileURLToPath(new URL('../../host/cli/lunacm.js', import.meta.url)),
  vtl: fileURLToPath(new URL('../../host/cli/vtl.js', import.meta.url)),
  pedserver: fileURLToPath(new URL('../../host/cli/pedserver.js', import.meta.url)),
  cmu: fileURLToPath(new URL('../../host/cli/cmu.js', import.meta.url)),
} as const

export type Program = keyof typeof PROGRAMS

export const FIXTURES = fileURLToPath(new URL('../../../fixtures', import.meta.url))

const folders: string[] = []
process.once('exit', () => {
  for (const dir of folders) rmSync(dir, { recursive: true, force: true })
})

/** A folder that goes when the test file's process ends. */
export function temporaryFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'moonlet-cli-'))
  folders.push(dir)
  return dir
}

export interface RunOptions {
  /** Standard input, at its end at once. */
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
}

export interface RunResult {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A program that is running. */
export class Running {
  stdout = ''
  stderr = ''
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>
  /** Never rejects. */
  readonly result: Promise<RunResult>
  #news: (() => void)[] = []

  constructor(program: Program, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.child = spawn(process.execPath, [PROGRAMS[program], ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    // A program that ends before it has read all of its input is no failure of this test.
    this.child.stdin.on('error', () => undefined)
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
      this.#tell()
    })
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
      this.#tell()
    })
    this.result = new Promise((resolve) => {
      this.child.once('close', (code, signal) => {
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr })
        this.#tell()
      })
    })
  }

  /** Resolves once the output holds the text; rejects where the program ends without it. */
  sees(text: string): Promise<void> {
    return this.until(() => this.stdout.includes(text) || this.stderr.includes(text), `"${text}"`)
  }

  /** The same for anything that the output says, looked at whenever there is more of it. @param what for the message */
  async until(holds: () => boolean, what: string): Promise<void> {
    let over = false
    this.result.then(() => {
      over = true
    })
    while (!holds()) {
      if (over) throw new Error(`${what} never came:\n${this.stdout}\n${this.stderr}`)
      await new Promise<void>((resolve) => this.#news.push(resolve))
      await Promise.resolve()
    }
  }

  #tell(): void {
    for (const resolve of this.#news.splice(0)) resolve()
  }
}

/** Runs a program to its end. */
export function run(program: Program, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const running = new Running(program, args, options.env)
  running.child.stdin.end(options.input ?? '')
  return running.result
}

export const moonlet = (args: readonly string[], options?: RunOptions) => run('moonlet', args, options)
export const lunacm = (args: readonly string[], options?: RunOptions) => run('lunacm', args, options)
export const vtl = (args: readonly string[], options?: RunOptions) => run('vtl', args, options)
export const cmu = (args: readonly string[], options?: RunOptions) => run('cmu', args, options)
export const pedserver = (args: readonly string[], options?: RunOptions) => run('pedserver', args, options)
