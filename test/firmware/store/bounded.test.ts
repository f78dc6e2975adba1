// Cleaning never stalls: what one command does to the flash has a bound, however long the HSM has worked and however full it is.
// test-timeout: 400
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { attribute, type TokenClient } from '../../../host/client/index.js'
import { codeOf } from '../support/expect.js'
import { prepare } from '../support/officer.js'
import { OperationMeter, type Work } from '../support/operation-meter.js'
import { seededNumbers } from '../support/power-cuts.js'
import { dataObject } from '../support/templates.js'
import { TestToken } from '../support/test-token.js'

const test = suite('store: what one command may cost')

const SEED = Number(process.env.MOONLET_SEED ?? 4711)
const SECTORS = 29
const KIB = 1024
const COMMANDS = 12_000

/** DESIGN.md "Cleaning": sectors that a command cleans for room, one that moves so that all wear alike. */
const MOST_CLEANED = 17
/** Erases of superblocks in one command. */
const MOST_SUPERBLOCKS = 2
/** Bytes: copies, then what the command itself stores, its superblock, and what it makes unreadable. */
const MOST_PROGRAMMED = MOST_CLEANED * protocol.FLASH_SECTOR + 2 * protocol.FLASH_SECTOR

test.before(() => console.log(`seed ${SEED}`))

/** Sizes as they are in the field: most objects are keys, some are certificates, few are large. */
function sizeOf(number: number): number {
  const kind = number % 100
  const part = (number >>> 8) / 2 ** 24
  if (kind < 60) return Math.floor(16 + part * 240)
  if (kind < 95) return Math.floor(600 + part * 1800)
  return Math.floor(4 * KIB + part * 16 * KIB)
}

interface Field {
  readonly client: TokenClient
  readonly session: number
  readonly meter: OperationMeter
  readonly token: TestToken
  readonly numbers: () => number
  readonly handles: number[]
}

/** How much of what an HSM can hold it holds, from 0 to 1: its log without the reserve. */
async function fullness({ client }: Field): Promise<number> {
  const { sectorSize, sectors, reserve, live } = await client.hsm.flash()
  return Number(live) / ((sectors - reserve) * sectorSize)
}

async function field(): Promise<Field> {
  let meter: OperationMeter | undefined
  const wrap = (memory: ConstructorParameters<typeof OperationMeter>[0]) => {
    meter = new OperationMeter(memory)
    return meter
  }
  const token = await TestToken.make({ sectors: SECTORS, storage: 8_000_000n }, { wrap })
  const { client, session } = await prepare(token, { size: 7_000_000n })
  if (!meter) throw new Error('a token without peripherals')
  return { client, session, meter, token, numbers: seededNumbers(SEED), handles: [] }
}

/** Creates an object; the code, RC_OK or full. */
async function create({ client, session, numbers, handles }: Field): Promise<number> {
  const value = Buffer.alloc(sizeOf(numbers()), handles.length)
  return codeOf(client.objects.create(session, dataObject('object', value)).then((handle) => handles.push(handle)))
}

/** Any one of the handles, which is taken off the list. */
function draw({ numbers, handles }: Field): number {
  const at = numbers() % handles.length
  const [drawn = 0] = handles.splice(at, 1)
  return drawn
}

/** One command of a busy day at the brim: what is destroyed makes room for what is created next. */
async function command(it: Field): Promise<void> {
  const { client, session, numbers, handles } = it
  const kind = numbers() % 10
  if (kind < 5) {
    const code = await create(it)
    assert.ok(code === protocol.RC_OK || code === protocol.RC_HSM_STORAGE_FULL, `code ${code}`)
  } else if (kind < 8) {
    const handle = draw(it)
    const label = attribute.text(protocol.CKA_LABEL, `label ${numbers() % 1000}`)
    const code = await codeOf(client.objects.set(session, handle, [label]))
    assert.ok(code === protocol.RC_OK || code === protocol.RC_HSM_STORAGE_FULL, `code ${code}`)
    handles.push(handle)
  } else {
    const few = Array.from({ length: 1 + (numbers() % 3) }, () => draw(it))
    assert.equal(
      await client.objects.destroy(session, few),
      few.map(() => protocol.RC_OK),
    )
  }
}

/** Runs commands until so many were measured with the HSM at least 90 % full. */
async function busyDay(it: Field, count: number): Promise<Work[]> {
  while ((await create(it)) === protocol.RC_OK);
  const measured: Work[] = []
  let deepest = 1
  while (measured.length < count) {
    const full = await fullness(it)
    if (full < 0.9) await create(it)
    else {
      deepest = Math.min(deepest, full)
      measured.push(await it.meter.measure(() => command(it)))
    }
  }
  assert.ok(deepest >= 0.9)
  return measured
}

const most = (work: readonly Work[], key: keyof Work): number => Math.max(...work.map((one) => one[key]))

test('at 90 % and more, no command cleans more than its bound, and few clean more than one sector', async () => {
  const it = await field()
  const work = await busyDay(it, COMMANDS)
  const [cleaned, erases, programmed] = [most(work, 'cleaned'), most(work, 'erases'), most(work, 'programmed')]
  const sum = work.reduce((total, one) => total + one.cleaned, 0)
  const several = work.filter((one) => one.cleaned > 1).length
  console.log(`${work.length} commands cleaned ${sum} sectors, at most ${cleaned} each, ${several} more than one`)
  console.log(`at most ${erases} erases and ${programmed} bytes programmed by one command`)
  assert.ok(sum > 500, 'there was something to clean')
  assert.ok(cleaned <= MOST_CLEANED, `${cleaned} sectors`)
  assert.ok(erases <= MOST_CLEANED + MOST_SUPERBLOCKS, `${erases} erases`)
  assert.ok(programmed <= MOST_PROGRAMMED, `${programmed} bytes`)
  assert.ok(several < work.length / 20, `${several} of ${work.length} commands`)
  // Everything is still there.
  assert.is((await it.client.objects.list(it.session)).length, it.handles.length)
})

test('an idle HSM cleans one sector at a time, until there is enough or nothing left to gain', async () => {
  const it = await field()
  while ((await create(it)) === protocol.RC_OK);
  const doomed = it.handles.filter((_, i) => i % 2 === 0)
  for (let i = 0; i < doomed.length; i += 200) await it.client.objects.destroy(it.session, doomed.slice(i, i + 200))
  const before = await it.client.hsm.flash()
  const work: Work[] = []
  do work.push(await it.meter.measure(() => it.token.board.tick()))
  while (work.at(-1)?.cleaned !== 0)
  const after = await it.client.hsm.flash()
  assert.is(most(work, 'cleaned'), 1)
  assert.ok(work.length > 3 && after.free > before.free && after.dead < before.dead, `${before.free} to ${after.free}`)
  assert.is(after.live, before.live)
})

test.run()
