// How the pages in docs/ are read, and held against what a shell prints.

import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { BashSession } from './bash-session.js'
import { isAsSaid, readPage } from './page.js'
import { PAGES } from './pages.js'

const test = suite('pages of docs')

const docs = fileURLToPath(new URL('../../../docs/', import.meta.url))

test('commands of several lines, what they print, and blocks of other kinds', () => {
  const page = '# A page\n\n```console\n$ cat <<END\n> one\n>\n> END\none\n\n$ true\n```\n\n```\n$ not this\n```\n'
  assert.equal(readPage(page), [
    { line: 4, command: 'cat <<END\none\n\nEND', output: ['one', ''] },
    { line: 10, command: 'true', output: [] },
  ])
  assert.throws(() => readPage('```console\nwhat is printed\n```\n'), /line 2/)
})

test('what is printed is what the page says, and nothing else', () => {
  assert.ok(isAsSaid([], ''))
  assert.ok(isAsSaid(['a+b', '  c'], 'a+b  \n  c\n\n'))
  assert.ok(isAsSaid(['[...]', 'last'], 'one\ntwo\nlast\n'))
  assert.ok(isAsSaid(['[...]'], ''))
  assert.ok(isAsSaid(['serial [...], label'], 'serial 42, label'))
  assert.not.ok(isAsSaid([], 'something'))
  assert.not.ok(isAsSaid(['a+b'], 'aab'))
  assert.not.ok(isAsSaid(['one'], 'one\ntwo'))
  assert.not.ok(isAsSaid(['serial [...], label'], 'serial 42\n, label'))
})

test('a shell keeps its variables and its folder, and tells of failures', async () => {
  const session = new BashSession({ ...process.env }, '/')
  try {
    await session.run('A=1; cd /tmp', 60_000)
    assert.equal(await session.run(`printf '%s\\n' "$A" "$PWD"; cat; echo bad >&2; false`, 60_000), {
      printed: '1\n/tmp\nbad\n',
      code: 1,
    })
    assert.equal(await session.run('echo two\necho lines', 60_000), { printed: 'two\nlines\n', code: 0 })
  } finally {
    await session.close()
  }
})

test('every page can be read and is carried out, and the README names it', () => {
  const pages = readdirSync(docs).map((file) => file.replace(/\.md$/, ''))
  // Another suite carries the lines of `ci` out, on a Debian of its own; a test of the command line those of `processes`.
  const elsewhere = ['ci', 'processes']
  const readme = readFileSync(`${docs}../README.md`, 'utf8')
  for (const name of pages) {
    const steps = readPage(readFileSync(`${docs}${name}.md`, 'utf8'))
    assert.is(steps.length > 0 && PAGES.some((page) => page.name === name), !elsewhere.includes(name), name)
    assert.ok(readme.includes(`docs/${name}.md`), name)
  }
})

test.run()
