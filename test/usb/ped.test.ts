// test-timeout: 120
// The cable to a remote PED inside the USB cable.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  AUTH_PED,
  CKA_TOKEN,
  CKA_VALUE_LEN,
  CKM_AES_KEY_GEN,
  PED_MAX_FRAME,
  ROLE_CRYPTO_OFFICER,
} from '../../assembly/protocol.js'
import { type FrameLink, frameCable } from '../../host/board/index.js'
import { attribute } from '../../host/client/index.js'
import { type PedSocket, UsbTransport } from '../../host/usb/index.js'
import { run } from '../lunacm/fake-lab.js'
import { CABLES, type PluggedIn, until } from './cables.js'
import { EchoDoor, isPending, rejects } from './support.js'
import { BACKUP_SLOT, UsbLab } from './usb-lab.js'

const SEED = Math.floor(Math.random() * 2 ** 32)

/** A board's remote connector. */
class Socket implements PedSocket {
  link: FrameLink | undefined
  readonly got: Buffer[] = []
  closed = 0

  attachPed(_: 'remote', link: FrameLink): void {
    if (this.link) throw new Error('there is a PED')
    this.link = link
    link.onFrame((frame) => this.got.push(Buffer.from(frame)))
    link.onClose(() => {
      this.link = undefined
      this.closed += 1
    })
  }

  detachPed(): void {
    this.link?.close()
    this.link = undefined
  }
}

for (const cable of CABLES) {
  const test = suite(`usb: remote PED, ${cable.name}`)
  let plugged: PluggedIn
  let socket: Socket
  let transport: UsbTransport
  test.before.each(async () => {
    socket = new Socket()
    plugged = await cable.plug(new EchoDoor(), socket)
    transport = await UsbTransport.open(plugged.device)
  })
  test.after.each(async () => {
    await transport.close()
    await plugged.close()
  })

  /** A PED's end of a link, what came to it, and whether it was closed. */
  function ped(): { near: FrameLink; far: FrameLink; got: Buffer[]; closed(): boolean } {
    const [near, far] = frameCable()
    const got: Buffer[] = []
    let closed = false
    far.onFrame((frame) => got.push(Buffer.from(frame)))
    far.onClose(() => {
      closed = true
    })
    return { near, far, got, closed: () => closed }
  }

  test('frames go both ways, whole and in order', async () => {
    const { near, far, got } = ped()
    await transport.plugPed(near)
    const sent = Array.from({ length: 40 }, (_, i) => Buffer.alloc(1 + ((i * 67) % PED_MAX_FRAME), i))
    for (const frame of sent) {
      socket.link?.send(frame)
      far.send(frame)
    }
    await until(() => got.length === sent.length && socket.got.length === sent.length)
    assert.equal(got, sent)
    assert.equal(socket.got, sent)
  })

  test('a PED is pulled out at either end', async () => {
    const first = ped()
    await transport.plugPed(first.near)
    await transport.unplugPed()
    await until(first.closed)
    assert.equal([socket.link, socket.closed], [undefined, 1])

    const second = ped()
    await transport.plugPed(second.near)
    second.far.close()
    await until(() => socket.closed === 2)

    const third = ped()
    await transport.plugPed(third.near)
    socket.link?.close()
    await until(third.closed)

    const fourth = ped()
    await transport.plugPed(fourth.near)
    await plugged.unplug()
    await until(fourth.closed)
    assert.is(socket.link, undefined)
  })

  test('one PED at a time, and the next one after it', async () => {
    const [near] = frameCable()
    socket.attachPed('remote', near)
    const refused = ped()
    await rejects('USB_PED', transport.plugPed(refused.near))
    await until(refused.closed)
    socket.detachPed()
    const first = ped()
    await transport.plugPed(first.near)
    const other = ped()
    await rejects('USB_PED', transport.plugPed(other.near))
    await until(other.closed)
    assert.not(first.closed())
    // Another user of the cable finds none.
    await transport.close()
    await until(first.closed)
    transport = await UsbTransport.open(plugged.device)
    await transport.plugPed(ped().near)
  })

  test('the device is pulled while the cable is plugged in', async () => {
    const { near, closed } = ped()
    const transferOut = plugged.device.controlTransferOut.bind(plugged.device)
    for (const [at, code] of [
      ['NetworkError', 'USB_PED'],
      ['NotFoundError', 'TRANSPORT_REMOVED'],
    ] as const) {
      plugged.device.controlTransferOut = () => Promise.reject(new DOMException('as a host says it', at))
      await rejects(code, transport.plugPed(near))
      await until(closed)
    }
    plugged.device.controlTransferOut = transferOut
    const gone = plugged.unplug()
    await rejects('TRANSPORT_REMOVED', transport.plugPed(ped().near))
    await gone
    await rejects('TRANSPORT_REMOVED', transport.plugPed(ped().near))
  })

  test('a link that nobody fetches from ends, and commands are not held up', async () => {
    const { near } = ped()
    await transport.plugPed(near)
    const { link } = socket
    for (let i = 0; i < 100; i++) link?.send(Buffer.alloc(100, i))
    assert.is(socket.closed, 1)
    assert.not(await isPending(until(() => socket.link === undefined)))
  })

  test.run()
}

const whole = suite(`usb: ped connect of lunacm, seed ${SEED}`)

whole('an HSM whose PED is at the workstation: log-in, backup, restore over one USB cable', async () => {
  const lab = await UsbLab.make(AUTH_PED, SEED)
  try {
    const made = await run(lab, [
      'hsm init -label card -force',
      'role login -name so',
      'partition create -slot 1',
      'slot set slot 1',
      'partition init -label SA52_P1 -force',
      'role login -name po',
      'role init -name co',
    ])
    assert.is(made.code, 0, made.transcript.join('\n'))
    // At its own connector the HSM gets its orange key; from then on its PED is far away.
    const begun = await run(lab.real, [
      `slot set slot ${BACKUP_SLOT}`,
      'hsm init -label Backup -force',
      'role login -name so',
      'ped vector init -force',
    ])
    assert.is(begun.code, 0, begun.transcript.join('\n'))
    lab.real.backup.board.detachPed('local')
    const { card } = lab.real.clients
    const session = await card.openSession(1)
    await card.roles.login(session, ROLE_CRYPTO_OFFICER, '')
    for (let i = 0; i < 5; i++) {
      await card.objects.generate(session, CKM_AES_KEY_GEN, [
        attribute.bool(CKA_TOKEN, true),
        attribute.ulong(CKA_VALUE_LEN, 32),
      ])
    }
    await lab.plugIn('proxy')
    const connect = `ped connect ip 192.20.10.190 -slot ${BACKUP_SLOT}`
    const { code, transcript } = await run(lab, [
      'slot set slot 1',
      'role login -name co',
      connect,
      `ped get -slot ${BACKUP_SLOT}`,
      `partition archive backup -slot ${BACKUP_SLOT} -partition P`,
      `partition archive restore -slot ${BACKUP_SLOT} -partition P -replace -force`,
    ])
    assert.is(code, 0, transcript.join('\n'))
    assert.ok(transcript.some((line) => line.includes('remote PED (PED id=100)')))
    assert.ok(transcript.includes('        5 objects have been backed up to partition P'), transcript.join('\n'))
    assert.ok(transcript.some((line) => line.includes('5 objects have been restored')))
    assert.ok(lab.events.some(({ event, detail }) => event === 'attend' && detail === 1))
    await lab.letGo()

    // The next run of lunacm begins without a PED, connects it, and without it the HSM lets nobody in.
    await lab.plugIn('directly')
    const again = await run(lab, [
      `slot set slot ${BACKUP_SLOT}`,
      connect,
      'role login -name so',
      'role logout',
      'ped disconnect -force',
      'role login -name so',
    ])
    const results = again.transcript.filter((line) => line.startsWith('Command Result'))
    assert.equal(
      results.map((line) => line.includes('No Error')),
      [true, true, true, true, true, false],
      again.transcript.join('\n'),
    )
    await lab.letGo()
  } finally {
    await lab.close()
  }
})

whole.run()
