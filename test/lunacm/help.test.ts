import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { commandName } from '../../host/lunacm/command.js'
import { COMMANDS } from '../../host/lunacm/commands/index.js'
import { run, seedLab } from './fake-lab.js'

const test = suite('lunacm help')

test('help lists every command, and every command explains itself', async () => {
  const { slots } = seedLab()
  const { transcript, code } = await run(slots, ['help', ...COMMANDS.map((one) => `${commandName(one)} ?`)])
  assert.is(code, 0)
  for (const command of COMMANDS) {
    assert.ok(
      transcript.some((line) => line.startsWith(`        Syntax: ${commandName(command)}`)),
      commandName(command),
    )
    assert.ok(transcript.some((line) => line.endsWith(command.help)))
  }
  const one = await run(slots, ['help partition archive', 'help nonsense'])
  assert.is(one.transcript.filter((line) => /archive \(ar\)/.test(line)).length, 5)
  assert.is(one.code, 1)
})

test('a lone question mark is help, and a group without its command lists its commands', async () => {
  const { slots } = seedLab()
  const shown = async (line: string) => {
    const { transcript, code } = await run(slots, [line])
    assert.is(code, 0, line)
    return transcript.slice(1)
  }
  assert.equal(await shown('?'), await shown('help'))
  assert.equal(await shown('? role'), await shown('help role'))
  for (const [line, group, first] of [
    ['role', 'role', 'role (ro) login (logi)'],
    ['PAR', 'partition', 'partition (par) init (in)'],
    ['partition archive', 'partition archive', 'partition (par) archive (ar) backup (b)'],
    ['s ?', 'slot', 'slot (s) list (l)'],
  ] as const) {
    const rows = (await shown(line)).filter((row) => / \([a-z]+\) /.test(row))
    assert.ok(rows[0]?.startsWith(`        ${first} `), line)
    assert.is(rows.length, COMMANDS.filter((one) => commandName(one).startsWith(`${group} `)).length, line)
  }
  // With one command below it there is only one thing to say.
  assert.equal(await shown('ped vector'), await shown('ped vector init ?'))
  for (const line of ['role dance', 'dance', 'par dance ?', 'role -name co', '"role"']) {
    const { transcript, code } = await run(slots, [line])
    assert.is(code, 1, line)
    assert.match(transcript.join('\n'), 'is not a command.', line)
  }
})

test.run()
