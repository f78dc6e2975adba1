import { LabError } from './errors.js'

/** A value is not what it has to be. */
export class FieldError extends LabError {
  constructor(
    /** Of the value: `views[0].slots[1].slot`; empty = the document. */
    readonly path: string,
    what: string,
  ) {
    super('LAB_FILE_INVALID', path === '' ? `the document ${what}` : `${path} ${what}`)
  }
}

/** Reads one value of a JSON document; `path` such as `views[0].slots[1].slot` names it in the error. */
export type Check<Value> = (value: unknown, path: string) => Value

type Checks = Readonly<Record<string, Check<unknown>>>
type Checked<Fields extends Checks> = { readonly [Name in keyof Fields]: ReturnType<Fields[Name]> }

export function fail(path: string, what: string): never {
  throw new FieldError(path, what)
}

const field = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`)

export const text: Check<string> = (value, path) =>
  typeof value === 'string' && value !== '' ? value : fail(path, 'must be a text')

export function textLike(pattern: RegExp, what: string): Check<string> {
  return (value, path) => (typeof value === 'string' && pattern.test(value) ? value : fail(path, `must be ${what}`))
}

export function wholeNumber(least: number, most: number): Check<number> {
  return (value, path) =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most
      ? value
      : fail(path, `must be a whole number from ${least} to ${most}`)
}

export function decimal(least: number, most: number): Check<number> {
  return (value, path) =>
    typeof value === 'number' && value >= least && value <= most
      ? value
      : fail(path, `must be a number from ${least} to ${most}`)
}

export const yesOrNo: Check<boolean> = (value, path) =>
  typeof value === 'boolean' ? value : fail(path, 'must be true or false')

export function oneOf<Value extends string>(...values: readonly Value[]): Check<Value> {
  return (value, path) => values.find((known) => known === value) ?? fail(path, `must be one of ${values.join(', ')}`)
}

export function listOf<Value>(item: Check<Value>): Check<readonly Value[]> {
  return (value, path) =>
    Array.isArray(value)
      ? value.map((one: unknown, index) => item(one, `${path}[${index}]`))
      : fail(path, 'must be a list')
}

export function optional<Value>(check: Check<Value>): Check<Value | undefined> {
  return (value, path) => (value === undefined ? undefined : check(value, path))
}

/** Exactly these fields: one that is not known may be a misspelt one that is. */
export function object<Fields extends Checks>(fields: Fields): Check<Checked<Fields>>
export function object(fields: Checks): Check<Record<string, unknown>> {
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail(path, 'must be an object')
    const given = new Map<string, unknown>(Object.entries(value))
    for (const name of given.keys()) if (!Object.hasOwn(fields, name)) fail(field(path, name), 'is not a known field')
    return Object.fromEntries(
      Object.entries(fields).flatMap(([name, check]) => {
        const checked = check(given.get(name), field(path, name))
        return checked === undefined ? [] : [[name, checked]]
      }),
    )
  }
}
