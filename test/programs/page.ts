// A page of documentation as what it says happens at a shell: its console blocks are commands and what they print.

/** A command and what it prints, standard error among it. */
export interface Step {
  /** Of the command in the page, counted from 1. */
  readonly line: number
  /** May have several lines: those that follow with `> `. */
  readonly command: string
  /** Lines; `[...]` alone = any lines or none, within a line = any text. */
  readonly output: readonly string[]
}

const FENCE = '```'

/** The steps of all `console` blocks of a page, in their order. @throws Error where a block does not begin with a command */
export function readPage(text: string): Step[] {
  const steps: { line: number; command: string; output: string[] }[] = []
  let open: 'no' | 'console' | 'other' = 'no'
  for (const [index, line] of text.split('\n').entries()) {
    if (line.startsWith(FENCE)) {
      open = open !== 'no' ? 'no' : line === `${FENCE}console` ? 'console' : 'other'
    } else if (open === 'console') {
      const last = steps.at(-1)
      if (line.startsWith('$ ')) steps.push({ line: index + 1, command: line.slice(2), output: [] })
      else if (!last) throw new Error(`line ${index + 1}: a block begins with a command, '$ ...'`)
      else if (/^>( |$)/.test(line) && last.output.length === 0) last.command += `\n${line.slice(2)}`
      else last.output.push(line)
    }
  }
  return steps
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')

/** Whether a command has printed what the page says. White space at the ends of lines is not seen on a page. */
export function isAsSaid(expected: readonly string[], printed: string): boolean {
  const pattern = expected.map((line) =>
    line.trim() === '[...]' ? '(?:.*\\n)*' : `${line.trimEnd().split('[...]').map(escaped).join('.*')}\\n`,
  )
  const lines = printed.split('\n').map((line) => line.trimEnd())
  while (lines.at(-1) === '') lines.pop()
  const said = lines.map((line) => `${line}\n`).join('')
  return new RegExp(`^${pattern.join('')}$`).test(said)
}
