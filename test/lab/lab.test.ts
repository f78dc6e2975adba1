import { closeSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FLASH_LOG, FLASH_SECTOR, FLASH_SUPERBLOCK_A, PED_KEY_TIMEOUT } from '../../assembly/protocol.js'
import { Lab, type RecordedFrame, standardPlan, useLab } from '../../host/lab/index.js'
import { CHALLENGE, failure, lunacm, newLab, OPERATOR_RULES } from './support.js'

const test = suite('lab')

const LOGIN = ['role login -name co', CHALLENGE]
const results = (transcript: string) => transcript.split('\n').filter((line) => line.startsWith('Command Result'))

test('one user at a time: the second is told, and the first is not disturbed', async () => {
  const stateDir = await newLab()
  const lab = await Lab.open(stateDir)
  const error = await failure(Lab.open(stateDir))
  assert.is(error.code, 'STATE_LOCKED')
  assert.match(error.message, String(process.pid))
  assert.is((await lunacm(lab, ['slot list'])).code, 0)
  await lab.close()
  await (await Lab.open(stateDir)).close()
})

test('a view, an HSM or a slot that is not there is refused with what there is', async () => {
  const stateDir = await newLab()
  const view = await failure(Lab.open(stateDir, { view: 'nowhere' }))
  assert.is(view.code, 'LAB_VIEW_UNKNOWN')
  assert.match(view.message, 'lunacm-6, lunacm-7')
  assert.is((await failure(Lab.open(stateDir, { localPed: 'nothing' }))).code, 'LAB_HSM_UNKNOWN')
  assert.is((await failure(Lab.open(stateDir, { rules: '/nowhere.json' }))).code, 'OPERATOR_RULES_INVALID')
  const lab = await Lab.open(stateDir)
  const slot = await failure(lab.slot(7))
  assert.is(slot.code, 'LAB_SLOT_UNKNOWN')
  assert.match(slot.message, '1, 2')
  await lab.close()
})

test('the PED answers at its addresses only, and serves one HSM at a time', async () => {
  const stateDir = await newLab()
  await useLab(stateDir, {}, async (lab) => {
    const { transcript } = await lunacm(lab, [
      'ped connect ip 127.0.0.2',
      'ped connect ip 192.20.10.190 -port 1504',
      'ped get',
      'ped connect ip 192.20.10.190 -port 1503',
      'ped connect ip 192.20.10.189 -slot 2',
      'ped get -slot 2',
      'ped disconnect -force',
      'ped connect ip LOCALHOST -slot 2',
      'ped get -slot 2',
      'ped get',
    ])
    assert.match(transcript, 'No PED server answers at 127.0.0.2, port 1503.')
    assert.match(transcript, 'No PED server answers at 192.20.10.190, port 1504.')
    assert.match(transcript, 'The PED serves the HSM "network": disconnect it there first.')
    const unable = 'Command Result : 0x8000001f (CKR_UNABLE_TO_CONNECT)'
    const fine = 'Command Result : No Error'
    assert.equal(results(transcript), [unable, unable, fine, fine, unable, fine, fine, fine, fine, fine])
    const heard = transcript.split('\n').filter((line) => line.includes('listening'))
    assert.equal(
      heard.map((line) => line.trim()),
      [
        'HSM slot 1 listening to local PED (PED id=0).',
        'HSM slot 2 listening to local PED (PED id=0).',
        'HSM slot 2 listening to remote PED (PED id=100).',
        'HSM slot 1 listening to local PED (PED id=0).',
      ],
    )
  })
})

test('without a PED an HSM that needs one says so, and nothing has changed', async () => {
  const stateDir = await newLab()
  await useLab(stateDir, {}, async (lab) => {
    const { code, transcript } = await lunacm(lab, [...LOGIN, 'partition archive backup -slot 2 -partition SAbck1'])
    assert.is(code, 1)
    assert.is(results(transcript).at(-1), 'Command Result : 0x8000002e (CKR_PED_UNPLUGGED)')
    assert.equal(await lab.hsm('backup').console.partitions.list(), [])
  })
})

test('a PED at the HSM’s own connector serves it as well', async () => {
  const stateDir = await newLab()
  await useLab(stateDir, { localPed: 'backup' }, async (lab) => {
    const { code, transcript } = await lunacm(lab, [...LOGIN, 'partition archive backup -slot 2 -partition SAbck1'])
    assert.is(code, 0, transcript)
    assert.match(transcript, '0 objects have been backed up to partition SAbck1')
    // It has one cable: whoever wants it elsewhere has to unplug it.
    assert.match((await lunacm(lab, ['ped connect ip localhost'])).transcript, 'The PED serves the HSM "backup"')
  })
})

test('where nobody is at the PED the HSM gives up when its time is over', async () => {
  const stateDir = await newLab()
  let asked = (): void => undefined
  const question = new Promise<void>((resolve) => {
    asked = resolve
  })
  const options = {
    rules: join(OPERATOR_RULES, 'nobody.json'),
    boards: { clock: { virtualFrom: Date.now() } },
    onPedEvent: ({ event }: { readonly event: string }) => {
      if (event === 'question') asked()
    },
  }
  await useLab(stateDir, options, async (lab) => {
    const session = lunacm(lab, ['ped connect ip localhost', 'ped get'])
    await question
    await lab.hsm('network').token.advance(PED_KEY_TIMEOUT)
    const { transcript } = await session
    assert.is(results(transcript)[0], 'Command Result : 0x80000024 (CKR_TIMEOUT)')
    assert.match(transcript, 'listening to local PED (PED id=0)')
    assert.not.ok(lab.desk.ped.connected)
  })
})

test('rules of one’s own come before the lab’s, which answer all else', async () => {
  const stateDir = await newLab()
  const backup = (name: string) => [
    ...LOGIN,
    'ped connect ip localhost -slot 2',
    `partition archive backup -slot 2 -par ${name}`,
  ]
  await useLab(stateDir, { rules: join(OPERATOR_RULES, 'cancels.json') }, async (lab) => {
    const { transcript } = await lunacm(lab, backup('first'))
    assert.match(results(transcript)[1] ?? '', 'CKR_FUNCTION_CANCELED')
    assert.is((await lunacm(lab, backup('second'))).code, 0)
  })
  await useLab(stateDir, { rules: join(OPERATOR_RULES, 'wrong-key.json') }, async (lab) => {
    assert.is((await lunacm(lab, backup('third'))).code, 0)
    const refused = lab.desk.ped.events.filter((event) => event.event === 'key' && event.refused === 'wrong kind')
    assert.is(refused.length, 1)
  })
})

test('another red key is another domain: nothing is cloned, and the empty partition stays', async () => {
  const stateDir = await newLab()
  await useLab(stateDir, { rules: join(OPERATOR_RULES, 'other-domain.json') }, async (lab) => {
    const { client, partition } = await lab.slot(1)
    const session = await client.openSession(partition)
    await client.roles.login(session, 2, CHALLENGE)
    await client.objects.create(session, [
      { type: 0, value: Uint8Array.of(0, 0, 0, 0) },
      { type: 1, value: Uint8Array.of(1) },
    ])
    const { code, transcript } = await lunacm(lab, [
      'role login -name co',
      CHALLENGE,
      'ped connect ip localhost -slot 2',
      'partition archive backup -slot 2 -par SAbck1',
    ])
    assert.is(code, 1)
    assert.is(results(transcript).at(-1), 'Command Result : 0x8000000b (CKR_CERTIFICATE_DATA_INVALID)')
    const [container] = await lab.hsm('backup').console.partitions.list()
    assert.is(container?.label, 'SAbck1')
    assert.is(container?.objects, 0)
  })
})

test('a PCIe HSM is a slot more, and partitions made on it come in the next free ones', async () => {
  const stateDir = await newLab(standardPlan({ pcie: true }))
  await useLab(stateDir, {}, async (lab) => {
    const ids = async () => (await lab.slots()).map(({ id, kind }) => `${id} ${kind}`).sort()
    assert.equal(await ids(), ['1 network', '103 pcie', '2 pcie', '3 backup'])
    const { code, transcript } = await lunacm(lab, [
      'slot set slot 103',
      'ped connect ip localhost',
      'role login -name so',
      'partition create -slot 4',
      'slot set slot 4',
      'partition init -label made -force',
      'slot list',
    ])
    assert.is(code, 0, transcript)
    assert.match(transcript, 'HSM Label ->            made')
    assert.equal(await ids(), ['1 network', '103 pcie', '2 pcie', '3 backup', '4 pcie'])
  })
})

test('the recorder sees every frame on every cable, both ways', async () => {
  const stateDir = await newLab(standardPlan({ pcie: true }))
  const frames: RecordedFrame[] = []
  await useLab(stateDir, { recorder: (frame) => frames.push(frame) }, async (lab) => {
    await lunacm(lab, ['ped connect ip localhost', ...LOGIN, 'slot list'])
  })
  const cables = new Set(frames.map(({ cable, direction }) => `${cable} ${direction}`))
  for (const cable of ['ntls:network', 'pcie:pcie', 'usb:backup', 'ped:network']) {
    assert.ok(cables.has(`${cable} to HSM`), cable)
    assert.ok(cables.has(`${cable} from HSM`), cable)
  }
})

test('a damaged flash image puts its HSM out of order; the others work, and nothing is made anew', async () => {
  const stateDir = await newLab()
  const image = join(stateDir, 'hsm-backup', 'flash.img')
  const fd = openSync(image, 'r+')
  const noise = Buffer.alloc(FLASH_SECTOR, 0x5a)
  for (let sector = FLASH_SUPERBLOCK_A; sector <= FLASH_LOG; sector++)
    writeSync(fd, noise, 0, noise.length, sector * FLASH_SECTOR)
  closeSync(fd)
  const damaged = readFileSync(image)
  await useLab(stateDir, {}, async (lab) => {
    const { transcript, code } = await lunacm(lab, [
      ...LOGIN,
      'partition archive backup -slot 2 -partition SAbck1',
      'partition contents',
    ])
    assert.is(code, 1)
    assert.match(transcript, /HSM Status -> {11}Error \(0x3000/)
    assert.match(results(transcript)[1] ?? '', 'CKR_DEVICE_ERROR')
    assert.is(results(transcript)[2], 'Command Result : No Error')
  })
  assert.ok(readFileSync(image).equals(damaged))
})

test('a flash image of the wrong size keeps the lab closed, with the file named', async () => {
  const stateDir = await newLab()
  const image = join(stateDir, 'hsm-network', 'flash.img')
  truncateSync(image, FLASH_SECTOR + 1)
  const error = await failure(Lab.open(stateDir))
  assert.is(error.code, 'STATE_DAMAGED')
  assert.match(error.message, image)
  // The HSMs that had started are switched off again.
  assert.is((await failure(Lab.open(stateDir))).code, 'STATE_DAMAGED')
})

test('work that is given up ends with the lab', async () => {
  const stateDir = await newLab()
  const controller = new AbortController()
  const working = useLab(stateDir, { signal: controller.signal }, async () => {
    controller.abort()
    await new Promise(() => undefined)
  })
  assert.is((await failure(working)).code, 'LAB_CANCELLED')
  await (await Lab.open(stateDir)).close()
})

test.run()
