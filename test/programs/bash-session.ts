import { type ChildProcess, spawn } from 'node:child_process'
import { Readable, Writable } from 'node:stream'

/** What a command has printed, and its exit code. */
export interface Ran {
  readonly printed: string
  readonly code: number
}

/** Between what a command prints and the next one's. */
const MARK = '\u0001'

/** One shell for a whole page: its variables, functions and jobs stay from command to command. Commands come by a pipe of their own. */
export class BashSession {
  readonly #child: ChildProcess
  readonly #commands: Writable
  #printed = ''
  #over = false
  #news: () => void = () => undefined

  constructor(env: NodeJS.ProcessEnv, cwd: string) {
    const loop = `while IFS= read -r -d '' command <&3; do eval "$command" </dev/null 3<&-; printf '${MARK}%s${MARK}' $?; done`
    // A group of its own, so that what a page leaves running can be ended with it.
    this.#child = spawn('bash', ['--norc', '-c', `exec 2>&1; ${loop}`], {
      cwd,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    })
    const [, output, , commands] = this.#child.stdio
    if (!(output instanceof Readable && commands instanceof Writable)) throw new Error('bash has no pipes')
    this.#commands = commands
    this.#commands.on('error', () => undefined)
    output.setEncoding('utf8').on('data', (text: string) => {
      this.#printed += text
      this.#news()
    })
    this.#child.once('exit', () => {
      this.#over = true
      this.#news()
    })
  }

  /** @throws Error where the shell ends, or the command does not within `limit` milliseconds */
  async run(command: string, limit: number): Promise<Ran> {
    const until = Date.now() + limit
    this.#commands.write(`${command}\0`)
    for (;;) {
      const match = new RegExp(`^([^${MARK}]*)${MARK}(\\d+)${MARK}`).exec(this.#printed)
      if (match) {
        this.#printed = this.#printed.slice(match[0].length)
        return { printed: match[1] ?? '', code: Number(match[2]) }
      }
      const rest = until - Date.now()
      if (this.#over || rest <= 0)
        throw new Error(`${this.#over ? 'the shell ended' : 'it takes too long'}:\n${this.#printed}`)
      await this.#something(rest)
    }
  }

  /** Ends the shell and what its commands have left running in its group. */
  async close(): Promise<void> {
    const { pid } = this.#child
    this.#commands.end()
    try {
      if (pid !== undefined) process.kill(-pid, 'SIGTERM')
    } catch {
      // Nothing of it is left.
    }
    while (!this.#over) await this.#something(60_000)
  }

  #something(limit: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limit)
      this.#news = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
