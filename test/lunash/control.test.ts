import { once } from 'node:events'
import { statSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ADMIN_PARTITION } from '../../assembly/protocol.js'
import { TokenClient } from '../../host/client/index.js'
import { Lab, openControl } from '../../host/lab/index.js'
import { ControlClient } from '../../host/ntls/index.js'
import { failure, newLab } from '../lab/support.js'
import { bringCertificate, FAILURE, lunash, SUCCESS } from './support.js'

const test = suite('the control socket of a running appliance')

interface Running {
  readonly dir: string
  readonly lab: Lab
  readonly restarts: () => number
}

function cardOf(lab: Lab) {
  const { token } = lab.hsm('network')
  return { serial: 500409n, exchange: (frame: Uint8Array) => token.exchange(frame) }
}

/** A lab with its control door open, as the service opens it. */
async function running(work: (service: Running) => Promise<void>): Promise<void> {
  const dir = await newLab()
  const lab = await Lab.open(dir, { all: true })
  let restarts = 0
  const control = await openControl(lab, dir, {
    cards: new Map([['network', cardOf(lab)]]),
    state: () => ({ host: '127.0.0.1', port: 41792, connections: 3 }),
    restart: async () => {
      restarts++
    },
    stop: () => undefined,
  })
  try {
    await work({ dir, lab, restarts: () => restarts })
  } finally {
    await control.close()
    await lab.close()
  }
}

test('the shell works on the HSM through the service, PED and all', () =>
  running(async ({ dir, restarts }) => {
    await bringCertificate(dir, 'web1')
    const { transcript, results } = await lunash(dir, [
      'ntls show',
      'client register -c web -hostname web1',
      'hsm ped connect -ip 10.9.9.9',
      'hsm ped connect -ip localhost',
      'hsm login',
      'partition create -p par2 -f',
      'client assignPartition -c web -p par2',
      'hsm show',
      'service restart ntls',
      'quit',
      'service restart ntls -f',
      'hsm show',
      'hsm ped disconnect',
    ])
    const [S, F] = [SUCCESS, FAILURE]
    assert.equal(results, [S, S, F, S, S, S, S, S, F, S, S, S], transcript)
    assert.match(
      transcript,
      `NTLS is running: process ${process.pid}, IP Address: "127.0.0.1"  Port: 41792\nConnected clients: 3`,
    )
    assert.match(transcript, 'CKR_UNABLE_TO_CONNECT : No PED server answers at 10.9.9.9')
    assert.match(transcript, 'There are 3 connected clients.')
    assert.match(transcript, /Stopping ntls: +\[ {2}OK {2}\]\nStarting ntls: +\[ {2}OK {2}\]\n/)
    assert.match(transcript, /HSM Admin login status: +Logged In\n/)
    assert.is(restarts(), 1)
  }))

test('sessions and log-in of an administrator end with the connection', () =>
  running(async ({ dir, lab }) => {
    const control = await ControlClient.connect(dir)
    const client = new TokenClient(control.transport('network'))
    const session = await client.openSession(ADMIN_PARTITION)
    const { console: inside } = lab.hsm('network')
    assert.is((await inside.sessionInfo(session)).partition, ADMIN_PARTITION)
    await control.close()
    // Whoever comes next finds nothing open: the service has closed it by the time that a new connection is answered.
    const again = await ControlClient.connect(dir)
    await again.state()
    assert.is((await failure(inside.sessionInfo(session))).code, 'CKR_SESSION_HANDLE_INVALID')
    await again.close()
  }))

test('only the owner of the folder can open it, and an unknown HSM is refused', () =>
  running(async ({ dir }) => {
    assert.is(statSync(join(dir, 'control')).mode & 0o777, 0o600)
    const control = await ControlClient.connect(dir)
    assert.equal((await control.state()).hsms, [{ name: 'network', serial: '500409' }])
    assert.is((await failure(control.connectPed('backup', 'localhost', undefined))).code, 'CONTROL_HSM')
    const refused = await failure(new TokenClient(control.transport('backup')).status())
    assert.match(refused.message, 'no HSM "backup"')
    await control.close()
    assert.is((await failure(control.state())).code, 'CONTROL_CLOSED')
  }))

test('garbage ends the connection it comes on, and no other', () =>
  running(async ({ dir }) => {
    const control = await ControlClient.connect(dir)
    const lines = [
      'x\n',
      '[]\n',
      '{}\n',
      '{"id":-1,"ask":"state"}\n',
      '{"id":1,"ask":"dance"}\n',
      'y'.repeat(4_000_000),
    ]
    for (const line of lines) {
      const socket = createConnection({ path: join(dir, 'control') })
      socket.on('error', () => undefined)
      socket.resume()
      socket.write(line)
      await new Promise((resolve) => socket.once('close', resolve))
    }
    const bad = createConnection({ path: join(dir, 'control') })
    bad.write('{"id":7,"ask":"exchange","hsm":"network","frame":"AAAA"}\n')
    const [answer] = await once(bad, 'data')
    assert.match(String(answer), '"code":"CONTROL_FRAME"')
    bad.destroy()
    assert.is((await control.state()).port, 41792)
    await control.close()
  }))

test('an appliance that goes away is told apart from one that was never there', async () => {
  let left: ControlClient | undefined
  let dir = ''
  await running(async (service) => {
    dir = service.dir
    left = await ControlClient.connect(dir)
  })
  await left?.closed
  assert.is((await failure(left?.state() ?? Promise.resolve())).code, 'CONTROL_CLOSED')
  assert.is((await failure(ControlClient.connect(dir))).code, 'CONTROL_ABSENT')
})

test('a socket that a killed service left behind is no obstacle', async () => {
  const dir = await newLab()
  writeFileSync(join(dir, 'control'), '')
  const lab = await Lab.open(dir)
  const control = await openControl(lab, dir, {
    cards: new Map([['network', cardOf(lab)]]),
    state: () => ({ host: '127.0.0.1', port: 1, connections: 0 }),
    restart: async () => undefined,
    stop: () => undefined,
  })
  assert.is((await lunash(dir, ['partition list'])).code, 0)
  await control.close()
  await lab.close()
})

test.run()
