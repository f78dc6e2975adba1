// How long a client waits for an appliance that has fallen silent, as its Chrystoki.conf says.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { refusal } from '../../host/board/frames.js'
import { TransportError } from '../../host/client/index.js'
import { Appliance, createIdentity, NtlsClient } from '../../host/ntls/index.js'
import { patienceFor } from '../../host/ntls/patience.js'

const test = suite('NTLS: patience')

const timeouts = { receive: 1, command: 20, ped: 30, cloning: 10 }

function frame(command: number, tag = 7): Buffer {
  const bytes = Buffer.alloc(protocol.FRAME_HEADER)
  bytes.writeUInt16BE(command)
  bytes.writeUInt32BE(tag, 8)
  return bytes
}

test('a command that may ask at the PED, one of cloning, and any other', () => {
  assert.is(patienceFor(frame(protocol.CMD_ROLE_LOGIN), timeouts), 30)
  assert.is(patienceFor(frame(protocol.CMD_CLONE_TARGET_BATCH), timeouts), 10)
  assert.is(patienceFor(frame(protocol.CMD_STATUS), timeouts), 20)
})

test('a link whose appliance does not answer is given up; the next command has a new one', async () => {
  const [server, identity] = [await createIdentity({ commonName: 'server' }), await createIdentity({ commonName: 'c' })]
  let silent = true
  const client = { name: 'c', fingerprint: '', certificate: '', address: undefined, partitions: [] }
  const appliance = await Appliance.listen({
    port: 0,
    identity: server,
    clients: { find: () => client, match: async () => client },
    hsms: [
      {
        serial: 1n,
        card: {
          exchange: (request) =>
            silent ? new Promise(() => undefined) : Promise.resolve(refusal(request, protocol.RC_DEVICE_ERROR)),
        },
        serialOf: () => undefined,
      },
    ],
    limits: { drain: 0 },
  })
  let again = 0
  const link = await NtlsClient.connect({
    ...{ host: '127.0.0.1', port: appliance.port, identity, server: server.certificate, timeouts },
    onReconnect: () => again++,
  })
  const cable = link.transport(0)
  const other = cable.exchange(frame(protocol.CMD_STATUS, 1)).catch((error: unknown) => error)
  const error = await cable.exchange(frame(protocol.CMD_PED_GET, 2)).catch((thrown: unknown) => thrown)
  assert.instance(error, TransportError)
  assert.is(error instanceof TransportError && error.code, 'TRANSPORT_TIMEOUT')
  assert.is(await other, error)
  silent = false
  assert.is((await cable.exchange(frame(protocol.CMD_STATUS, 3))).length, protocol.FRAME_HEADER)
  assert.is(again, 1)
  await link.close()
  await appliance.close()
})

test.run()
