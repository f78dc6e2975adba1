// The command table of SPEC.md §2.2, read from the page itself: what the firmware is held against is what the page says.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as protocol from '../../../assembly/protocol.js'
import { type Layout, NotationError, parseLayout } from './layout.js'

const PAGE = fileURLToPath(new URL('../../../../SPEC.md', import.meta.url))
const TABLE = /^\| command .*\n\| *-.*\n((?:\|.*\n)+)/gm

/** One command as the page has it. */
export interface CommandRow {
  readonly name: string
  readonly id: number
  /** B: also on a backup device. */
  readonly onBackup: boolean
  /** †: waits for the PED on PED-authenticated HSMs. */
  readonly parks: boolean
  /** S: always, or for keys only. */
  readonly sealed: 'always' | 'for keys' | 'never'
  readonly session: boolean
  readonly request: Layout
  readonly answer: Layout
}

/** Every command of protocol.ts by its name there, without CMD_. */
export const COMMAND_IDS: ReadonlyMap<string, number> = new Map(
  Object.entries(protocol).flatMap(([name, value]) =>
    name.startsWith('CMD_') && typeof value === 'number' ? [[name.slice(4), value]] : [],
  ),
)

const SEALED: Readonly<Record<string, CommandRow['sealed']>> = { '': 'never', S: 'always', 'S for keys': 'for keys' }

function readRows(page: string): CommandRow[] {
  const lines = [...page.matchAll(TABLE)].flatMap(([, table = '']) => table.trim().split('\n'))
  if (lines.length === 0) throw new NotationError('SPEC.md has no table of commands')
  const rows: CommandRow[] = []
  const answers = new Map<string, Layout>()
  for (const line of lines) {
    const [commands = '', seal = '', session = '', , request = '', answer = ''] = line
      .split('|')
      .slice(1)
      .map((cell) => cell.trim())
    const marks = /^(.*?)((?: [B†])*)$/.exec(commands)
    const sealed = SEALED[seal]
    if (sealed === undefined) throw new NotationError(`${commands} is sealed how? "${seal}"`)
    const same = /^as (\w+)$/.exec(answer)?.[1]
    const answerLayout = same === undefined ? parseLayout(answer, answers) : answers.get(`${same} answer`)
    if (!answerLayout) throw new NotationError(`${commands} answers ${answer}, which stands further down`)
    for (const name of (marks?.[1] ?? '').split(', ')) {
      const id = COMMAND_IDS.get(name)
      if (id === undefined) throw new NotationError(`protocol.ts has no CMD_${name}`)
      answers.set(`${name} answer`, answerLayout)
      rows.push({
        ...{ name, id, sealed, answer: answerLayout, session: session !== 'no' },
        ...{ onBackup: commands.includes(' B'), parks: commands.includes('†'), request: parseLayout(request) },
      })
    }
  }
  return rows
}

/** The rows that define others first: PARTITION_LIST names the answer of PARTITION_INFO, which stands behind it. */
function withForwardRows(page: string): string {
  const info = /^\| PARTITION_INFO .*\n/m.exec(page)?.[0]
  return info ? page.replace(info, '').replace(/^\| PARTITION_LIST/m, () => `${info}| PARTITION_LIST`) : page
}

/** The table of SPEC.md. @throws NotationError where a row cannot be read */
export const COMMANDS: readonly CommandRow[] = readRows(withForwardRows(readFileSync(PAGE, 'utf8')))

const BY_ID = new Map(COMMANDS.map((row) => [row.id, row]))

export const commandOf = (id: number): CommandRow | undefined => BY_ID.get(id)
