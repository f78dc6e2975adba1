// npm run vectors -- FILE…
import { parseArgs } from 'node:util'
import { VectorError } from './errors.js'
import { Firmware } from './firmware.js'
import { PublicKeys } from './public-key.js'
import { Tally, Totals } from './report.js'
import { PRIMITIVES, type Primitive } from './result.js'
import { resultsOf } from './run-file.js'

const HELP = `Usage: npm run vectors -- [--totals] [--expect PRIMITIVE]... FILE...

Runs published test vectors through the firmware's own code: NIST's files (.rsp, .txt, .fax) and
Project Wycheproof's (JSON). What a file holds is told by its content, by its name only where the
content does not say enough. Symmetric primitives run in the crypto core as it is compiled into the
firmware; public-key ones through the firmware's encodings and the board's accelerator.

Prints for each file
  FILE: N passed, N failed, N not applicable (why)
and below it the first failures, each with its place in the file.

  --totals            also prints the counts per primitive
  --expect PRIMITIVE  fails unless a vector of it was run; may be repeated
  --help              prints this

Exit code: 0 when everything passed, 1 when a vector failed, when a file cannot be read or is not
understood (a line with a stable code says why), or when an expected primitive did not run; 2 for
wrong usage.

Wycheproof's "acceptable" tests pass when the firmware refuses them, or gives the very answer of the
file; a key of 8 bytes for AES-WRAP and an RSA signature whose DigestInfo lacks its NULL must be
refused. A test of AES-WRAP or AES-KWP without a ciphertext wants the wrapping to be refused.

Primitives: ${PRIMITIVES.slice(0, 10).join(', ')},
${PRIMITIVES.slice(10, 20).join(', ')},
${PRIMITIVES.slice(20, -1).join(', ')}.
`

export interface Surroundings {
  /** Where relative names of files start. */
  readonly folder: string
  readonly out: (line: string) => void
  readonly err: (line: string) => void
  /** Replaces a line on the terminal; undefined where there is none. */
  readonly progress: ((text: string) => void) | undefined
}

interface Options {
  readonly files: readonly string[]
  readonly expected: readonly Primitive[]
  readonly totals: boolean
}

const isPrimitive = (name: string): name is Primitive => PRIMITIVES.some((primitive) => primitive === name)

/** Undefined = help is wanted. */
function optionsOf(args: readonly string[]): Options | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        totals: { type: 'boolean' },
        expect: { type: 'string', multiple: true },
      },
    })
    if (values.help) return undefined
    if (positionals.length === 0) throw new VectorError('VECTORS_USAGE', 'no file was given')
    const expected = (values.expect ?? []).map((name) => {
      if (!isPrimitive(name)) throw new VectorError('VECTORS_USAGE', `there is no primitive ${name}`)
      return name
    })
    return { files: positionals, expected, totals: values.totals ?? false }
  } catch (error) {
    if (error instanceof VectorError || !(error instanceof Error)) throw error
    throw new VectorError('VECTORS_USAGE', error.message, { cause: error })
  }
}

/** Milliseconds between two signs of progress. */
const STEP = 200

/** Runs the vectors and prints what came of them. The exit code. */
export function vectorsCommand(args: readonly string[], { folder, out, err, progress }: Surroundings): number {
  let options: Options | undefined
  try {
    options = optionsOf(args)
  } catch (error) {
    if (!(error instanceof VectorError)) throw error
    err(`vectors: ${error.code}: ${error.message}`)
    err("Try 'npm run vectors -- --help'.")
    return 2
  }
  if (options === undefined) {
    out(HELP.trimEnd())
    return 0
  }
  const modules = { firmware: new Firmware(), publicKeys: new PublicKeys() }
  const totals = new Totals()
  let good = true
  for (const path of options.files) {
    const tally = new Tally()
    let trouble: VectorError | undefined
    let shown = Date.now()
    try {
      for (const result of resultsOf(path, folder, modules)) {
        tally.add(result)
        totals.add(result)
        if (progress === undefined || Date.now() - shown < STEP) continue
        shown = Date.now()
        progress(`${path}: ${tally.count} vectors`)
      }
    } catch (error) {
      if (!(error instanceof VectorError)) throw error
      trouble = error
    }
    progress?.('')
    if (tally.count > 0) out(`${path}: ${tally}`)
    for (const failure of tally.failures) out(`  ${failure}`)
    if (trouble) err(`vectors: ${trouble.code}: ${trouble.message}`)
    if (trouble || tally.failed > 0) good = false
  }
  if (options.totals) for (const line of totals.lines()) out(line)
  for (const primitive of options.expected) {
    if (totals.ran(primitive) > 0) continue
    err(`vectors: VECTORS_MISSING: no vector of ${primitive} was run`)
    good = false
  }
  return good ? 0 : 1
}
