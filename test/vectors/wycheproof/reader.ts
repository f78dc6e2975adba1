import { VectorError } from '../errors.js'
import { hexBytes } from '../numbers.js'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

const isObject = (value: Json | undefined): value is { readonly [name: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** An object of a JSON file. Every getter complains with the place where a member is missing or of another kind. */
export class Reader {
  readonly #members: { readonly [name: string]: Json }

  constructor(
    private readonly place: string,
    value: Json | undefined,
  ) {
    if (!isObject(value)) throw new VectorError('VECTORS_FIELD', `${place}: not an object`)
    this.#members = value
  }

  has(name: string): boolean {
    return this.#members[name] !== undefined
  }

  text(name: string): string {
    const value = this.#members[name]
    return typeof value === 'string' ? value : this.#throw(name, 'a text')
  }

  number(name: string): number {
    const value = this.#members[name]
    return typeof value === 'number' ? value : this.#throw(name, 'a number')
  }

  /** Bytes in hexadecimal. */
  bytes(name: string): Uint8Array {
    return hexBytes(this.text(name)) ?? this.#throw(name, 'in hexadecimal')
  }

  /** A number that bytes in hexadecimal hold, an odd digit included. */
  integer(name: string): bigint {
    const digits = this.text(name)
    return /^[0-9a-f]+$/i.test(digits) ? BigInt(`0x${digits}`) : this.#throw(name, 'a number in hexadecimal')
  }

  /** Bytes in base64url. */
  base64url(name: string): Uint8Array {
    const text = this.text(name)
    return /^[\w-]*$/.test(text) ? Buffer.from(text, 'base64url') : this.#throw(name, 'in base64url')
  }

  object(name: string): Reader {
    return new Reader(`${this.place}: ${name}`, this.#members[name])
  }

  list(name: string): Reader[] {
    const value = this.#members[name]
    if (!Array.isArray(value)) return this.#throw(name, 'a list')
    return value.map((item: Json, i) => new Reader(`${this.place}: ${name}[${i}]`, item))
  }

  /** The words of a list. */
  words(name: string): string[] {
    const value = this.#members[name]
    if (!Array.isArray(value)) return []
    return value.filter((word: Json) => typeof word === 'string')
  }

  #throw(name: string, kind: string): never {
    throw new VectorError('VECTORS_FIELD', `${this.place}: ${name} is not ${kind}`)
  }
}
