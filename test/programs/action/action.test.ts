// The runner of composite actions, and the action of fixtures/ci as far as a computer carries it out that installs nothing.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FIXTURES, temporaryFolder } from '../../cli/support.js'
import { type RunActionOptions, readCommandFile, runAction } from './action.js'
import { readYaml } from './yaml.js'

const test = suite('composite action')

const ACTION = `name: A test
inputs:
  who:
    description: Anybody at #1
    default: 'the world'   # as usual
  none:
    default: ''
outputs:
  said:
    value: \${{ steps.say.outputs.said }}
runs:
  using: composite
  steps:
    - uses: somebody/else@v4
      with:
        version: 20
    - name: First
      shell: bash
      env:
        WHO: \${{ inputs.who }}
      run: |
        echo "WHO=$WHO" >>"$GITHUB_ENV"
        printf 'LINES<<END\\none\\ntwo\\nEND\\n' >>"$GITHUB_ENV"

        echo "$GITHUB_ACTION_PATH/bin" >>"$GITHUB_PATH"
        echo "::add-mask::secret"
    - id: say
      shell: bash
      run: |
        own
        echo "said=$LINES to $WHO" | tr '\\n' ' ' >>"$GITHUB_OUTPUT"
`

/** Carries an action out whose steps find a program \`own\` on their path. */
function carryOut(action: string, options: Partial<RunActionOptions> = {}) {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'action.yml'), action)
  mkdirSync(join(folder, 'bin'))
  writeFileSync(join(folder, 'bin', 'own'), '#!/bin/sh\necho own\n', { mode: 0o755 })
  const uses: string[] = []
  const ran = runAction({
    folder,
    work: temporaryFolder(),
    workspace: folder,
    env: { PATH: process.env.PATH },
    uses: (name, inputs) => uses.push(`${name} ${JSON.stringify(inputs)}`),
    ...options,
  })
  return { ...ran, uses, folder }
}

test('inputs, expressions, environment, path, outputs and masks go from step to step', () => {
  const { env, outputs, masks, uses, folder } = carryOut(ACTION)
  assert.equal(outputs, { said: 'one two to the world ' })
  assert.is(env.WHO, 'the world')
  assert.is(env.LINES, 'one\ntwo')
  assert.ok(env.PATH?.startsWith(`${folder}/bin:`), env.PATH)
  assert.equal(masks, ['secret'])
  assert.equal(uses, ['somebody/else@v4 {"version":"20"}'])
  assert.equal(carryOut(ACTION, { inputs: { who: "it's $me" } }).outputs, { said: "one two to it's $me " })
})

test('a step that fails, a command in a pipe that fails, an input and an expression that nobody knows', () => {
  assert.throws(() => carryOut(ACTION, { inputs: { what: '1' } }), /has no input "what"/)
  assert.throws(
    () => carryOut(ACTION.replace('steps.say.outputs', 'steps.no.outputs')),
    /steps\.no\.outputs\.said is not known/,
  )
  assert.throws(() => carryOut(ACTION.replace('        own\n', '        false | cat\n')), /has failed: code 1/)
  assert.throws(() => carryOut(ACTION.replace('      shell: bash\n      env', '      env')), /names its shell/)
  assert.throws(() => readCommandFile('A<<END\none\n'), /has no end/)
  assert.throws(() => readYaml('a: b\n what\n'), /line 2/)
})

test("fixtures/ci: the lab's step sets what `moonlet env` prints, with an npm and a moonlet that are made up", () => {
  const folder = join(FIXTURES, 'ci', 'action')
  const bin = temporaryFolder()
  const lines = "export MOONLET_TOKEN='a b'\nexport MOONLET_PIN='c$d'\nexport PKCS11_MODULE_PATH=/x.so\n"
  writeFileSync(join(bin, 'lines'), lines)
  writeFileSync(
    join(bin, 'moonlet'),
    `#!/bin/sh
echo "$*" >>'${bin}/log'
[ "$1" != env ] || cat '${bin}/lines'
`,
    { mode: 0o755 },
  )
  writeFileSync(join(bin, 'sudo'), '#!/bin/sh\n', { mode: 0o755 })
  // As npm 10 does: what the build says comes first, the name of the package last.
  writeFileSync(
    join(bin, 'npm'),
    `#!/bin/sh
for last; do :; done
case $1 in
  pack) echo "build: firmware up to date"; : >"$last/moonlet-0.1.0.tgz"; echo moonlet-0.1.0.tgz ;;
  install) test -f "$last" ;;
esac
`,
    { mode: 0o755 },
  )
  const { env, outputs, masks } = runAction({
    folder,
    work: temporaryFolder(),
    workspace: bin,
    inputs: { lab: 'a lab.toml' },
    env: { PATH: `${bin}:${process.env.PATH}` },
    uses: (name) => assert.match(name, /^actions\/setup-node@v\d+$/),
  })
  assert.equal(outputs, { token: 'a b', module: '/x.so' })
  assert.equal([env.MOONLET_TOKEN, env.MOONLET_PIN, env.PKCS11_MODULE_PATH], ['a b', 'c$d', '/x.so'])
  assert.equal(masks, ['c$d'])
  assert.is(readFileSync(join(bin, 'log'), 'utf8'), 'up a lab.toml\nenv\n')
})

test.run()
