import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { attribute, type CloneEnd, clone, shareDomain, TokenClient, TransportError } from '../../host/client/index.js'
import { RealLab } from '../lunacm/real-lab.js'

const test = suite('client over the firmware')

const [SO, USER, DOMAIN] = ['so-password', 'user-password', 'the domain']

/** Two tokens, a Crypto Officer logged in on a partition of each. */
async function ends(): Promise<{ lab: RealLab; source: CloneEnd; target: CloneEnd }> {
  const lab = await RealLab.make({ auth: protocol.AUTH_PASSWORD })
  const open = async (client: TokenClient): Promise<CloneEnd> => {
    const admin = await client.openSession(protocol.ADMIN_PARTITION)
    await client.hsm.init(admin, { label: 'hsm', password: SO, domain: DOMAIN })
    await client.roles.login(admin, protocol.ROLE_SO, SO)
    const { id } = await client.partitions.create(admin, { legacy: true, label: 'partition', password: USER })
    const session = await client.openSession(id)
    await client.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, USER)
    await client.partitions.setDomain(session, DOMAIN)
    return { client, session }
  }
  return { lab, source: await open(lab.clients.card), target: await open(lab.clients.backup) }
}

async function fill({ client, session }: CloneEnd, count: number): Promise<number[]> {
  const handles: number[] = []
  for (let i = 0; i < count; i++) {
    const label = attribute.text(protocol.CKA_LABEL, `object ${i}`)
    const fields = [attribute.ulong(protocol.CKA_CLASS, protocol.CKO_DATA), attribute.bool(protocol.CKA_TOKEN, true)]
    handles.push(
      await client.objects.create(session, [...fields, label, attribute.text(protocol.CKA_VALUE, `value ${i}`)]),
    )
  }
  return handles
}

test('more objects than one batch holds arrive in order', async () => {
  const { lab, source, target } = await ends()
  try {
    const handles = await fill(source, 300)
    const arrived: number[] = []
    for await (const { handle, code } of clone(source, target, { handles, profile: protocol.PROFILE_6_27_0 })) {
      assert.is(code, 'CKR_OK')
      arrived.push(handle)
    }
    assert.equal(arrived, handles)
    assert.is((await target.client.objects.list(target.session)).length, 300)
    assert.is(await shareDomain(source, target), true)
  } finally {
    lab.close()
  }
})

test('an answer of the target that is lost is had again, and nothing is stored twice', async () => {
  const { lab, source, target } = await ends()
  try {
    const handles = await fill(source, 5)
    let lost = 0
    const cable = {
      closed: lab.backup.closed,
      close: () => lab.backup.close(),
      exchange: async (frame: Uint8Array) => {
        const answer = await lab.backup.exchange(frame)
        const command = Buffer.from(frame).readUInt16BE()
        if (command === protocol.CMD_CLONE_TARGET_BATCH && lost++ === 0) {
          throw new TransportError('TRANSPORT_TIMEOUT', 'the answer is late')
        }
        return answer
      },
    }
    const over = { client: new TokenClient(cable, { access: target.client.access }), session: target.session }
    const codes: string[] = []
    for await (const { code } of clone(source, over, { handles, profile: protocol.PROFILE_6_27_0 })) codes.push(code)
    assert.equal(codes, Array(5).fill('CKR_OK'))
    assert.is(lost, 2)
    assert.is((await target.client.objects.list(target.session)).length, 5)
  } finally {
    lab.close()
  }
})

test('objects that are there already are named one by one, and 7.7 stops at the first', async () => {
  const { lab, source, target } = await ends()
  try {
    const handles = await fill(source, 3)
    const run = async (profile: number) => {
      const codes: string[] = []
      for await (const { code } of clone(source, target, { handles, profile })) codes.push(code)
      return codes
    }
    await run(protocol.PROFILE_6_27_0)
    const exists = 'CKR_OBJECT_ALREADY_EXISTS'
    assert.equal(await run(protocol.PROFILE_6_27_0), [exists, exists, exists])
    assert.equal(await run(protocol.PROFILE_7_7_1), [exists, 'CKR_CLONE_NOT_ATTEMPTED', 'CKR_CLONE_NOT_ATTEMPTED'])
  } finally {
    lab.close()
  }
})

test('a token that was switched off and on gets a new channel; its sessions are gone', async () => {
  const { lab, source } = await ends()
  try {
    lab.card.board.powerOff()
    lab.card.board.powerOn()
    const admin = await source.client.openSession(protocol.ADMIN_PARTITION)
    await source.client.roles.login(admin, protocol.ROLE_SO, SO)
    assert.is((await source.client.sessionInfo(admin)).role, protocol.ROLE_SO)
    assert.is((await source.client.identity()).serial, (await source.client.status()).serial)
  } finally {
    lab.close()
  }
})

test('the value of an exportable key comes sealed', async () => {
  const { lab, source } = await ends()
  try {
    const { client, session } = source
    const value = Buffer.from('0123456789abcdef')
    const handle = await client.objects.create(session, [
      attribute.ulong(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY),
      attribute.ulong(protocol.CKA_KEY_TYPE, protocol.CKK_AES),
      attribute.bool(protocol.CKA_TOKEN, true),
      attribute.bool(protocol.CKA_SENSITIVE, false),
      attribute.bool(protocol.CKA_EXTRACTABLE, true),
      attribute.bytes(protocol.CKA_VALUE, value),
    ])
    const [read] = await client.objects.get(session, handle, [protocol.CKA_VALUE])
    assert.is(read?.code, protocol.RC_OK)
    assert.equal(Buffer.from(read?.value ?? []), value)
    for (const frame of lab.card.frames) assert.not(frame.includes(value))
  } finally {
    lab.close()
  }
})

test.run()
