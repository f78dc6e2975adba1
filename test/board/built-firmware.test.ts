import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  AUTH_PED,
  CMD_CERTIFICATES,
  CMD_STATUS,
  MODEL_BACKUP,
  OBC_CERTIFICATE,
  PROFILE_6_27_0,
  STATE_BLANK,
  STATE_ERROR,
} from '../../assembly/protocol.js'
import { createBoardFolder, manufacture, Token } from '../../host/board/index.js'
import { UsbTransport, usbIdentity, VirtualUsbDevice } from '../../host/usb/index.js'
import { ask, fails, scratch } from './support.js'

// The firmware of this build on the board of this build: that the two fit, and that a seed decides everything.

const test = suite('board: firmware of this build')

const RECORD = {
  serial: 700101n,
  model: MODEL_BACKUP,
  profile: PROFILE_6_27_0,
  auth: AUTH_PED,
  maxPartitions: 20,
  storage: 16n * 1024n * 1024n,
  partitionBase: 1,
  partitionMultiplier: 1,
}
const FLASH = 2 * 1024 * 1024
const clock = { virtualFrom: 1_700_000_000_000 }

interface Made {
  readonly dir: string
  readonly certificates: Buffer
}

async function make(seed: string): Promise<Made> {
  const dir = join(scratch(), 'board')
  createBoardFolder(dir, { flashSize: FLASH })
  const token = await Token.open({ dir, clock, trng: { seed } })
  try {
    await manufacture(token, RECORD)
    await fails('FACTORY_REFUSED', () => manufacture(token, RECORD))
    await token.powerCycle()
    return { dir, certificates: await ask(token, CMD_CERTIFICATES) }
  } finally {
    await token.close()
  }
}

test('a manufactured token boots and shows what it is, over USB too', async () => {
  const { dir, certificates } = await make('a')
  assert.is(certificates.length, 2 * OBC_CERTIFICATE)
  const token = await Token.open({ dir, clock, trng: { seed: 'a' } })
  try {
    const usb = await UsbTransport.open(new VirtualUsbDevice(token, usbIdentity('700101')))
    const status = await ask(usb, CMD_STATUS)
    assert.is.not(status[0], STATE_BLANK)
    assert.is.not(status[0], STATE_ERROR)
    assert.is(status.readBigUInt64BE(9), RECORD.serial)
    assert.equal(await ask(usb, CMD_CERTIFICATES), certificates)
    await usb.close()
  } finally {
    await token.close()
  }
})

test('one seed gives one image, byte for byte; another seed gives another', async () => {
  const [a, b, c] = [await make('seed 1'), await make('seed 1'), await make('seed 2')]
  for (const name of ['flash.img', 'battery.bin', 'counter', 'split.bin', 'standby.bin']) {
    assert.ok(readFileSync(join(a.dir, name)).equals(readFileSync(join(b.dir, name))), name)
  }
  assert.equal(a.certificates, b.certificates)
  assert.not.equal(a.certificates, c.certificates)
})

test.run()
