#!/usr/bin/env node
// Builds dist/ from the sources: JavaScript, the firmware, two parts of it by themselves for test vectors, firmware.json.
//
//   node scripts/build.mjs            what has changed since the last build
//   node scripts/build.mjs --clean    everything
//   node scripts/build.mjs --verify   builds the wasm modules again in another folder and compares the hashes
import { spawn } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { digest, filesBelow, Stamp } from './build-cache.mjs'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const STAMPS = 'dist/.build'
const SHEBANG = '#!/usr/bin/env node\n'
const OUTPUT_SUFFIXES = ['.js', '.js.map', '.d.ts']

/** A failure that was explained in full: its message is all there is to print. */
class BuildError extends Error {}

const readJson = (path) => JSON.parse(readFileSync(join(ROOT, path), 'utf8'))
const compiler = (name) => join(ROOT, 'node_modules/.bin', name)

/** Runs a compiler; its output is shown only where it failed. */
function run(command, args, cwd) {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    const output = []
    child.stdout.on('data', (chunk) => output.push(chunk))
    child.stderr.on('data', (chunk) => output.push(chunk))
    child.on('error', (error) => fail(new BuildError(`${command}: ${error.message}; has "npm ci" been run?`)))
    child.on('close', (code, signal) => {
      if (code === 0) return done()
      fail(
        new BuildError(`${Buffer.concat(output).toString('utf8').trimEnd()}\n(ended with ${signal ?? `code ${code}`})`),
      )
    })
  })
}

// ---- JavaScript -----------------------------------------------------------------------------------------------------

/** Every TypeScript source that tsconfig.json includes. */
function typescriptSources() {
  const entries = readJson('tsconfig.json').include
  const sources = entries.flatMap((entry) => (entry.endsWith('.ts') ? [entry] : filesBelow(ROOT, entry, '.ts')))
  return sources.filter((path) => !path.endsWith('.d.ts'))
}

const outputsOf = (source) => OUTPUT_SUFFIXES.map((suffix) => `dist/${source.slice(0, -'.ts'.length)}${suffix}`)

/** Outputs of sources that were deleted or renamed: a test of yesterday must not run today. */
function removeStaleOutputs(outputs) {
  const wanted = new Set(outputs)
  const rooms = new Set(readJson('tsconfig.json').include.map((entry) => entry.split('/')[0]))
  const stale = [...rooms].flatMap((room) => filesBelow(ROOT, `dist/${room}`)).filter((path) => !wanted.has(path))
  for (const path of stale) rmSync(join(ROOT, path))
  return stale.length
}

function javascriptStep() {
  const sources = typescriptSources()
  const outputs = sources.flatMap(outputsOf)
  return {
    name: 'javascript',
    inputs: [...sources, 'tsconfig.json', 'package-lock.json'],
    outputs,
    async run() {
      await run(compiler('tsc'), ['-p', ROOT, '--pretty', 'false'], ROOT)
      return `${sources.length} sources`
    },
  }
}

/** npm links the bins of package.json as they are: they need a shebang and the mode of a program. */
function finishBins() {
  for (const [name, path] of Object.entries(readJson('package.json').bin)) {
    const file = join(ROOT, path)
    if (!existsSync(file))
      throw new BuildError(`package.json names the bin "${name}", but ${path} was not built: its source is missing`)
    if (!readFileSync(file, 'utf8').startsWith(SHEBANG))
      throw new BuildError(`${path}: the source of a bin must start with "${SHEBANG.trim()}"`)
    chmodSync(file, 0o755)
  }
}

// ---- WebAssembly ----------------------------------------------------------------------------------------------------

/** `entry` null = the entries of asconfig.json. */
const MODULES = [
  { name: 'firmware', entry: null, snapshots: true },
  { name: 'crypto', entry: 'assembly/crypto/vectors.ts', snapshots: false },
  { name: 'public-key', entry: 'assembly/public-key-vectors.ts', snapshots: false },
  { name: 'accelerator', entry: 'assembly/accelerator/p384.ts', snapshots: false },
]

/** An option of asconfig.json as asc takes it on its command line. */
const flag = ([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, String(value)])

/**
 * Compiles one module; its file appears under `outRoot` only once it is complete. Resolves to the names of its exported globals.
 * asc adds the entries of its configuration file to those it is given, so the options are passed without the file.
 */
async function compileModule({ name, entry, snapshots }, sourceRoot, outRoot) {
  const { entries, targets, options } = readJson('asconfig.json')
  const sources = entry ? [entry] : entries
  for (const source of sources) {
    if (!existsSync(join(sourceRoot, source)))
      throw new BuildError(`${source} is missing: there is no ${name} to build`)
  }
  const { outFile, textFile, ...own } = targets[name]
  const raw = join(outRoot, `${outFile}.raw`)
  mkdirSync(dirname(raw), { recursive: true })
  const files = { outFile: raw, ...(textFile ? { textFile: join(outRoot, textFile) } : {}) }
  const flags = Object.entries({ ...options, ...own, ...files, config: 'none' }).flatMap(flag)
  try {
    await run(compiler('asc'), [...sources, ...flags], sourceRoot)
    let names = []
    if (snapshots) {
      // Loaded here, not at the top: a build with nothing to do does not pay for it.
      const { exportMutableGlobals } = await import('./post-link.mjs')
      const linked = exportMutableGlobals(readFileSync(raw))
      names = linked.names
      writeFileSync(raw, linked.wasm)
    }
    renameSync(raw, join(outRoot, outFile))
    return names
  } finally {
    rmSync(raw, { force: true })
  }
}

function moduleStep(module) {
  const { outFile, textFile } = readJson('asconfig.json').targets[module.name]
  return {
    name: module.name,
    inputs: [...filesBelow(ROOT, 'assembly', '.ts'), 'asconfig.json', 'package-lock.json', 'scripts/post-link.mjs'],
    outputs: [outFile, ...(textFile ? [textFile] : [])],
    async run() {
      const names = await compileModule(module, ROOT, ROOT)
      const size = `${readFileSync(join(ROOT, outFile)).length} bytes`
      return module.snapshots ? `${size}, ${names.length} globals exported` : size
    },
  }
}

/** What the board's boot loader checks an image against, and what `moonlet version` prints. */
function writeManifest() {
  const wasm = readFileSync(join(ROOT, 'dist/firmware.wasm'))
  const exported = WebAssembly.Module.exports(new WebAssembly.Module(wasm))
  const manifest = {
    version: readJson('package.json').version,
    sha384: digest(wasm, 'sha384'),
    exportsGlobals: exported
      .filter(({ kind, name }) => kind === 'global' && name.startsWith('__global_'))
      .map(({ name }) => name),
  }
  writeFileSync(join(ROOT, 'dist/firmware.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  return manifest
}

// ---- the build ------------------------------------------------------------------------------------------------------

const say = (name, text) => console.log(`build: ${name.padEnd(11)} ${text}`)

/** Resolves to whether the step is good. */
async function perform(step) {
  const stamp = new Stamp(ROOT, `${STAMPS}/${step.name}.json`)
  // The recipe is an input like any other.
  const inputs = [...step.inputs, 'scripts/build.mjs']
  if (stamp.isFresh(inputs, step.outputs)) {
    say(step.name, 'up to date')
    return true
  }
  stamp.clear()
  // No output of an older source may pass for the new one where the step fails.
  for (const path of step.outputs) rmSync(join(ROOT, path), { force: true })
  const started = process.hrtime.bigint()
  try {
    const summary = await step.run()
    const missing = step.outputs.find((path) => !existsSync(join(ROOT, path)))
    if (missing) throw new BuildError(`${missing} was not written`)
    stamp.write(inputs, step.outputs)
    say(step.name, `${summary}, ${(Number(process.hrtime.bigint() - started) / 1e9).toFixed(1)} s`)
    return true
  } catch (error) {
    say(step.name, 'FAILED')
    console.error(error instanceof BuildError ? error.message : error)
    return false
  }
}

async function build({ clean }) {
  if (clean) rmSync(join(ROOT, 'dist'), { recursive: true, force: true })
  // What it says holds for one image; it is written again once that image is there.
  rmSync(join(ROOT, 'dist/firmware.json'), { force: true })
  const javascript = javascriptStep()
  const stale = removeStaleOutputs(javascript.outputs)
  if (stale) say('javascript', `${stale} outputs of deleted sources removed`)
  const modules = MODULES.map(moduleStep)
  const [firmware, ...others] = await Promise.all([...modules, javascript].map(perform))
  if (firmware) {
    const { version, sha384 } = writeManifest()
    say('firmware', `${version} sha384 ${sha384}`)
  }
  if (!firmware || others.includes(false)) throw new BuildError('the build failed')
  finishBins()
}

async function verify() {
  const other = mkdtempSync(join(tmpdir(), 'moonlet-verify-'))
  try {
    for (const path of ['assembly', 'asconfig.json']) cpSync(join(ROOT, path), join(other, path), { recursive: true })
    await Promise.all(MODULES.map((module) => compileModule(module, other, other)))
    for (const { name } of MODULES) {
      const { outFile } = readJson('asconfig.json').targets[name]
      if (!existsSync(join(ROOT, outFile))) throw new BuildError(`${outFile} is missing: build first`)
      const [first, second] = [ROOT, other].map((root) => digest(readFileSync(join(root, outFile)), 'sha384'))
      if (first !== second) throw new BuildError(`${outFile} is not reproducible:\n  ${first}\n  ${second}`)
      say(name, `twice the same: sha384 ${first}`)
    }
  } finally {
    rmSync(other, { recursive: true, force: true })
  }
}

try {
  const { values } = parseArgs({
    options: { clean: { type: 'boolean', default: false }, verify: { type: 'boolean', default: false } },
  })
  await (values.verify ? verify() : build(values))
} catch (error) {
  console.error(
    error instanceof BuildError || error?.code?.startsWith('ERR_PARSE_ARGS') ? `build: ${error.message}` : error,
  )
  process.exitCode = 1
}
