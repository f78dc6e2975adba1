// An input: steps that a target takes one after the other. Every target uses this form, so that one minimizer and one file format do.

/** One step. What `what`, the numbers and the bytes mean is the target's business; any value of them has to be taken. */
export interface Step {
  readonly what: string
  readonly numbers: readonly number[]
  readonly bytes: Buffer
}

export type Input = readonly Step[]

export const step = (what: string, numbers: readonly number[] = [], bytes: Uint8Array = Buffer.alloc(0)): Step => ({
  what,
  numbers,
  bytes: Buffer.from(bytes),
})

/** A step as it stands in a file. */
interface WrittenStep {
  readonly what: string
  readonly numbers: readonly number[]
  readonly bytes: string
}

export const writeInput = (input: Input): WrittenStep[] =>
  input.map(({ what, numbers, bytes }) => ({ what, numbers, bytes: bytes.toString('hex') }))

function readStep(value: unknown): Step {
  if (typeof value === 'object' && value !== null && 'what' in value && 'numbers' in value && 'bytes' in value) {
    const { what, numbers, bytes } = value
    const isList = Array.isArray(numbers) && numbers.every((each) => Number.isFinite(each))
    if (typeof what === 'string' && isList && typeof bytes === 'string' && /^([0-9a-f]{2})*$/.test(bytes)) {
      return step(what, numbers.map(Number), Buffer.from(bytes, 'hex'))
    }
  }
  throw new SyntaxError('a step has "what", "numbers" and "bytes" in hexadecimal')
}

/** @throws SyntaxError */
export function readInput(value: unknown): Input {
  if (!Array.isArray(value)) throw new SyntaxError('"steps" is not a list')
  return value.map(readStep)
}

/** Inputs with some of the steps left out: halves, quarters, …, single ones. */
function* fewerSteps(input: Input): Generator<Input> {
  for (let size = input.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < input.length; at += size) yield [...input.slice(0, at), ...input.slice(at + size)]
  }
}

function* shorterBytes(bytes: Buffer): Generator<Buffer> {
  for (let size = bytes.length >> 1; size >= 1; size >>= 1) {
    yield bytes.subarray(0, bytes.length - size)
    for (let at = 0; at < bytes.length - size; at += size) {
      yield Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + size)])
    }
  }
}

function* plainerBytes(bytes: Buffer): Generator<Buffer> {
  for (let size = bytes.length; size >= 1; size >>= 1) {
    for (let at = 0; at < bytes.length; at += size) {
      const area = bytes.subarray(at, at + size)
      if (area.some((byte) => byte !== 0))
        yield Buffer.concat([bytes.subarray(0, at), Buffer.alloc(area.length), bytes.subarray(at + size)])
    }
  }
}

/** Every input that is a little simpler than this one, the boldest first. */
export function* simpler(input: Input): Generator<Input> {
  yield* fewerSteps(input)
  for (const [i, { what, numbers, bytes }] of input.entries()) {
    const with_ = (changed: Step): Input => [...input.slice(0, i), changed, ...input.slice(i + 1)]
    for (const shorter of shorterBytes(bytes)) yield with_({ what, numbers, bytes: shorter })
    for (const [at, number] of numbers.entries()) {
      if (number !== 0) yield with_({ what, numbers: numbers.with(at, 0), bytes })
    }
    for (const plainer of plainerBytes(bytes)) yield with_({ what, numbers, bytes: plainer })
  }
}
