// PKCS#11: calls of a C program through the door, against SoftHSM2 in the program's own process and behind p11-kit's own server.
import { type Context, type Group, perSecond, type RowSpec, type Samples } from '../harness/bench.js'
import { type Contender, interleave } from '../harness/rounds.js'
import { Callers, type CallName } from './caller.js'

const IN_PROCESS = 'SoftHSM2 in process'
const STOCK = "SoftHSM2 behind p11-kit's server"

const row = (id: string, what: string, more: Partial<RowSpec> = {}): RowSpec => ({
  ...{ id, what, unit: 'calls/s', baselineName: IN_PROCESS, ratio: 'speed', present: perSecond },
  ...more,
})

const TRIPS = row(
  'pkcs11-round-trips',
  "C_GetSessionInfo through p11-kit's client, at our door and at its own server",
  {
    baselineName: STOCK,
  },
)
const TRIPS_OWN = row(
  'pkcs11-library-trips',
  "C_GetSessionInfo through our library, against p11-kit's client and server",
  {
    baselineName: STOCK,
  },
)

/** Calls before the first that counts: a token object takes three times as long in the first thousand as in the fourth. */
const WARM = 4000

/** Calls, how many a round takes, and the row. */
const OPERATIONS: readonly (readonly [call: CallName, count: number, spec: RowSpec])[] = [
  ['gcm', 1000, row('pkcs11-gcm', 'AES-256-GCM of 1 KiB (C_EncryptInit, C_Encrypt) through our library')],
  ['rsa', 40, row('pkcs11-rsa', 'RSA-2048 signature with SHA-256 through our library')],
  ['ecdsa', 200, row('pkcs11-ecdsa', 'ECDSA P-256 signature of a digest through our library')],
  ['kw', 1000, row('pkcs11-kw', 'AES-256 key wrapped with AES-KW through our library')],
  [
    ...(['create', 100] as const),
    row('pkcs11-create', 'an AES-256 token object made: ours durable, SoftHSM2 as it writes its files', { target: 10 }),
  ],
  ['creates', 320, row('pkcs11-create-16', 'the same by 16 threads at once', { target: 10 })],
]

const trips: Group = {
  rows: [TRIPS, TRIPS_OWN],
  async measure(wanted, context) {
    context.progress('PKCS#11: round trips')
    const callers = new Callers(context)
    try {
      const count = context.quick ? 1000 : 5000
      const ask = (caller: { measure: (name: CallName, count: number) => Promise<number> }): Contender => {
        return () => caller.measure('info', count)
      }
      const [stock, door] = [ask(await callers.stock()), ask(await callers.door())]
      const library = wanted.has(TRIPS_OWN.id) ? ask(await callers.library()) : door
      const costs = await interleave({ stock, door, library }, context.quick ? 5 : 11, { warmups: 2 })
      return new Map([
        [TRIPS.id, costs.against('door', 'stock')],
        ...(wanted.has(TRIPS_OWN.id) ? [[TRIPS_OWN.id, costs.against('library', 'stock')] as const] : []),
      ])
    } finally {
      callers.end()
    }
  },
}

async function operations(wanted: ReadonlySet<string>, context: Context): Promise<Map<string, Samples>> {
  const callers = new Callers(context)
  const results = new Map<string, Samples>()
  try {
    const [ours, soft] = [await callers.library(), await callers.softHsm()]
    for (const [call, count, { id }] of OPERATIONS) {
      if (!wanted.has(id)) continue
      context.progress(`PKCS#11: ${call}`)
      const own = context.quick ? Math.ceil(count / 4) : count
      const contenders = { ours: () => ours.measure(call, own), soft: () => soft.measure(call, own) }
      // Until the engine has compiled what the calls go through, in two threads, they take several times as long.
      for (let done = 0; done < WARM; done += count) await ours.measure(call, count)
      const costs = await interleave(contenders, context.quick ? 5 : 11, { warmups: 1 })
      results.set(id, costs.against('ours', 'soft'))
    }
  } finally {
    callers.end()
  }
  return results
}

const crypto: Group = { rows: OPERATIONS.map(([, , spec]) => spec), measure: operations }

export const pkcs11: readonly Group[] = [trips, crypto]
