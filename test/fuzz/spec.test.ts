// The command table of SPEC.md, and what the fuzzer reads out of it.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { isAttributeList, NotationError, parseLayout, putTogether, takeApart } from './engine/layout.js'
import { Random } from './engine/random.js'
import { COMMAND_IDS, COMMANDS, commandOf } from './engine/spec.js'

const test = suite('fuzz: SPEC.md')

const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex')

test('every command of protocol.ts has one row, and every row is a command', () => {
  assert.equal(COMMANDS.map(({ name }) => name).sort(), [...COMMAND_IDS.keys()].sort())
  assert.is(commandOf(protocol.CMD_ROLE_LOGIN)?.sealed, 'always')
  assert.is(commandOf(protocol.CMD_OBJECT_CREATE)?.sealed, 'for keys')
  assert.is(commandOf(protocol.CMD_PARTITION_INIT)?.onBackup, false)
  assert.is(commandOf(protocol.CMD_PED_CONNECT)?.parks, true)
  assert.is(commandOf(protocol.CMD_STATUS)?.session, false)
})

test('a body is malformed where it is too short, too long, or a length in it goes beyond its end', () => {
  const layout = parseLayout('kind u8 (1 or 2), name bytes, n u16, n × {a u32, b b2}, rest attrs')
  const good = bytes('01 00000002 4142 0002 00000001 0102 00000002 0304 00000000')
  assert.is(takeApart(layout, good)?.length, 8)
  for (let length = 0; length < good.length; length++) assert.is(takeApart(layout, good.subarray(0, length)), undefined)
  assert.is(takeApart(layout, Buffer.concat([good, Buffer.of(0)])), undefined)
  for (const [at, value] of [
    [1, 0xff],
    [4, 3],
    [8, 3],
    [good.length - 1, 1],
  ] as const) {
    const changed = Buffer.from(good)
    changed.writeUInt8(value, at)
    assert.is(takeApart(layout, changed), undefined, `byte ${at}`)
  }
})

test('what is put together is taken apart again, for every command', () => {
  const random = new Random(1)
  for (const { name, request, answer } of COMMANDS) {
    for (const layout of [request, answer]) {
      const body = putTogether(layout, (field) => {
        if (field.kind === 'number')
          return field.name === 'n' || field.name === 'consumed' ? random.below(4) : random.u32()
        return random.bytes(field.kind === 'fixed' ? field.length : random.below(40))
      })
      assert.ok(takeApart(layout, body), name)
      assert.is(takeApart(layout, Buffer.concat([body, Buffer.of(0)])), undefined, name)
    }
  }
})

test('what is no layout is refused', () => {
  for (const text of ['x u12', 'x', 'u8 y z', 'a u8, b'])
    assert.throws(
      () => parseLayout(text),
      (error: unknown) => error instanceof NotationError,
    )
})

test('attribute lists', () => {
  const label = '00000003 00000001 41000000'
  const id = '00000102 00000004 01020304'
  assert.ok(isAttributeList(bytes('')))
  assert.ok(isAttributeList(bytes(label + id)))
  for (const bad of [
    id + label,
    label + label,
    label.replace('41000000', '41000001'),
    label.slice(0, -2),
    '00000003 00000005 41414141',
    '00000003 ffffffff',
  ]) {
    assert.not(isAttributeList(bytes(bad)), bad)
  }
})

test.run()
