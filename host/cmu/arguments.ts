// The command line in the utility's own form: `-name=value`, names in any case; `-name` alone is true.

import { CmuError } from './errors.js'

const ARGUMENT = /^--?([A-Za-z][\w.]*(?:-[a-z]+)*)(?:=([\s\S]*))?$/

function usage(message: string): CmuError {
  return new CmuError('CMU_USAGE', message)
}

export class CmuArguments {
  readonly #values = new Map<string, string | undefined>()
  readonly #used = new Set<string>()

  /** @throws CmuError CMU_USAGE */
  constructor(line: readonly string[]) {
    for (const argument of line) {
      const [, name, value] = ARGUMENT.exec(argument) ?? []
      if (name === undefined) throw usage(`'${argument}' is no option: options are -name=value`)
      const key = name.toLowerCase()
      if (this.#values.has(key)) throw usage(`Option '-${name}' is there twice`)
      this.#values.set(key, value)
    }
  }

  has(name: string): boolean {
    this.#used.add(name.toLowerCase())
    return this.#values.has(name.toLowerCase())
  }

  /** @throws CmuError CMU_USAGE: the option is there without a value */
  text(name: string): string | undefined {
    if (!this.has(name)) return undefined
    const value = this.#values.get(name.toLowerCase())
    if (value === undefined || value === '') throw usage(`Option '-${name}' needs a value: -${name}=...`)
    return value
  }

  needed(name: string): string {
    const value = this.text(name)
    if (value === undefined) throw usage(`Option '-${name}' is missing`)
    return value
  }

  /** T, F, 1, 0, true, false; the name alone is true. */
  flag(name: string): boolean | undefined {
    if (!this.has(name)) return undefined
    const value = this.#values.get(name.toLowerCase())?.toLowerCase()
    if (value === undefined || ['1', 't', 'true', 'y', 'yes'].includes(value)) return true
    if (['0', 'f', 'false', 'n', 'no'].includes(value)) return false
    throw usage(`Option '-${name}' is 1 or 0, not '${value}'`)
  }

  /** Decimal, or hexadecimal after 0x. */
  number(name: string): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    if (!/^(\d{1,10}|0x[\da-f]{1,8})$/i.test(text) || Number(text) > 0xffffffff) {
      throw usage(`Option '-${name}' is a number, not '${text}'`)
    }
    return Number(text)
  }

  bytes(name: string): Buffer | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    if (!/^([\da-f]{2})+$/i.test(text)) throw usage(`Option '-${name}' is hexadecimal, not '${text}'`)
    return Buffer.from(text, 'hex')
  }

  /** Names that begin with this and were not asked for by name. */
  matching(pattern: RegExp): string[] {
    const found = [...this.#values.keys()].filter((name) => pattern.test(name))
    for (const name of found) this.#used.add(name)
    return found
  }

  /** @throws CmuError CMU_USAGE: there is an option that nobody has asked for */
  end(): void {
    for (const name of this.#values.keys()) if (!this.#used.has(name)) throw usage(`There is no option '-${name}' here`)
  }
}
