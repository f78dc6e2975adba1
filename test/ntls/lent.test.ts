// An HSM that is lent out whole: registered clients have the HSM itself, and have it only as long as they are registered.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ADMIN_PARTITION, RC_SLOT_ID_INVALID } from '../../assembly/protocol.js'
import { TokenClient, TokenError } from '../../host/client/index.js'
import { Appliance, createIdentity, NtlsClient, Registry } from '../../host/ntls/index.js'
import { initHsm } from '../firmware/support/officer.js'
import { TestToken } from '../firmware/support/test-token.js'

const test = suite('NTLS: an HSM that is lent out')

test('a registered client has the HSM itself; one that is deleted has nothing any more, its connection or not', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'moonlet-lent-'))
  const token = await TestToken.make()
  await initHsm(token)
  const [server, identity] = [await createIdentity({ commonName: 's' }), await createIdentity({ commonName: 'c' })]
  const registry = new Registry(dir)
  registry.register('c', identity.certificate)
  const listen = (whole: boolean): Promise<Appliance> =>
    Appliance.listen({
      port: 0,
      identity: server,
      clients: {
        find: (fingerprint) => registry.find(fingerprint),
        match: async (fingerprint) => registry.find(fingerprint),
      },
      hsms: [{ serial: 1n, card: token, serialOf: () => undefined, whole }],
    })
  const reach = async ({ port }: Appliance): Promise<{ link: NtlsClient; client: TokenClient }> => {
    const link = await NtlsClient.connect({ host: '127.0.0.1', port, identity, server: server.certificate })
    return { link, client: new TokenClient(link.transport(0)) }
  }
  const refused = async (work: Promise<unknown>): Promise<boolean> =>
    work.then(
      () => false,
      (error: unknown) => error instanceof TokenError && error.rc === RC_SLOT_ID_INVALID,
    )

  const lent = await listen(true)
  const has = await reach(lent)
  const session = await has.client.openSession(ADMIN_PARTITION)
  assert.ok(session > 0)
  registry.delete('c')
  assert.ok(await refused(has.client.openSession(ADMIN_PARTITION)))
  await has.link.close()
  await lent.close()

  // The same HSM behind an appliance shows itself to nobody.
  registry.register('c', identity.certificate)
  const appliance = await listen(false)
  const hasNot = await reach(appliance)
  assert.ok(await refused(hasNot.client.openSession(ADMIN_PARTITION)))
  await hasNot.link.close()
  await appliance.close()
  rmSync(dir, { recursive: true, force: true })
})

test.run()
