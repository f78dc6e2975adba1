import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HELP, readOptions, UsageError } from '../../bench/harness/command-line.js'

const test = suite('command line of the benchmark')

const IDS = ['kw32-vs-node', 'boot', 'growth-100k']

test('without options every row is measured', () => {
  assert.equal(readOptions([], IDS), {
    only: IDS,
    list: false,
    quick: false,
    json: undefined,
    dir: resolve(tmpdir()),
    require: false,
    gate: false,
    help: false,
  })
})

test('rows follow --only, with or without commas and further options', () => {
  const forms = [
    ['--only', 'boot', 'growth-100k', '--quick'],
    ['--only', 'boot', '--quick', 'growth-100k'],
    ['--quick', '--only', 'boot,growth-100k'],
    ['--only=boot', '--only=growth-100k', '--quick'],
  ]
  for (const form of forms) {
    const { only, quick } = readOptions(form, IDS)
    assert.equal([only, quick], [['boot', 'growth-100k'], true], form.join(' '))
  }
})

function refusal(args: readonly string[]): string {
  try {
    readOptions(args, IDS)
  } catch (error) {
    assert.instance(error, UsageError)
    return error instanceof Error ? error.message : ''
  }
  return assert.unreachable(args.join(' ')) ?? ''
}

test('a row that there is not is named, and so are those that there are', () => {
  const message = refusal(['--only', 'boot', 'kw33-vs-node'])
  assert.match(message, 'There is no row kw33-vs-node')
  for (const id of IDS) assert.match(message, `\n  ${id}`)
})

test('lines typed wrong are refused', () => {
  assert.match(refusal(['boot']), "Unexpected argument 'boot'")
  assert.match(refusal(['--only', '']), '--only')
  assert.match(refusal(['--only']), '--only')
  assert.match(refusal(['--json', '']), '--json')
  assert.match(refusal(['--slow']), '--slow')
})

test('the help names every option and fits 80 columns', () => {
  for (const name of ['only', 'list', 'quick', 'json', 'dir', 'require', 'gate', 'help'])
    assert.match(HELP, `--${name}`)
  for (const line of HELP.split('\n')) assert.ok(line.length <= 80, line)
})

test.run()
