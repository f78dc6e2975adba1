import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FLASH_SECTOR } from '../../assembly/protocol.js'
import { type KeyItem, type RecordedFrame, type Recorder, runDemo, useLab } from '../../host/lab/index.js'
import { Haystack, type Secret } from './secret-finder.js'
import { CHALLENGE, Collector, fixtureItems, lunacm, temporaryFolder } from './support.js'

const test = suite('secrets of a run')

const [WRONG_CHALLENGE, NEW_CHALLENGE] = ['wrong-challenge', 'second-challenge']
/** An HSM with objects has programmed more than this. */
const MANY_BYTES = 16_384
const PRIVATE_FIELDS = ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const

function secretsOf(item: KeyItem): Secret[] {
  const name = `${item.kind} ${item.label}`
  if (item.kind === 'certificate') return []
  if (item.kind === 'secret key') return [{ name, bytes: item.key.export() }]
  const jwk = item.key.export({ format: 'jwk' })
  return PRIVATE_FIELDS.flatMap((field) => {
    const value = jwk[field]
    return value === undefined ? [] : [{ name: `${name}, ${field}`, bytes: Buffer.from(value, 'base64url') }]
  })
}

/** The secrets on the PED keys, the cloning domain and the remote PED vector among them. */
function pedSecrets(folder: string): Secret[] {
  return readdirSync(folder).flatMap((file) => {
    const key: unknown = JSON.parse(readFileSync(join(folder, file), 'utf8'))
    const secret = typeof key === 'object' && key !== null && 'secret' in key ? String(key.secret) : ''
    return secret === '' ? [] : [{ name: `PED key ${file}`, bytes: Buffer.from(secret, 'hex') }]
  })
}

/** A flash image without what is erased: every sector up to its last byte that is not FF. */
function flashOf(stateDir: string, hsm: string): Haystack {
  const image = readFileSync(join(stateDir, hsm, 'flash.img'))
  const used: Buffer[] = []
  for (let at = 0; at < image.length; at += FLASH_SECTOR) {
    const sector = image.subarray(at, at + FLASH_SECTOR)
    let end = sector.length
    while (end > 0 && sector[end - 1] === 0xff) end--
    used.push(sector.subarray(0, end))
  }
  return new Haystack(`flash image of ${hsm}`, Buffer.concat(used))
}

interface Run {
  readonly secrets: readonly Secret[]
  readonly frames: readonly Haystack[]
  readonly flash: readonly Haystack[]
  readonly logs: readonly Haystack[]
}

/** Everything: a lab is made, keys come in, are backed up and restored; secrets are typed, mistyped and changed. */
async function wholeRun(): Promise<Run> {
  const stateDir = join(temporaryFolder(), 'state')
  const items = await fixtureItems()
  const cables = new Map<string, Uint8Array[]>()
  const log: string[] = []
  const recorder: Recorder = ({ cable, direction, frame }: RecordedFrame) => {
    const name = `${cable} ${direction}`
    cables.set(name, [...(cables.get(name) ?? []), frame])
  }
  const transcript = new Collector()
  const note = (line: unknown) => log.push(JSON.stringify(line))
  await runDemo(items, { stateDir, transcript, recorder, onProgress: note })
  // Somebody at the PED reads the challenge that the HSM makes and shows there.
  const screen: string[] = []
  const person = { print: (line: string) => void screen.push(line), ask: async () => '' }
  await useLab(stateDir, { view: 'backup', recorder, person, onPedEvent: note }, async (lab) => {
    const session = await lunacm(lab, [
      `role login -name co -password ${WRONG_CHALLENGE}`,
      `role login -name co -password ${CHALLENGE}`,
      `role changepw -name co -oldpw ${CHALLENGE} -newpw ${NEW_CHALLENGE} -force`,
      'role deactivate -name co',
      'role logout',
      'ped connect ip localhost',
      `role login -name co -password ${NEW_CHALLENGE}`,
      'role init -name cu',
      'role createchallenge -name cu',
      'ped disconnect -force',
      'ped connect ip localhost -slot 2',
      'partition archive backup -slot 2 -partition SAbck1 -append',
      'partition archive contents -slot 2 -partition SAbck1',
      'partition contents',
      'hsm showinfo',
    ])
    log.push(session.transcript)
    assert.match(session.transcript, 'CKR_CHALLENGE_INCORRECT')
    const failed = session.transcript.match(/Error in execution/g) ?? []
    assert.is(failed.length, 1, session.transcript)
  })
  log.push(transcript.text)
  const shown = /[A-Za-z0-9]{4}(-[A-Za-z0-9]{4}){3}/.exec(screen.join('\n'))?.[0]
  assert.ok(shown, screen.join('\n'))
  const challenges = [CHALLENGE, WRONG_CHALLENGE, NEW_CHALLENGE, shown ?? '']
  return {
    secrets: [
      ...challenges.map((text) => ({ name: text, bytes: Buffer.from(text) })),
      ...items.flatMap(secretsOf),
      ...pedSecrets(join(stateDir, 'ped-keys')),
    ],
    frames: [...cables].map(([name, frames]) => new Haystack(name, Buffer.concat(frames))),
    flash: ['hsm-network', 'hsm-restore', 'hsm-backup'].map((hsm) => flashOf(stateDir, hsm)),
    logs: [new Haystack('transcripts and events', Buffer.from(log.join('\n')))],
  }
}

test('the finder sees a secret in every form, whole or in part, wherever it begins', () => {
  const secret = { name: 'planted', bytes: randomBytes(48) }
  const forms: readonly Buffer[] = [
    secret.bytes,
    secret.bytes.subarray(16, 32),
    Buffer.from(secret.bytes.toString('hex')),
    Buffer.from(secret.bytes.toString('hex').toUpperCase()),
    ...[0, 1, 2, 3].flatMap((shift) =>
      (['base64', 'base64url'] as const).map((encoding) =>
        Buffer.from(Buffer.concat([randomBytes(shift), secret.bytes, randomBytes(7)]).toString(encoding)),
      ),
    ),
  ]
  for (const form of forms) {
    const haystack = new Haystack('planted', Buffer.concat([randomBytes(1000), form, randomBytes(1000)]))
    assert.ok(haystack.find(secret), form.toString('latin1'))
  }
  assert.is(new Haystack('nothing', randomBytes(100_000)).find(secret), undefined)
})

test('no secret of a run is in the frames, the flash images or the logs', async () => {
  const { secrets, frames, flash, logs } = await wholeRun()
  // 4 challenges, 4 RSA keys of 6 numbers, 5 EC keys, 7 secret keys, 8 PED keys.
  assert.is(secrets.length, 48)
  for (const cable of ['console:network', 'ntls:network', 'ntls:restore', 'usb:backup', 'ped:network', 'ped:backup']) {
    assert.is(frames.filter(({ name }) => name.startsWith(cable)).length, 2, cable)
  }
  for (const image of flash) assert.ok(image.length >= MANY_BYTES, image.name)
  // What is public passes the same cable, so it is the right place to look.
  const modulus = (await fixtureItems()).flatMap((item) =>
    item.kind === 'private key' ? [item.key.export({ format: 'jwk' }).n ?? ''] : [],
  )
  const shown = { name: 'modulus', bytes: Buffer.from(modulus[0] ?? '', 'base64url') }
  assert.is(frames.find(({ name }) => name === 'ntls:restore from HSM')?.find(shown), 'raw')

  for (const haystack of [...frames, ...flash, ...logs]) {
    for (const secret of secrets) {
      const form = haystack.find(secret)
      assert.is(form, undefined, `${secret.name} is in: ${haystack.name}`)
    }
  }
})

test.run()
