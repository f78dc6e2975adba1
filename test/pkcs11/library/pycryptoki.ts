// pycryptoki, the vendor's own open-source binding, with our library: its functional tests, unchanged, counted.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CHALLENGE, check, type Door, leftOut, said } from './support.js'

/** Fewer than this many passed before: what passes now must not be lost. */
const LEAST = 380

/** Its sources name types at a place that Python 3.10 took away. */
const ALIASES = `import collections
import collections.abc

for name in ("Iterable", "Mapping", "MutableMapping", "Sequence", "Callable"):
    if not hasattr(collections, name):
        setattr(collections, name, getattr(collections.abc, name))
`

/** What of a message says why a test did not pass. */
const REASONS = [
  /Function: (\w+)[\s\S]*?Error: ([\w=]+)/,
  /Instead returned:?\s*(CKR_\w+)/,
  /Differing items:\s*(\{\d+: .*?\} != \{\d+: .*?\})/,
  /undefined symbol: (\w+)/,
]

const text = (escaped: string): string =>
  escaped.replaceAll('&#10;', '\n').replaceAll('&#9;', '\t').replaceAll('&quot;', '"').replaceAll('&amp;', '&')

function reasonIn(message: string): string {
  for (const pattern of REASONS) {
    const found = pattern.exec(message)
    if (found) return found.slice(1).join(' ')
  }
  return (message.split('\n')[0] ?? '').slice(0, 120)
}

/** Tests that did not pass, counted by function and reason, from pytest's report in XML. */
function reasons(report: string): [string, number][] {
  const found = new Map<string, number>()
  const cases = /<testcase classname="[\w.]*?(\w+)\.\w+" name="(\w+)[^>]*>\s*<(failure|error|skipped) ([^>]*)>/g
  for (const [, file, name, what = '', attributes = ''] of report.matchAll(cases)) {
    if (attributes.includes('pytest.xfail')) continue
    const message = text(/message="([^"]*)"/.exec(attributes)?.[1] ?? '')
    const reason = `${what === 'skipped' ? 'skipped' : 'failed '} ${file} ${name}: ${reasonIn(message)}`
    found.set(reason, (found.get(reason) ?? 0) + 1)
  }
  return [...found].sort(([one, few], [other, many]) => many - few || one.localeCompare(other))
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
  const args = ['-m', 'pytest', '-q', '--tb=line', '-p', 'no:cacheprovider', join(sources, 'tests/functional')]
  const slots = ['--slot=1', '--clo-slot=2', '--user=CO', `--copassword=${CHALLENGE}`, '--loglevel=error']
  const env = { ...door.env, PYTHONPATH: `${aliases}:${sources}`, PYTHONDONTWRITEBYTECODE: '1' }
  const report = join(door.folder, 'pycryptoki.xml')
  const { text: output } = await said(python, [...args, ...slots, `--junitxml=${report}`], { env, cwd: door.folder })
  const summary = output.trimEnd().split('\n').at(-1) ?? ''
  const passed = Number(/(\d+) passed/.exec(summary)?.[1] ?? 0)
  const xml = existsSync(report) ? readFileSync(report, 'utf8') : ''
  for (const [reason, count] of reasons(xml)) {
    process.stdout.write(`${String(count).padStart(6)} ${reason}\n`)
  }
  check(passed >= LEAST, `pycryptoki's functional tests: ${summary}`, output.split('\n').slice(-30).join('\n'))
}
