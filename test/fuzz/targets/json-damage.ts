// Damage to JSON documents: values of other kinds, fields too many and too few, and text that is none.
import { mutate } from '../engine/mutate.js'
import type { Random } from '../engine/random.js'

const ODD: readonly unknown[] = [
  ...[null, true, false, 0, 1, -1, 2, 1e308, 1.5, 2 ** 53, '', 'x', 'admin', '0', '../..', '/', '.', '\u0000'],
  ...['x'.repeat(5000), [], [[]], {}, { a: 1 }, '__proto__', 'constructor', 'ü', '(', '/(/', '/a*/', '123456'],
]

type Path = readonly (string | number)[]

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([name, inner]) => pathsOf(inner, [...path, name]))]
}

type Change = (value: unknown) => unknown

/** A copy with something else at a path. */
function changed(value: unknown, path: Path, change: Change): unknown {
  const [name, ...rest] = path
  if (name === undefined) return change(value)
  if (Array.isArray(value)) {
    return value.flatMap((each: unknown, i) => {
      if (String(i) !== String(name)) return [each]
      const made = changed(each, rest, change)
      return made === undefined ? [] : [made]
    })
  }
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).flatMap(([key, inner]): [string, unknown][] => {
    if (key !== String(name)) return [[key, inner]]
    const made = changed(inner, rest, change)
    return made === undefined ? [] : [[key, made]]
  })
  return Object.fromEntries(entries)
}

function changeOf(random: Random): Change {
  const kind = random.below(6)
  const odd = random.pick(ODD)
  if (kind === 0) return () => undefined
  if (kind === 1) return (value) => (Array.isArray(value) ? [...value, ...value] : odd)
  if (kind === 2) {
    const name = random.pick(['extra', '__proto__', 'toString', 'format', 'version'])
    return (value) =>
      typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value, [name]: odd } : odd
  }
  if (kind === 3)
    return (value) =>
      typeof value === 'number'
        ? value + random.pick([-1, 1, 0.5, 65536])
        : typeof value === 'string'
          ? `${value}${random.pick(['x', ' ', '/', '0'])}`
          : odd
  return () => odd
}

/** The text of a document with one to three things done to it, or with its bytes damaged. */
export function damagedJson(random: Random, document: unknown): Buffer {
  let value = document
  for (let left = random.below(4); left > 0; left--)
    value = changed(value, random.pick(pathsOf(value)), changeOf(random))
  const text = Buffer.from(JSON.stringify(value) ?? '')
  return random.oneIn(4) ? mutate(random, text) : text
}
