import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PED_KIND_AUDIT, PED_KIND_SO } from '../../assembly/protocol.js'
import {
  blankPedKey,
  decodePedKey,
  encodePedKey,
  PedError,
  type PedErrorCode,
  type PedKey,
  PedKeyBox,
} from '../../host/ped/index.js'
import { secretOf } from './desk.js'

const key: PedKey = {
  colour: 'blue',
  label: 'HSM SO',
  content: { kind: PED_KIND_SO, secret: secretOf('key'), pin: true },
}
const text = encodePedKey(key)

/** The PedError that `action` ends in. */
function refusal(action: () => unknown): PedError {
  try {
    action()
  } catch (error) {
    if (error instanceof PedError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

async function rejection(promise: Promise<unknown>): Promise<PedErrorCode> {
  try {
    await promise
  } catch (error) {
    if (error instanceof PedError) return error.code
    throw error
  }
  throw new Error('nothing was refused')
}

const files = suite('ped: key files')

files('a key comes back as it was written', () => {
  assert.equal(decodePedKey(text, 'file'), key)
  const blank = blankPedKey('none', '')
  assert.equal(decodePedKey(encodePedKey(blank), 'file'), blank)
})

files('property: every key comes back as it was written', () => {
  const plain = { noNullPrototype: true }
  const anyKey = fc.record(
    {
      colour: fc.constantFrom('blue', 'black', 'gray', 'red', 'orange', 'purple', 'white', 'none'),
      label: fc.stringMatching(/^[ -~]{0,32}$/),
      content: fc.option(
        fc.record(
          {
            kind: fc.integer({ min: PED_KIND_SO, max: PED_KIND_AUDIT }),
            secret: fc.uint8Array({ minLength: 48, maxLength: 48 }).map((bytes) => Buffer.from(bytes)),
            pin: fc.boolean(),
          },
          plain,
        ),
        { nil: undefined },
      ),
    },
    plain,
  ) satisfies fc.Arbitrary<PedKey>
  fc.assert(fc.property(anyKey, (any) => assert.equal(decodePedKey(encodePedKey(any), 'file'), any)))
})

files('a file cut short anywhere is refused', () => {
  for (let length = 0; length < text.trimEnd().length; length++) {
    assert.is(
      refusal(() => decodePedKey(text.slice(0, length), 'file')).code,
      'PED_KEY_INVALID',
      `${length} characters`,
    )
  }
})

files('property: a changed character never gives another secret, kind or PIN flag', () => {
  fc.assert(
    fc.property(fc.nat({ max: text.length - 1 }), fc.integer({ min: 32, max: 126 }), (at, code) => {
      const changed = text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1)
      let read: PedKey
      try {
        read = decodePedKey(changed, 'file')
      } catch (error) {
        assert.instance(error, PedError)
        return
      }
      assert.equal(read.content, key.content)
    }),
    { numRuns: 2000 },
  )
})

files('wrong fields are refused with a reason', () => {
  const good: Record<string, unknown> = JSON.parse(text)
  const cases: [change: Record<string, unknown>, reason: RegExp, code?: PedErrorCode][] = [
    [{ format: 'something else' }, /not a PED key file/],
    [{ version: 4 }, /newer version/, 'PED_KEY_VERSION'],
    [{ version: '1' }, /version number/],
    [{ kind: 'butler' }, /kind of PED key/],
    [{ kind: 'so ' }, /kind of PED key/],
    [{ kind: 'user' }, /check value/],
    [{ kind: 'blank' }, /"secret"/],
    [{ kind: 'blank', secret: '' }, /no PIN/],
    [{ colour: 'pink' }, /"colour"/],
    [{ label: 'x'.repeat(33) }, /"label"/],
    [{ label: '\u001b[2J' }, /"label"/],
    [{ pin: 'no' }, /"pin"/],
    [{ pin: false }, /check value/],
    [{ secret: 'ab' }, /"secret"/],
    [{ secret: 'G'.repeat(96) }, /"secret"/],
    [{ secret: 12 }, /"secret"/],
    [{ check: '' }, /check value/],
    [{ remark: 'mine' }, /does not belong/],
  ]
  for (const [change, reason, code = 'PED_KEY_INVALID'] of cases) {
    const error = refusal(() => decodePedKey(JSON.stringify({ ...good, ...change }), 'file'))
    assert.is(error.code, code, JSON.stringify(change))
    assert.match(error.message, reason)
    assert.ok(error.message.startsWith('file: '))
  }
  for (const other of ['[]', 'null', '"text"', '', 'x'.repeat(5000)]) {
    assert.is(refusal(() => decodePedKey(other, 'file')).code, 'PED_KEY_INVALID')
  }
})

files('no error quotes the secret', () => {
  const secret = secretOf('key').toString('hex')
  for (const damaged of [
    text.replace('true', 'fals'),
    text.replace('"so"', '"user"'),
    text.slice(0, -5),
    text.replace(/check.*/, ''),
  ]) {
    const error = refusal(() => decodePedKey(damaged, 'file'))
    assert.not(`${error.message} ${error.stack} ${error.cause}`.includes(secret.slice(0, 16)))
  }
})

files('what could not be read back is not written', () => {
  const content = { kind: PED_KIND_SO, secret: secretOf('key'), pin: false }
  const bad: PedKey[] = [
    { ...key, label: 'x'.repeat(33) },
    { ...key, content: { ...content, kind: 99 } },
    { ...key, content: { ...content, secret: Buffer.alloc(47) } },
  ]
  for (const each of bad) assert.is(refusal(() => encodePedKey(each)).code, 'PED_KEY_INVALID')
})

files.run()

interface Context {
  folder: string
  box: PedKeyBox
}
const boxes = suite<Context>('ped: box')

boxes.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), 'moonlet-box-'))
  context.box = new PedKeyBox(context.folder)
})
boxes.after.each(({ folder }) => rm(folder, { recursive: true }))

boxes('lists what lies in it, without secrets, and says which key cannot be read', async ({ folder, box }) => {
  await box.add('blue', key)
  await box.add('blank', blankPedKey('black', 'spare'))
  await writeFile(join(folder, 'broken.json'), text.slice(0, 40))
  await writeFile(join(folder, 'notes.txt'), 'not a key')
  assert.equal(await box.names(), ['blank', 'blue', 'broken'])
  assert.equal(await box.list(), [
    { name: 'blank', colour: 'black', label: 'spare', kind: undefined, pin: false, fault: undefined },
    { name: 'blue', colour: 'blue', label: 'HSM SO', kind: PED_KIND_SO, pin: true, fault: undefined },
    { name: 'broken', colour: 'none', label: '', kind: undefined, pin: false, fault: 'PED_KEY_INVALID' },
  ])
})

boxes('a key is written whole, readable for its owner only, and no scraps are left', async ({ folder, box }) => {
  await box.add('blue', blankPedKey('blue'))
  await box.write('blue', key)
  assert.equal(await box.read('blue'), key)
  assert.equal(await readdir(folder), ['blue.json'])
  assert.is((await stat(join(folder, 'blue.json'))).mode & 0o777, 0o600)
})

boxes('a key that cannot be written leaves the old one', async ({ folder, box }) => {
  await box.add('blue', key)
  assert.is(await rejection(box.write('blue', { ...key, label: 'x'.repeat(99) })), 'PED_KEY_INVALID')
  assert.equal(await box.read('blue'), key)
  assert.equal(await readdir(folder), ['blue.json'])
})

boxes('an existing key is not added again, a missing one not read', async ({ box }) => {
  await box.add('blue', key)
  assert.is(await rejection(box.add('blue', blankPedKey('blue'))), 'PED_KEY_EXISTS')
  assert.equal(await box.read('blue'), key)
  assert.is(await rejection(box.read('green')), 'PED_KEY_NOT_FOUND')
})

boxes('no name leads out of the box', async ({ box }) => {
  for (const name of ['', '.', '..', '../blue', 'a/b', 'x'.repeat(33), '.hidden', 'a\0b']) {
    assert.is(await rejection((async () => box.read(name))()), 'PED_KEY_NAME_INVALID', name)
    assert.is(await rejection(box.add(name, key)), 'PED_KEY_NAME_INVALID', name)
  }
})

boxes.run()
