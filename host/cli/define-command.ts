import { type ParseArgsConfig, parseArgs } from 'node:util'
import { COMMON_OPTIONS, readArguments, UsageError } from './command-line.js'
import type { CliCommand, CliIo } from './program.js'

type Options = NonNullable<ParseArgsConfig['options']>

/** A command line as node's `parseArgs` reads it: the command's own options, and those that every command takes. */
interface LineRules<Own extends Options> {
  readonly args: string[]
  readonly options: Own & typeof COMMON_OPTIONS
  readonly allowPositionals: true
}

/** A line as it was read. */
export type Line<Own extends Options> = ReturnType<typeof parseArgs<LineRules<Own>>>

interface Definition<Own extends Options> extends Pick<CliCommand, 'name' | 'summary' | 'help'> {
  /** Beside those that every command takes. */
  readonly options: Own
  /** Answers the exit code. */
  run(line: Line<Own>, io: CliIo): Promise<number>
}

/** A command whose line is read by its table of options, and that prints its help where it is asked for it. */
export function defineCommand<const Own extends Options>(definition: Definition<Own>): CliCommand {
  const { name, summary, help } = definition
  const options = { ...definition.options, ...COMMON_OPTIONS }
  return {
    name,
    summary,
    help,
    async run(args, io) {
      const line = readArguments(() => parseArgs<LineRules<Own>>({ args: [...args], options, allowPositionals: true }))
      if ('help' in line.values && line.values.help) {
        io.stdout.write(help)
        return 0
      }
      return definition.run(line, io)
    },
  }
}

/** Runs a command by its name: what is wrong with its line is said with it. */
export async function runNamed(command: CliCommand, args: readonly string[], io: CliIo): Promise<number> {
  try {
    return await command.run(args, io)
  } catch (error) {
    if (error instanceof UsageError) error.words.unshift(command.name)
    throw error
  }
}
