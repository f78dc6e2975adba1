export type OptionValue = true | number | string | readonly number[]

/** The options of one command line, already checked against the command's table. */
export class Args {
  readonly #values: ReadonlyMap<string, OptionValue>
  /** Words after the command that belong to no option (`help` takes some). */
  readonly rest: readonly string[]

  constructor(values: ReadonlyMap<string, OptionValue>, rest: readonly string[] = []) {
    this.#values = values
    this.rest = rest
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  number(name: string): number | undefined {
    const value = this.#values.get(name)
    return typeof value === 'number' ? value : undefined
  }

  text(name: string): string | undefined {
    const value = this.#values.get(name)
    return typeof value === 'string' ? value : undefined
  }

  numbers(name: string): readonly number[] | undefined {
    const value = this.#values.get(name)
    return typeof value === 'object' ? value : undefined
  }

  /** Values of options that the parser has seen to. */
  requiredNumber(name: string): number {
    return present(this.number(name), name)
  }

  requiredText(name: string): string {
    return present(this.text(name), name)
  }

  requiredNumbers(name: string): readonly number[] {
    return present(this.numbers(name), name)
  }
}

function present<Value>(value: Value | undefined, name: string): Value {
  if (value === undefined) throw new RangeError(`option ${name} is not a required one of this command`)
  return value
}
