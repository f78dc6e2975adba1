// The PED and the real firmware, each with its own half of SPEC.md §5.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { frameCable } from '../../host/board/frame-link.js'
import { createBoardFolder, manufacture, Token } from '../../host/board/index.js'
import { TokenClient, TokenError } from '../../host/client/index.js'
import { blankPedKey, defaultRules, Ped, PedKeyBox, RuleOperator } from '../../host/ped/index.js'
import { secretOf } from './desk.js'

const RECORD = {
  serial: 700101n,
  model: protocol.MODEL_BACKUP,
  profile: protocol.PROFILE_6_27_0,
  auth: protocol.AUTH_PED,
  maxPartitions: 20,
  storage: 16_252_928n,
  partitionBase: 700101001,
  partitionMultiplier: 0,
}
const COLOURS = ['blue', 'black', 'red', 'orange'] as const

interface Bench {
  token: Token
  client: TokenClient
  box: PedKeyBox
  ped: Ped
  plug(connector: 'local' | 'remote'): void
}

/** A new Backup HSM, a box of blank keys and a PED whose person works by the book. */
async function withBackupHsm(test: (bench: Bench) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'moonlet-ped-firmware-'))
  try {
    createBoardFolder(join(folder, 'board'), { flashSize: 64 * protocol.FLASH_SECTOR })
    const token = await Token.open({ dir: join(folder, 'board'), trng: { seed: 'ped' } })
    try {
      await manufacture(token, RECORD)
      const exchange = (frame: Uint8Array) => token.exchange(frame)
      const client = new TokenClient({ exchange, closed: token.closed, close: () => token.close() })
      const box = new PedKeyBox(folder)
      for (const colour of COLOURS) await box.add(colour, blankPedKey(colour))
      const ped = new Ped({ box, operator: new RuleOperator({ rules: defaultRules(), box }) })
      const plug = (connector: 'local' | 'remote') => {
        const [hsmEnd, pedEnd] = frameCable()
        ped.disconnect()
        token.attachPed(connector, hsmEnd)
        ped.connect(pedEnd)
      }
      await test({ token, client, box, ped, plug })
    } finally {
      await token.close()
    }
  } finally {
    await rm(folder, { recursive: true })
  }
}

const test = suite('ped: with the firmware')

test('init, log-in and the orange key at the local PED, then a partition over the remote link', () =>
  withBackupHsm(async ({ client, box, plug, ped }) => {
    plug('local')
    const admin = await client.openSession(protocol.ADMIN_PARTITION, { readWrite: true })
    await client.hsm.init(admin, { label: 'Backup' })
    await client.roles.login(admin, protocol.ROLE_SO)
    await client.ped.initVector(admin)
    plug('remote')
    await client.ped.connect()
    assert.is((await client.ped.get()).id, protocol.PED_ID_REMOTE)
    await client.partitions.create(admin, { legacy: true, label: 'SAbck1' })
    const kinds = await Promise.all(COLOURS.map(async (colour) => (await box.read(colour)).content?.kind))
    assert.equal(kinds, [
      ...[protocol.PED_KIND_SO, protocol.PED_KIND_USER],
      ...[protocol.PED_KIND_DOMAIN, protocol.PED_KIND_REMOTE],
    ])
    assert.equal(ped.lcd.slice(0, 2), ['Remote PED mode', 'Awaiting command...'])
  }))

test('another blue key is a wrong log-in, another orange key no link', () =>
  withBackupHsm(async ({ client, box, plug }) => {
    const codeOf = (promise: Promise<unknown>) =>
      promise.then(
        () => protocol.RC_OK,
        (error: unknown) => (error instanceof TokenError ? error.rc : Promise.reject(error)),
      )
    plug('local')
    const admin = await client.openSession(protocol.ADMIN_PARTITION, { readWrite: true })
    await client.hsm.init(admin, { label: 'Backup' })
    const blue = await box.read('blue')
    await box.write('blue', {
      ...blue,
      content: { kind: protocol.PED_KIND_SO, secret: secretOf('another'), pin: false },
    })
    assert.is(await codeOf(client.roles.login(admin, protocol.ROLE_SO)), protocol.RC_PIN_INCORRECT)
    await box.write('blue', blue)
    await client.roles.login(admin, protocol.ROLE_SO)
    await client.ped.initVector(admin)
    await box.write('orange', {
      ...(await box.read('orange')),
      content: { kind: protocol.PED_KIND_REMOTE, secret: secretOf('another'), pin: false },
    })
    plug('remote')
    assert.is(await codeOf(client.ped.connect()), protocol.RC_PED_ERROR)
  }))

test.run()
