// An HSM whose log is nearly full, and whose next command has to clean a sector first.
import { FLASH_LOG, RC_OK } from '../../../assembly/protocol.js'
import type { State } from '../../../host/board/index.js'
import type { TokenClient } from '../../../host/client/index.js'
import { codeOf } from './expect.js'
import { sectorHeaders, setErases } from './flash-image.js'
import { officerOn, prepare } from './officer.js'
import { recordedToken } from './power-cuts.js'
import { dataObject } from './templates.js'
import { copyState, TestToken } from './test-token.js'

export interface Brim {
  readonly state: State
  readonly partition: number
  /** What the partition holds: values by handle. */
  readonly values: ReadonlyMap<number, Buffer>
}

/** The command that cleans: it creates an object. */
export const createOneMore = (client: TokenClient, session: number): Promise<number> =>
  client.objects.create(session, dataObject('one more', 'a new value'))

/** Sectors of the log that creating one more object erases, and bytes that it copies there. */
async function cleaningOf(state: State, partition: number): Promise<{ erased: number; copied: number }> {
  const { token, recorder } = recordedToken(copyState(state))
  token.board.powerOn()
  const session = await officerOn(token.client, partition)
  const { changes } = await recorder.record(() => createOneMore(token.client, session))
  let erased = 0
  let copied = 0
  for (const change of changes) {
    if (change.kind === 'erase' && change.sector >= FLASH_LOG) erased++
    if (change.kind === 'program' && erased === 0) copied += change.data.length
  }
  return { erased, copied }
}

/**
 * Objects of this size come and go until creating one more has to move some of them.
 * @param size bytes of a value
 */
export async function brim(size = 6000): Promise<Brim> {
  const officer = await prepare(await TestToken.make({ sectors: 12, storage: 8_000_000n }), { size: 7_000_000n })
  const { client, session, partition, token } = officer
  const values = new Map<number, Buffer>()
  for (let i = 0; ; i++) {
    const value = Buffer.alloc(size, i)
    const code = await codeOf(
      client.objects.create(session, dataObject(`object ${i}`, value)).then((handle) => values.set(handle, value)),
    )
    if (code !== RC_OK) throw new Error('the log is full and nothing was cleaned')
    if (i < 12 || i % 4 !== 0) continue
    // One of the older ones goes, so that sectors with some that stay are worth cleaning.
    const [, doomed] = [...values.keys()]
    if (doomed === undefined) continue
    await client.objects.destroy(session, [doomed])
    values.delete(doomed)
    const { erased, copied } = await cleaningOf(token.state, partition)
    if (erased > 0 && copied > size) break
  }
  token.board.powerOff()
  return { state: copyState(token.state), partition, values }
}

/**
 * Objects in several sectors with plenty of room left, and a first sector so young that the next command moves what it holds.
 */
export async function young(): Promise<Brim> {
  const officer = await prepare(await TestToken.make({ sectors: 16, storage: 8_000_000n }), { size: 7_000_000n })
  const { client, session, partition, token } = officer
  const values = new Map<number, Buffer>()
  for (let i = 0; i < 24; i++) {
    const value = Buffer.alloc(6000, i)
    values.set(await client.objects.create(session, dataObject(`object ${i}`, value)), value)
  }
  token.board.powerOff()
  const state = copyState(token.state)
  for (const { sector } of sectorHeaders(state.flash.image)) {
    setErases(state.flash.image, sector, sector === FLASH_LOG ? 0 : 100)
  }
  return { state, partition, values }
}
