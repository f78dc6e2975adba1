import type { Args } from './args.js'
import type { CommandSpec } from './command-spec.js'
import type { Context } from './context.js'

export * from './command-spec.js'

export interface Command extends CommandSpec {
  run(context: Context, args: Args): Promise<void>
}
