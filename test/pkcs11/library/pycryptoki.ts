// pycryptoki, the vendor's own open-source binding, with our library: its functional tests, unchanged, counted.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CHALLENGE, check, type Door, leftOut, said } from './support.js'

/** Fewer than this many passed before: what passes now must not be lost. */
const LEAST = 50

/** Its sources name types at a place that Python 3.10 took away. */
const ALIASES = `import collections
import collections.abc

for name in ("Iterable", "Mapping", "MutableMapping", "Sequence", "Callable"):
    if not hasattr(collections, name):
        setattr(collections, name, getattr(collections.abc, name))
`

/** A word that says why a test did not pass: the CK_RV that came instead of another, or what else was wrong. */
function reasonIn(message: string): string {
  const returned =
    /Instead returned:? *&?#?1?0?;? *(CKR_\w+)/.exec(message)?.[1] ?? /Code ?= ?(CKR_\w+|\w+)/.exec(message)?.[1]
  return returned ?? message.replace(/&#10;[\s\S]*/, '').slice(0, 100)
}

/** Tests that did not pass, counted by function and reason, from pytest's report in XML. */
function reasons(report: string): Map<string, number> {
  const found = new Map<string, number>()
  const cases = /<testcase classname="[\w.]*?(\w+)\.\w+" name="(\w+)[^>]*>\s*<(?:failure|error) message="([^"]*)"/g
  for (const [, file, name, message = ''] of report.matchAll(cases)) {
    const reason = `${file} ${name}: ${reasonIn(message)}`
    found.set(reason, (found.get(reason) ?? 0) + 1)
  }
  return found
}

export async function pycryptoki(door: Door, sources: string | undefined): Promise<void> {
  if (sources === undefined || !existsSync(join(sources, 'tests/functional'))) {
    leftOut('pycryptoki is not there (its sources, with tests/functional, in $PYCRYPTOKI)')
    return
  }
  const python = '/usr/bin/python3'
  const modules = await said(python, ['-c', 'import pytest, future, six, hypothesis, mock, pytz'])
  if (!modules.good) {
    leftOut(
      'Python packages (Debian: python3-pytest python3-future python3-six python3-hypothesis python3-mock python3-tz)',
    )
    return
  }
  const aliases = join(door.folder, 'aliases')
  mkdirSync(aliases, { recursive: true })
  writeFileSync(join(aliases, 'sitecustomize.py'), ALIASES)
  const args = ['-m', 'pytest', '-q', '-rA', '--tb=line', '-p', 'no:cacheprovider', join(sources, 'tests/functional')]
  const slots = ['--slot=1', '--clo-slot=2', '--user=CO', `--copassword=${CHALLENGE}`, '--loglevel=error']
  const env = { ...door.env, PYTHONPATH: `${aliases}:${sources}`, PYTHONDONTWRITEBYTECODE: '1' }
  const report = join(door.folder, 'pycryptoki.xml')
  const { text } = await said(python, [...args, ...slots, `--junitxml=${report}`], { env, cwd: door.folder })
  const summary = text.trimEnd().split('\n').at(-1) ?? ''
  const passed = Number(/(\d+) passed/.exec(summary)?.[1] ?? 0)
  const xml = existsSync(report) ? readFileSync(report, 'utf8') : ''
  for (const [reason, count] of [...reasons(xml)].sort((a, b) => b[1] - a[1])) {
    process.stdout.write(`       ${count} not passed: ${reason}\n`)
  }
  check(passed >= LEAST, `pycryptoki's functional tests: ${summary}`, text.split('\n').slice(-30).join('\n'))
}
