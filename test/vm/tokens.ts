// The two tokens of the backups in the guest: made outside, where that is quick, and what is asked of them in it.

import { join } from 'node:path'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { createBoardFolder, manufacture, Token } from '../../host/board/index.js'
import { attribute, type Slot, type SlotSource, TokenClient, type Transport } from '../../host/client/index.js'
import { noPed, run } from '../lunacm/fake-lab.js'

const [SO, PSO, CO, DOMAIN, BACKUP] = ['so-password', 'pso-password', 'co-password', 'the domain', 'container-password']
export const BACKUP_SLOT = 9
const LABEL = 'archive'
const PARTITIONS = [1, 2] as const

export const sourceOf = (folder: string): string => join(folder, 'card')
export const targetOf = (folder: string): string => join(folder, 'backup')

const login = (slot: number): string[] => [`slot set slot ${slot}`, `role login -name co -password ${CO}`]
export const BACKUP_LINES = [
  ...login(1),
  `partition archive backup -slot ${BACKUP_SLOT} -partition ${LABEL} -sopassword ${SO} -password ${BACKUP} -domain "${DOMAIN}" -replace -force`,
]
export const RESTORE_LINES = [
  ...login(2),
  `partition archive restore -slot ${BACKUP_SLOT} -partition ${LABEL} -password ${BACKUP} -replace -force`,
]

/** A PCIe HSM with two partitions, and a Backup HSM that may come and go. */
export class Slots implements SlotSource {
  constructor(
    private readonly card: Transport,
    private readonly backup: () => Transport | undefined,
  ) {}

  async slots(): Promise<readonly Slot[]> {
    const card = new TokenClient(this.card)
    const there = (await card.partitions.list()).map(({ id }) => id)
    const slots = [protocol.ADMIN_PARTITION, ...there].map(
      (partition, id): Slot => ({ id, kind: 'pcie', partition, client: card, ped: noPed }),
    )
    const cable = this.backup()
    if (!cable) return slots
    const client = new TokenClient(cable)
    return [...slots, { id: BACKUP_SLOT, kind: 'backup', partition: protocol.ADMIN_PARTITION, client, ped: noPed }]
  }
}

/** The same slots however often a run of lunacm asks, so that a log-in holds. */
export async function lunacm(slots: Slots, lines: readonly string[]): Promise<{ code: number; transcript: string[] }> {
  const found = await slots.slots()
  return run({ slots: async () => found }, lines)
}

/** Makes both tokens in folders of their own: `count` keys in the first partition of the card. */
export async function makeTokens(folder: string, count: number): Promise<void> {
  const record = { profile: protocol.PROFILE_6_27_0, auth: protocol.AUTH_PASSWORD, maxPartitions: 20 }
  const numbers = { partitionBase: 9, partitionMultiplier: 1000 }
  const tokens: Token[] = []
  for (const [dir, serial, model] of [
    [sourceOf(folder), 500409n, protocol.MODEL_PCIE],
    [targetOf(folder), 700101n, protocol.MODEL_BACKUP],
  ] as const) {
    createBoardFolder(dir, { flashSize: protocol.FLASH_SIZE, madeBy: 'test' })
    const token = await Token.open({ dir })
    await manufacture(token, { ...record, ...numbers, serial, model, storage: 1_000_000n })
    tokens.push(token)
  }
  const [card, backup] = tokens
  if (!card || !backup) throw new Error('no tokens')
  const partitions = PARTITIONS.flatMap((slot) => [
    `slot set slot ${slot}`,
    `partition init -label part${slot} -password ${PSO} -domain "${DOMAIN}" -force`,
    `role login -name po -password ${PSO}`,
    `role init -name co -password ${CO}`,
    'role logout',
  ])
  const slots = new Slots(card, () => backup)
  for (const lines of [
    [
      `hsm init -label card -password ${SO} -domain "${DOMAIN}" -force`,
      `role login -name so -password ${SO}`,
      ...PARTITIONS.map((slot) => `partition create -slot ${slot}`),
    ],
    [
      ...partitions,
      `slot set slot ${BACKUP_SLOT}`,
      `hsm init -label Backup -password ${SO} -domain "${DOMAIN}" -force`,
    ],
  ]) {
    const { code, transcript } = await lunacm(slots, lines)
    if (code !== 0) throw new Error(transcript.join('\n'))
  }
  const client = new TokenClient(card)
  const session = await client.openSession(1)
  await client.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, CO)
  for (let i = 0; i < count; i++) {
    await client.objects.generate(session, protocol.CKM_AES_KEY_GEN, [
      attribute.bool(protocol.CKA_TOKEN, true),
      attribute.bool(protocol.CKA_PRIVATE, true),
      attribute.ulong(protocol.CKA_VALUE_LEN, i % 2 ? 32 : 16),
      attribute.text(protocol.CKA_LABEL, `key ${i}`),
    ])
  }
  for (const token of tokens) await token.close()
}

/** Everything that a partition holds, by OUID; throws where an object is not whole. */
async function contents(client: TokenClient, partition: number, password: string): Promise<Map<string, string>> {
  const session = await client.openSession(partition)
  await client.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, password)
  const found = new Map<string, string>()
  const rows = await client.objects.list(session)
  // All at once: under emulation every round trip counts.
  const all = rows.map((row) => client.objects.get(session, row.handle, [protocol.CKA_LABEL, protocol.CKA_CHECK_VALUE]))
  for (const [i, answers] of (await Promise.all(all)).entries()) {
    const row = rows[i]
    if (!row) continue
    for (const { code } of answers) assert.is(code, protocol.RC_OK)
    const values = answers.map(({ value }) => Buffer.from(value).toString('hex'))
    found.set(Buffer.from(row.ouid).toString('hex'), [row.objectClass, row.keyType, row.bits, ...values].join(' '))
  }
  await client.closeSession(session)
  return found
}

/** What partition 1 or 2 of the card holds. */
export const held = (card: Transport, partition: 1 | 2): Promise<Map<string, string>> =>
  contents(new TokenClient(card), partition, CO)

/** What the container on the Backup HSM holds; empty where it is not there. */
export async function archived(cable: Transport): Promise<Map<string, string>> {
  const client = new TokenClient(cable)
  const found = (await client.partitions.list()).find(({ label }) => label === LABEL)
  return found ? contents(client, found.id, BACKUP) : new Map()
}
