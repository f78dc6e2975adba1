// The firmware's sources, compiled for the fuzzer. A length check that is missing in WebAssembly seldom traps: it reads or writes the
// buffer next door. So this build keeps the buffers apart and says where they are:
//
// - behind every static buffer there is a red zone that nothing may write or read;
// - the buffers that requests are read from can be moved to the end of memory: whoever reads past the end of one traps;
// - addresses and lengths of the buffers, and every variable, are exported, so that memory can be looked at and put back;
// - passwords are stretched with few iterations, so that a log-in takes as long as any other command.
//
// Everything else is the product, line by line.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Fault } from './faults.js'

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url))
const CACHE = join(ROOT, 'dist/fuzz')
const ENTRY = 'assembly/guarded.ts'
const START = 'assembly/index.ts'
const PAGES = '640'

/** Bytes of a red zone. */
export const RED_ZONE = 64
/** Iterations of PBKDF2 in this build. */
export const ITERATIONS = 32
/** Change it with everything that this file does to the sources. */
const RECIPE = 3

export interface GuardedFirmware {
  readonly wasm: Uint8Array
  /** Of the sources and of what was done to them, in hex. */
  readonly digest: string
  /** Undefined where it was compiled earlier. */
  readonly compiledIn?: number
}

/** A file that is not as the recipe needs it. */
export class RecipeError extends Error {
  override readonly name = 'RecipeError'
}

/** The sources that the firmware is made of: its entry, and whatever that imports. */
function sources(): Map<string, string> {
  const files = new Map<string, string>()
  const waiting = [START]
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (files.has(name)) continue
    const text = readFileSync(join(ROOT, name), 'utf8')
    files.set(name, text)
    for (const [, path = ''] of text.matchAll(/ from '(\.[^']+)'/g))
      waiting.push(`${posix.join(posix.dirname(name), path)}.ts`)
  }
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Takes a check out of the sources. @throws RecipeError where it is not there exactly once */
function breakOne(files: Map<string, string>, { name, file, check, without }: Fault): void {
  const text = files.get(file) ?? ''
  if (text.split(check).length !== 2)
    throw new RecipeError(`fault ${name}: ${file} does not hold exactly once: ${check}`)
  files.set(
    file,
    text.replace(check, () => without),
  )
}

/** A name of an export: `region$commands$dispatch$INBOX` is INBOX of assembly/commands/dispatch.ts. */
const exportName = (kind: string, file: string, name: string): string =>
  [kind, ...file.replace(/^assembly\/|\.ts$/g, '').split('/'), name].join('$').replaceAll('-', '_')

const BUFFER = /^(?:export )?const (\w+): usize = memory\.data\(([^<()]+), (\d+)\)$/gm
const ANY_BUFFER = /^(?:export )?const \w+: usize = memory\.data\(/gm
const VARIABLE = /^(?:export )?let (\w+)\b/gm
/** Buffers that can be moved. */
const MOVABLE = new Set(['assembly/commands/dispatch.ts INBOX', 'assembly/commands/dispatch.ts BODY'])
const STRETCH = 'const ITERATIONS: i32 = 50000'

/** The sources with red zones, and the entry that exports everything. */
function guarded(files: ReadonlyMap<string, string>): Map<string, string> {
  const entry = [`export * from './index'`]
  const result = new Map<string, string>()
  for (const [file, text] of files) {
    const from = `'./${file.replace(/^assembly\/|\.ts$/g, '')}'`
    // A buffer that is not seen here has no red zone, and counts as a constant.
    if (text.match(BUFFER)?.length !== text.match(ANY_BUFFER)?.length) {
      throw new RecipeError(`${file}: a size of memory.data is no plain expression`)
    }
    const export_ = (name: string, as: string) => entry.push(`export { ${name} as ${as} } from ${from}`)
    const changed = text
      .replace(BUFFER, (_line, name: string, size: string, align: string) => {
        const movable = MOVABLE.has(`${file} ${name}`)
        export_(movable ? `${name}_HOME__` : name, exportName('region', file, name))
        export_(`${name}_BYTES__`, exportName('bytes', file, name))
        const sizeLine = `export const ${name}_BYTES__: i32 = ${size}`
        const zone = `memory.data(${size} + ${RED_ZONE}, ${align})`
        if (!movable) return `${sizeLine}\nexport const ${name}: usize = ${zone}`
        return `${sizeLine}\nexport const ${name}_HOME__: usize = ${zone}\nexport let ${name}: usize = ${name}_HOME__`
      })
      .replace(VARIABLE, (_line, name: string) => {
        export_(name, exportName('variable', file, name))
        return `export let ${name}`
      })
      .replace(STRETCH, `const ITERATIONS: i32 = ${ITERATIONS}`)
    result.set(file, changed)
  }
  const stretched = [...result.values()].filter((text) => text.includes(`const ITERATIONS: i32 = ${ITERATIONS}`))
  if (stretched.length !== 1) throw new RecipeError(`no source holds: ${STRETCH}`)
  result.set(ENTRY, `${entry.join('\n')}\n`)
  return result
}

async function compile(files: ReadonlyMap<string, string>): Promise<Uint8Array> {
  // Loading the compiler takes longer than most runs have to wait otherwise.
  const { default: asc } = await import('assemblyscript/asc')
  const made = new Map<string, Uint8Array>()
  const memory = ['--initialMemory', PAGES, '--maximumMemory', PAGES]
  const language = [
    '--config',
    'none',
    '--runtime',
    'stub',
    '--noAssert',
    '--enable',
    'simd',
    '--optimizeLevel',
    '1',
    '--debug',
  ]
  const { error, stderr } = await asc.main([ENTRY, '--outFile', 'out.wasm', ...memory, ...language], {
    readFile: (name) => files.get(name.replace(/^\.\//, '')) ?? null,
    writeFile: (name, contents) => {
      made.set(name, typeof contents === 'string' ? Buffer.from(contents) : contents)
    },
    listFiles: () => [],
  })
  const wasm = made.get('out.wasm')
  if (error || !wasm)
    throw new RecipeError(`the guarded firmware does not compile: ${stderr.toString()}`, { cause: error })
  return wasm
}

/** The guarded build of the sources as they are now, out of the cache where it was compiled before; with one fault where wanted. */
export async function guardedFirmware(fault?: Fault): Promise<GuardedFirmware> {
  const files = sources()
  if (fault) breakOne(files, fault)
  const hash = createHash('sha256').update(`${RECIPE} ${PAGES}`)
  for (const [name, text] of guarded(files)) hash.update(name).update('\0').update(text).update('\0')
  const digest = hash.digest('hex').slice(0, 16)
  const path = join(CACHE, `${digest}.wasm`)
  if (existsSync(path)) return { wasm: readFileSync(path), digest }
  const started = performance.now()
  const wasm = await compile(guarded(files))
  mkdirSync(CACHE, { recursive: true })
  // Two processes may do the same at once; the file appears whole.
  const part = `${path}.${process.pid}.part`
  writeFileSync(part, wasm)
  renameSync(part, path)
  return { wasm, digest, compiledIn: performance.now() - started }
}
