import type { ClientConfig } from '../../lab/index.js'
import type { Literal } from '../../lunacm/index.js'

/** A command line that was understood. */
export interface VtlOptions {
  readonly config: ClientConfig
  readonly name: string | undefined
  readonly certificate: string | undefined
  readonly port: string | undefined
  readonly force: boolean
}

export type Say = <Args extends readonly unknown[]>(literal: Literal<Args>, ...args: Args) => void

/** Answers the exit code. */
export type Action = (options: VtlOptions, say: Say) => Promise<number>
