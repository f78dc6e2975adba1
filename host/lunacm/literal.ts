// What a line of the table is made of, and how it becomes text. The table itself: literals.ts.

/**
 * Where a wording comes from: S the seed page, D vendor documentation, T a third party's transcript of real equipment,
 * R reconstructed (the frame is known, the filling is not), M from memory, I inferred or our own. R, M and I are
 * provisional: they can be replaced here without touching anything else.
 */
export type Source = 'S' | 'D' | 'T' | 'R' | 'M' | 'I'

/** One wording: one or more lines with places to fill in. */
export interface Literal<Args extends readonly unknown[] = readonly []> {
  readonly source: Source
  readonly lines: (...args: Args) => readonly string[]
}

export interface RenderedLine {
  readonly text: string
  readonly source: Source
}

/** The one line of a question. */
export function textOf<Args extends readonly unknown[]>(literal: Literal<Args>, ...args: Args): string {
  return literal.lines(...args).join('\n')
}

export function rendered<Args extends readonly unknown[]>(literal: Literal<Args>, ...args: Args): RenderedLine[] {
  return literal.lines(...args).map((text) => ({ text, source: literal.source }))
}

export const INDENT = ' '.repeat(8)

type Text<Args extends readonly unknown[]> = (...args: Args) => string | readonly string[]

/** Lines as they are. */
export function flush<Args extends readonly unknown[]>(source: Source, text: Text<Args>): Literal<Args> {
  return {
    source,
    lines: (...args) => {
      const lines = text(...args)
      return typeof lines === 'string' ? [lines] : lines
    },
  }
}

/** Lines eight spaces in; empty ones stay empty. */
export function block<Args extends readonly unknown[]>(source: Source, text: Text<Args>): Literal<Args> {
  const plain = flush(source, text)
  return { source, lines: (...args) => plain.lines(...args).map((line) => (line === '' ? '' : INDENT + line)) }
}

/** `Name ->` and a value, in the columns of `showinfo`. */
export function field(source: Source, name: string): Literal<readonly [value: string | number | bigint]> {
  return block(source, (value) => `${`${name} ->`.padEnd(27)}${value}`.trimEnd())
}

/** A row of a storage block. */
export function storage(source: Source, name: string): Literal<readonly [value: number | bigint]> {
  return block(source, (value) => `${INDENT}${`${name}:`.padEnd(24)}${value}`)
}

export const hex = (value: number) => `0x${value.toString(16)}`
export const plural = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`
