// The lab's end of remote PED connections: which servers it trusts, and what it says where it cannot connect.
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PedServer, pedAtSocket, regeneratePedServer, useLab } from '../../host/lab/index.js'
import { ManualClock } from '../ped/desk.js'
import { lunacm, newLab, temporaryFolder } from './support.js'

const test = suite('lab: remote PEDs')

const results = (transcript: string) => transcript.split('\n').filter((line) => line.startsWith('Command Result'))
const at = (server: PedServer) => ({ host: '127.0.0.1', port: server.status().port })
const start = (stateDir: string, port = 0) => PedServer.start(stateDir, { port, idleSeconds: 1800, ped: { at: 'own' } })

test('a server is known by its certificate from the first time on; another one at its address is refused', async () => {
  const [here, there] = [await newLab(), await newLab()]
  const pins = join(here, 'ped-servers.json')
  const first = await start(there)
  const { port } = at(first)
  const connect = [`ped connect ip 127.0.0.1 -port ${port} -slot 2`, 'ped get -slot 2', 'ped disconnect -slot 2 -force']
  try {
    await useLab(here, {}, async (lab) => {
      assert.is((await lunacm(lab, connect)).code, 0)
      const { fingerprint } = first.status()
      assert.match(readFileSync(pins, 'utf8'), fingerprint)
      assert.is((await lunacm(lab, connect)).code, 0)
    })
  } finally {
    await first.close()
  }
  await regeneratePedServer(there, 'another', true)
  const second = await start(there, port)
  try {
    const before = readFileSync(pins, 'utf8')
    await useLab(here, {}, async (lab) => {
      const { transcript } = await lunacm(lab, connect)
      assert.match(results(transcript)[0] ?? '', 'CKR_UNABLE_TO_CONNECT')
      assert.match(transcript, `The PED server at 127.0.0.1, port ${port}, has another certificate than the one known`)
      assert.match(transcript, second.status().fingerprint)
      assert.match(transcript, `take its old line out of ${pins}`)
      assert.match(transcript, 'HSM slot 2 listening to local PED (PED id=0).')
      assert.is(readFileSync(pins, 'utf8'), before)
      assert.is(second.status().peer, undefined)
      // What the message says to do.
      writeFileSync(pins, JSON.stringify({ format: 1, servers: [] }))
      assert.is((await lunacm(lab, connect)).code, 0)
    })
  } finally {
    await second.close()
  }
})

test('a damaged list of known servers is refused with its path, and nobody is connected to', async () => {
  const [here, there] = [await newLab(), await newLab()]
  const server = await start(there)
  try {
    writeFileSync(join(here, 'ped-servers.json'), '{"format":1,"servers":[{"address":"nowhere"}]}')
    await useLab(here, {}, async (lab) => {
      const { transcript } = await lunacm(lab, [`ped connect ip 127.0.0.1 -port ${at(server).port} -slot 2`])

      assert.match(results(transcript)[0] ?? '', 'CKR_UNABLE_TO_CONNECT')
      assert.match(transcript, 'servers[0]')
    })
  } finally {
    await server.close()
  }
})

test('a PED at its own socket, also where the path of the state folder is longer than a socket takes', async () => {
  const here = await newLab()
  const stateDir = join(temporaryFolder(), 'long-'.repeat(24), 'state')
  const shown: string[] = []
  const rules = join(here, 'operator.json')
  const ped = await pedAtSocket(stateDir, {
    ...{ keys: join(here, 'ped-keys'), rules },
    onIdle: ([mode]) => shown.push(mode ?? ''),
  })
  try {
    assert.not(ped.path.startsWith(stateDir))
    assert.is(statSync(ped.path).mode & 0o777, 0o600)
    const server = await PedServer.start(stateDir, { port: 0, idleSeconds: 1800 })
    try {
      await useLab(here, {}, async (lab) => {
        const { code, transcript } = await lunacm(lab, [
          `ped connect ip 127.0.0.1 -port ${at(server).port} -slot 2`,
          'ped get -slot 2',
        ])
        assert.is(code, 0, transcript)
        assert.equal([server.status().ped, server.status().present], ['local', true])
      })
    } finally {
      await server.close()
    }
  } finally {
    await ped.close()
  }
  assert.not(existsSync(ped.path))
  assert.not(shown.includes('SCP mode'), shown.join())
  assert.ok(shown.includes('Remote PED mode'))
})

test('an idle connection ends after the time that the state folder says, by the clock of the lab', async () => {
  const [here, there] = [await newLab(), await newLab()]
  writeFileSync(join(here, 'ped-client.json'), JSON.stringify({ format: 1, idleSeconds: 60 }))
  const [server, pedClock] = [await start(there), new ManualClock()]
  try {
    await useLab(here, { pedClock }, async (lab) => {
      const connect = `ped connect ip 127.0.0.1 -port ${at(server).port} -slot 2`
      assert.is((await lunacm(lab, [connect])).code, 0)
      pedClock.advance(59_000)
      assert.ok(server.status().peer)
      pedClock.advance(1000)
      while (server.status().peer !== undefined) await new Promise(setImmediate)
      assert.match((await lunacm(lab, ['ped get -slot 2'])).transcript, 'listening to local PED (PED id=0)')
    })
  } finally {
    await server.close()
  }
})

test('two PEDs for one HSM: the second is refused, the first goes on', async () => {
  const [here, there, elsewhere] = [await newLab(), await newLab(), await newLab()]
  const [one, two] = [await start(there), await start(elsewhere)]
  try {
    await useLab(here, {}, async (lab) => {
      const to = (server: PedServer) => `ped connect ip 127.0.0.1 -port ${at(server).port} -slot 2`
      const { transcript } = await lunacm(lab, [to(one), to(two), 'ped get -slot 2'])
      const [first, second] = results(transcript)
      assert.is(first, 'Command Result : No Error')
      assert.is.not(second, 'Command Result : No Error')
      assert.match(transcript, 'HSM slot 2 is already connected to a remote PED.')
      assert.match(transcript, 'HSM slot 2 listening to remote PED (PED id=100).')
      assert.ok(one.status().peer)
      while (two.status().peer !== undefined) await new Promise(setImmediate)
      assert.is((await lunacm(lab, ['ped disconnect -slot 2 -force', to(two), 'ped get -slot 2'])).code, 0)
    })
  } finally {
    await one.close()
    await two.close()
  }
})

test('a server without a PED, and a PED that serves another HSM: each is said', async () => {
  const [here, there] = [await newLab(), await newLab()]
  const server = await PedServer.start(there, { port: 0, idleSeconds: 1800, ped: { at: 'own' } })
  try {
    const to = `ped connect ip 127.0.0.1 -port ${at(server).port}`
    await useLab(here, {}, async (lab) => {
      const { transcript } = await lunacm(lab, [`${to} -slot 2`, `${to} -slot 1`])
      assert.match(transcript, 'The PED serves another HSM: disconnect it there first.')
    })
  } finally {
    await server.close()
  }
  const empty = await PedServer.start(there, { port: 0, idleSeconds: 1800, ped: { at: 'local' } })
  try {
    assert.not(empty.status().present)
    await useLab(await newLab(), {}, async (lab) => {
      const { transcript } = await lunacm(lab, [`ped connect ip 127.0.0.1 -port ${at(empty).port} -slot 2`])
      assert.match(results(transcript)[0] ?? '', 'CKR_PED_UNPLUGGED')
      assert.match(transcript, "has no PED: start 'moonlet ped' there.")
    })
  } finally {
    await empty.close()
  }
})

test.run()
