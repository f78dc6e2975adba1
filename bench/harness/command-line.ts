import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { readArguments, UsageError } from '../../host/cli/command-line.js'

export const HELP = `Usage: npm run bench -- [--only ID...] [--quick] [--json FILE] [...]

Measures Moonlet against what else the machine has and prints a table of ratios.

Every round runs ours and what it is compared with in turn, so that both see the
same minute of the machine; the ratio is the median of the rounds' own ratios,
min and max are the smallest and the greatest of them. Computation is measured
in processor time, everything that waits for a disk or a thread in real time.

  --only ID...    only these rows (several may follow)
  --list          the rows, and what each compares
  --quick         fewer rounds and smaller sizes
  --json FILE     writes the rows as JSON, too
  --dir DIR       where state folders are made; they are gone when the program
                  ends (default: the system's folder for temporary files)
  --require       fail where a row cannot be measured for want of a program that
                  it is compared with
  --gate          fail where a row misses its gate, about 60 % of what is
                  wanted, three times in a row
                  (for machines that have other work, too)
  --help          this text

Exit codes: 0, 1 = failed, 2 = wrong usage.
`

export interface Options {
  readonly only: readonly string[]
  readonly list: boolean
  readonly quick: boolean
  readonly json: string | undefined
  readonly dir: string
  readonly require: boolean
  readonly gate: boolean
  readonly help: boolean
}

/** @throws UsageError, also for an id that no row has */
export function readOptions(args: readonly string[], ids: readonly string[]): Options {
  const { values, positionals } = readArguments(() =>
    parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        only: { type: 'string', multiple: true },
        list: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        json: { type: 'string' },
        dir: { type: 'string' },
        require: { type: 'boolean', default: false },
        gate: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }),
  )
  // More ids may follow the first one, with commas or without.
  const only = [...(values.only ?? []), ...positionals].flatMap((word) => word.split(',')).filter((id) => id !== '')
  if (values.only === undefined && positionals.length > 0)
    throw new UsageError(`Unexpected argument '${positionals[0]}'`)
  if (values.only !== undefined && only.length === 0) throw new UsageError("Option '--only' needs a row")
  const unknown = only.filter((id) => !ids.includes(id))
  if (unknown.length > 0)
    throw new UsageError(`There is no row ${unknown.join(', ')}. The rows are:\n  ${ids.join('\n  ')}`)
  if (values.json === '') throw new UsageError("Option '--json' needs a file")
  return {
    ...values,
    only: only.length > 0 ? only : ids,
    json: values.json,
    dir: resolve(values.dir ?? tmpdir()),
  }
}

export { UsageError }
