#!/usr/bin/env node
// Builds the PKCS#11 library; HELP says how. Its tables are made from the calls of the built dist/host/pkcs11/calls.js each time, so
// that there is one truth; what they say of a function's parameters is checked by the compiler.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { generate } from './pkcs11-tables.mjs'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const SOURCES = join(ROOT, 'host/pkcs11/library')
const PROGRAMS = join(ROOT, 'test/pkcs11/library')
const LIBRARY = 'libCryptoki2_64.so'
const WARNINGS = ['-std=c11', '-Wall', '-Wextra', '-Werror', '-Wstrict-prototypes', '-Wshadow', '-fvisibility=hidden']
const HARDENED = ['-O2', '-D_FORTIFY_SOURCE=2', '-fstack-protector-strong']
const LINKED = ['-shared', '-Wl,-Bsymbolic', '-Wl,-z,relro,-z,now', '-Wl,--no-undefined', `-Wl,-soname,${LIBRARY}`]

const HELP = `node scripts/build-pkcs11.mjs [--sanitize NAME] [--program NAME]...

Builds the PKCS#11 library from host/pkcs11/library with the system's C compiler: dist/pkcs11/${LIBRARY}

  --sanitize NAME   the same with a sanitizer of the compiler (address, undefined, thread, ...), in dist/pkcs11/NAME
  --program NAME    also test/pkcs11/library/NAME.c as a program that is linked with the sources

The compiler is $CC, else cc. Exits with 1 where the build fails and with 2 where there is no compiler.`

/** A failure that was explained in full. */
class BuildError extends Error {
  constructor(message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

const load = (path) => import(pathToFileURL(join(ROOT, 'dist', path)).href)

function cFiles() {
  return readdirSync(SOURCES)
    .filter((name) => name.endsWith('.c'))
    .sort()
    .map((name) => join(SOURCES, name))
}

/** Its source, and what its lines `// with: FILE` and `// without: FILE` say. */
function programFiles(name, files) {
  const source = join(PROGRAMS, `${name}.c`)
  const text = readFileSync(source, 'utf8')
  const named = (word) => [...text.matchAll(new RegExp(`^// ${word}: (.+)$`, 'gm'))].map(([, file]) => file)
  const left = new Set(named('without').map((file) => join(SOURCES, file)))
  return [...files.filter((file) => !left.has(file)), source, ...named('with').map((file) => join(PROGRAMS, file))]
}

async function tables(out) {
  if (!existsSync(join(ROOT, 'dist/host/pkcs11/calls.js'))) throw new BuildError('npm run build comes first')
  const made = await generate({
    load,
    headers: ['functions.h', 'vendor.h'].map((name) => readFileSync(join(SOURCES, name), 'utf8')),
    sources: cFiles().map((path) => readFileSync(path, 'utf8')),
  })
  for (const [name, text] of Object.entries(made)) writeFileSync(join(out, name), text)
}

function compile(compiler, args) {
  const { error, status, stderr } = spawnSync(compiler, args, { encoding: 'utf8' })
  if (error?.code === 'ENOENT') {
    throw new BuildError(`there is no C compiler "${compiler}" (Debian: apt-get install gcc libc6-dev; or set CC)`, 2)
  }
  if (error) throw error
  if (status !== 0) throw new BuildError(`${stderr.trimEnd()}\n${compiler} ended with code ${status}`)
}

async function build({ sanitize, program }) {
  const out = join(ROOT, 'dist/pkcs11', sanitize ? sanitize.replaceAll(',', '-') : '.')
  mkdirSync(out, { recursive: true })
  await tables(out)
  const compiler = process.env.CC || 'cc'
  const own = sanitize
    ? [`-fsanitize=${sanitize}`, '-fno-sanitize-recover=all', '-fno-omit-frame-pointer', '-g', '-O1']
    : HARDENED
  const common = [...WARNINGS, ...own, '-fPIC', '-pthread', `-I${out}`, `-I${SOURCES}`]
  const files = [...cFiles(), join(out, 'calls.c')]
  // A library that is in use is not written over.
  const made = [join(out, LIBRARY), ...program.map((name) => join(out, name))]
  compile(compiler, [
    ...common,
    ...LINKED.filter((flag) => !sanitize || !flag.includes('no-undefined')),
    ...files,
    '-o',
    `${made[0]}.new`,
  ])
  for (const [i, name] of program.entries()) {
    compile(compiler, [...common, ...programFiles(name, files), '-o', `${made[i + 1]}.new`])
  }
  for (const path of made) renameSync(`${path}.new`, path)
  for (const path of made) console.log(path)
}

try {
  const { values } = parseArgs({
    options: {
      sanitize: { type: 'string' },
      program: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) console.log(HELP)
  else await build(values)
} catch (error) {
  const known = error instanceof BuildError || error?.code?.startsWith('ERR_PARSE_ARGS')
  console.error(known ? `build:pkcs11: ${error.message}` : error)
  process.exitCode = error instanceof BuildError ? error.exitCode : 1
}
