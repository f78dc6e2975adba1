import { createECDH } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { ChannelError, ClientError, TEST_ROOT, TokenClient, TokenError, Writer } from '../../host/client/index.js'
import { rootKey, TokenSide } from './token-side.js'

const test = suite('client channel')
const SECRET = 'correct horse battery'

function loginToken(): { token: TokenSide; passwords: string[] } {
  const passwords: string[] = []
  const token = new TokenSide().on(protocol.CMD_ROLE_LOGIN, ({ sealed, body }) => {
    if (!sealed) return protocol.RC_CHANNEL_REQUIRED
    body.u8()
    passwords.push(body.text())
    return new Writer().u8(protocol.LOGIN_WAS_ACTIVATED)
  })
  return { token, passwords }
}

const login = (client: TokenClient) => client.roles.login(7, protocol.ROLE_CRYPTO_OFFICER, SECRET)

async function refuses(code: string, act: () => Promise<unknown>): Promise<ClientError> {
  const error = await act().then(
    () => new Error(`expected ${code}`),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof ClientError)) throw error
  assert.is(error.code, code, error.message)
  return error
}

test('a command with a secret is sealed and its secret is in no frame', async () => {
  const { token, passwords } = loginToken()
  const client = new TokenClient(token)
  const result = await login(client)
  assert.equal(result, { wasActivated: true, nowActivated: false })
  assert.equal(passwords, [SECRET])
  for (const frame of token.frames) assert.not(Buffer.from(frame).includes(SECRET))
  assert.is((await client.identity()).serial, token.serial)
})

test('commands without a secret open no channel', async () => {
  const token = new TokenSide().on(protocol.CMD_RANDOM, () => new Writer().bytes(Uint8Array.of(1, 2)))
  assert.equal([...(await new TokenClient(token).random(2))], [1, 2])
  assert.is(token.frames.length, 2)
})

test('the published root is the one of the known answers', () => {
  assert.equal(Buffer.from(TEST_ROOT), rootKey.getPublicKey())
})

test('a changed byte anywhere in the CHANNEL_OPEN answer is refused', async () => {
  const { token, passwords } = loginToken()
  await login(new TokenClient(token))
  const length = token.frames[1]?.length ?? 0
  assert.is(length, protocol.FRAME_HEADER + 4 + 97 + 32 + 256 + 256 + 32)
  // Bytes of one field fail alike, and no field is shorter than the step.
  for (let at = protocol.FRAME_HEADER; at < length; at += 3) {
    const changed = loginToken()
    changed.token.onAnswer = (frame, request) => {
      if (request.command === protocol.CMD_CHANNEL_OPEN) frame[at] = (frame[at] ?? 0) ^ 1
      return frame
    }
    await login(new TokenClient(changed.token)).then(
      () => assert.unreachable(`byte ${at} was not checked`),
      (error) => assert.instance(error, ChannelError, `byte ${at}`),
    )
    assert.equal(changed.passwords, [], `a password was sent although byte ${at} was changed`)
  }
  assert.is(passwords.length, 1)
})

test('a token of another root, another serial number, another kind or another time is refused', async () => {
  const stranger = createECDH('secp384r1')
  stranger.generateKeys()
  const past = { notBefore: 0n, notAfter: 1n }
  const cases: [string, (token: TokenSide) => void][] = [
    ['issuer', (token) => Object.assign(token.hoc, { issuer: stranger })],
    ['issuer', (token) => Object.assign(token.twc, { issuer: stranger })],
    ['signature', (token) => Object.assign(token.hoc, { signer: stranger })],
    ['signature', (token) => Object.assign(token.twc, { signer: stranger })],
    ['serial', (token) => Object.assign(token.twc, { serial: 1n })],
    ['type', (token) => Object.assign(token.hoc, { type: 3 })],
    ['usage', (token) => Object.assign(token.twc, { usage: 1 })],
    ['validity', (token) => Object.assign(token.hoc, past)],
    ['validity', (token) => Object.assign(token.twc, past)],
    ['public key', (token) => Object.assign(token.twc, { key: Buffer.alloc(97, 4) })],
  ]
  for (const [word, change] of cases) {
    const { token } = loginToken()
    change(token)
    const error = await refuses('CHANNEL_CERTIFICATE', () => login(new TokenClient(token)))
    assert.match(error.message, word)
  }
  const { token } = loginToken()
  await refuses('CHANNEL_CERTIFICATE', () => login(new TokenClient(token, { serial: 1n })))
  await refuses('CHANNEL_CERTIFICATE', () => login(new TokenClient(token, { root: stranger.getPublicKey() })))
})

test('a certificate that is out of date passes where no clock is set', async () => {
  const { token } = loginToken()
  Object.assign(token.hoc, { notBefore: 0n, notAfter: 1n })
  await login(new TokenClient(token, { now: 0n }))
})

test('every changed byte of a sealed answer is refused', async () => {
  const probe = loginToken()
  await login(new TokenClient(probe.token))
  const length = probe.token.frames.at(-1)?.length ?? 0
  for (let at = 0; at < length; at++) {
    const { token } = loginToken()
    token.onAnswer = (frame, request) => {
      if (request.command === protocol.CMD_ROLE_LOGIN) frame[at] = (frame[at] ?? 0) ^ 1
      return frame
    }
    await login(new TokenClient(token)).then(
      () => assert.unreachable(`byte ${at} was not checked`),
      (error) => assert.instance(error, ClientError, `byte ${at}`),
    )
  }
})

test('an old sealed answer and an unsealed one are refused', async () => {
  const { token } = loginToken()
  const client = new TokenClient(token)
  await login(client)
  const old = Uint8Array.from(token.frames.at(-1) ?? [])
  token.onAnswer = (frame) => {
    // Tag of the new request, sealed body of the old one.
    const replay = Uint8Array.from(old)
    replay.set(frame.subarray(8, 12), 8)
    return replay
  }
  await refuses('CHANNEL_ANSWER', () => login(client))
  token.onAnswer = (frame) => {
    const open = Uint8Array.from(frame.subarray(0, 17))
    open.set([0, 0], 2)
    open.set([0, 0, 0, 1, 1], 12)
    return open
  }
  await refuses('CHANNEL_ANSWER', () => login(client))
})

test('a token that has forgotten the channel gets a new one, and a second refusal is final', async () => {
  const { token, passwords } = loginToken()
  const client = new TokenClient(token)
  await login(client)
  token.forgetChannels()
  await login(client)
  assert.is(passwords.length, 2)
  token.on(protocol.CMD_ROLE_LOGIN, () => protocol.RC_CHANNEL_INVALID)
  const error = await refuses('CKR_ARGUMENTS_BAD', () => login(client))
  assert.instance(error, TokenError)
})

test('several sealed commands at once share one channel and its counter goes up', async () => {
  const { token } = loginToken()
  const client = new TokenClient(token)
  await Promise.all([login(client), login(client), login(client)])
  assert.equal(token.counters, [1, 2, 3])
})

test('after a channel that failed the next command opens a new one', async () => {
  const { token } = loginToken()
  Object.assign(token.hoc, { serial: 1n })
  const client = new TokenClient(token)
  await refuses('CHANNEL_CERTIFICATE', () => login(client))
  Object.assign(token.hoc, { serial: token.serial })
  await login(client)
})

test('an answer to another command is refused', async () => {
  const token = new TokenSide().on(protocol.CMD_SELF_TEST, () => 0)
  const client = new TokenClient(token)
  await client.selfTest()
  const first = Uint8Array.from(token.frames[1] ?? [])
  token.onAnswer = () => first
  await refuses('FRAME_MALFORMED', () => client.selfTest())
})

test('a refusal is a TokenError with the command it belongs to, and never has a body', async () => {
  const token = new TokenSide().on(protocol.CMD_SELF_TEST, () => protocol.RC_SELF_TEST_AES)
  const client = new TokenClient(token)
  const error = await refuses('CKR_DEVICE_ERROR', () => client.selfTest())
  assert.instance(error, TokenError)
  if (error instanceof TokenError) assert.is(error.command, protocol.CMD_SELF_TEST)
  token.onAnswer = (frame) => {
    const withBody = Uint8Array.of(...frame, 0)
    withBody[15] = 1
    return withBody
  }
  await refuses('FRAME_MALFORMED', () => client.selfTest())
})

test.run()
