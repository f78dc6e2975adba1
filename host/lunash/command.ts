import type { Args, CommandSpec } from '../lunacm/index.js'
import type { Context } from './context.js'

export interface Command extends CommandSpec {
  run(context: Context, args: Args): Promise<void>
}
