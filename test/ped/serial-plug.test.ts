// A serial port that is there, goes away with its cable, and comes back.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import type { FrameLink } from '../../host/board/frame-link.js'
import { SerialLine, SerialPlug } from '../../host/ped/index.js'
import { insert, ManualClock, Script, secretOf, withDesk } from './desk.js'
import { HsmSide } from './hsm-side.js'
import { settle, Wire } from './wire.js'

const test = suite('ped: serial port')
const PRESENT_SO = { op: protocol.PED_OP_PRESENT, kind: protocol.PED_KIND_SO }
/** Milliseconds until a port that has gone is looked for again. */
const REOPEN = 1000

function last(links: readonly FrameLink[]): FrameLink {
  const link = links.at(-1)
  if (!link) throw new Error('there is no link')
  return link
}

test('the cable out in the middle of an entry: the port is opened again, and the PED serves on', () => {
  const operator = new Script()
  return withDesk(operator, async ({ ped }) => {
    const clock = new ManualClock()
    const links: FrameLink[] = []
    let wire = new Wire()
    let opened = 0
    let there = true
    const hsmEnd = () =>
      new SerialLine({ stream: wire.ends[0], role: 'hsm', clock, onLink: (link) => links.push(link) })
    let hsm = hsmEnd()
    const plug = await SerialPlug.plug({
      role: 'ped',
      clock,
      open: async () => {
        opened++
        if (!there) throw new Error('no such port')
        return wire.ends[1]
      },
      onLink: (link) => ped.connect(link),
    })
    await settle()
    assert.ok(plug.up)
    const first = new HsmSide(last(links))
    assert.ok(await first.hello())
    first.ask(PRESENT_SO)
    await operator.waiting

    there = false
    for (const end of wire.ends) end.destroy()
    await settle()
    assert.not(plug.up)
    assert.not(ped.connected)
    // Looked for each second while it is away.
    for (let second = 1; second <= 3; second++) {
      clock.advance(REOPEN)
      await settle()
      assert.is(opened, 1 + second)
    }
    wire = new Wire()
    hsm.close()
    hsm = hsmEnd()
    there = true
    clock.advance(REOPEN)
    await settle()
    assert.ok(plug.up)
    operator.more(insert('blue'))
    const again = new HsmSide(last(links))
    assert.ok(await again.hello())
    assert.equal((await again.request(PRESENT_SO)).secret, secretOf('blue'))
    await plug.close()
    assert.not(ped.connected)
    clock.advance(10 * REOPEN)
    await settle()
    assert.is(opened, 5, 'nobody looks for it any more')
    hsm.close()
  })
})

test('a port that is not there at first: an error, or waited for, as it was asked', async () => {
  const clock = new ManualClock()
  const wire = new Wire()
  let there = false
  const options = {
    role: 'ped',
    clock,
    open: async () => {
      if (!there) throw new Error('no such port')
      return wire.ends[1]
    },
    onLink: () => undefined,
  } as const
  let message = ''
  await SerialPlug.plug(options).catch((error: unknown) => {
    message = error instanceof Error ? error.message : ''
  })
  assert.is(message, 'no such port')
  const plug = await SerialPlug.whenThere(options)
  assert.not(plug.up)
  const hsm = new SerialLine({ stream: wire.ends[0], role: 'hsm', clock, onLink: () => undefined })
  there = true
  clock.advance(REOPEN)
  await settle()
  assert.ok(plug.up)
  await plug.close()
  hsm.close()
})

test.run()
