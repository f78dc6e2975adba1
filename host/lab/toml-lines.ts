import { type AST, getStaticTOMLValue, ParseError, parseTOML } from 'toml-eslint-parser'
import { LabError } from './errors.js'
import { type Check, FieldError } from './json-check.js'

type Path = readonly (string | number)[]

interface Place {
  readonly path: Path
  readonly line: number
}

/**
 * Reads a TOML 1.0 document; what is wrong with it is said with its line.
 * @param source names the document in errors
 * @throws LabError LAB_FILE_INVALID
 */
export function readToml<Value>(text: string, source: string, check: Check<Value>): Value {
  const program = parse(text, source)
  try {
    return check(getStaticTOMLValue(program), '')
  } catch (error) {
    if (!(error instanceof FieldError)) throw error
    const line = lineOf(placesIn(program), segmentsOf(error.path))
    throw new LabError('LAB_FILE_INVALID', `${source}, line ${line}: ${error.message}`, { cause: error })
  }
}

function parse(text: string, source: string): AST.TOMLProgram {
  try {
    return parseTOML(text, { tomlVersion: '1.0.0' })
  } catch (cause) {
    if (!(cause instanceof ParseError)) throw cause
    const where = `${source}, line ${cause.lineNumber}, column ${cause.column + 1}`
    throw new LabError('LAB_FILE_INVALID', `${where}: this is no TOML: ${cause.message}`, { cause })
  }
}

/** `hsm[0].latency` as its parts. */
function segmentsOf(path: string): Path {
  return [...path.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, name = '']) =>
    index === undefined ? name : Number(index),
  )
}

/** Where each table and value of the document stands. */
function placesIn({ body: [top] }: AST.TOMLProgram): readonly Place[] {
  return top.body.flatMap((part): Place[] =>
    part.type === 'TOMLTable'
      ? [
          { path: part.resolvedKey, line: part.loc.start.line },
          ...part.body.flatMap((pair) => placesOf(pair, part.resolvedKey)),
        ]
      : placesOf(part, []),
  )
}

function placesOf({ key, value, loc }: AST.TOMLKeyValue, above: Path): Place[] {
  const names = key.keys.map((one) => (one.type === 'TOMLBare' ? one.name : one.value))
  const path = [...above, ...names]
  return [{ path, line: loc.start.line }, ...placesWithin(value, path)]
}

function placesWithin(value: AST.TOMLContentNode, path: Path): Place[] {
  if (value.type === 'TOMLInlineTable') return value.body.flatMap((pair) => placesOf(pair, path))
  if (value.type !== 'TOMLArray') return []
  return value.elements.flatMap((element, index) => [
    { path: [...path, index], line: element.loc.start.line },
    ...placesWithin(element, [...path, index]),
  ])
}

/** The line of what is meant, or of the nearest that is around it. */
function lineOf(places: readonly Place[], path: Path): number {
  const fits = places.filter(
    (place) => place.path.length <= path.length && place.path.every((part, i) => part === path[i]),
  )
  const length = Math.max(0, ...fits.map((place) => place.path.length))
  return fits.find((place) => place.path.length === length)?.line ?? 1
}
