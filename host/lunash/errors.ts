import type { RenderedLine } from '../lunacm/index.js'

/** The shell itself refuses a command: its lines say why. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code = 'LUNASH_REFUSED'
  constructor(readonly lines: readonly RenderedLine[]) {
    super(lines.map(({ text }) => text).join(' '))
  }
}

/** A question was answered with something else than `proceed`, or not at all. */
export class Cancelled extends Error {
  override readonly name = 'Cancelled'
  readonly code = 'LUNASH_CANCELLED'
  constructor() {
    super('the command was given up at its question')
  }
}
