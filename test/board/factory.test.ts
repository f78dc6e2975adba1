import { createHash, createPublicKey, verify } from 'node:crypto'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  AUTH_PED,
  CMD_FACTORY_BEGIN,
  CMD_FACTORY_FINISH,
  MODEL_BACKUP,
  PROFILE_6_27_0,
} from '../../assembly/protocol.js'
import { createBoardFolder, manufacture, openBoard } from '../../host/board/index.js'
import { fails, newBoardFolder, parse, request, SMALL_FLASH, scratch } from './support.js'
import { testFirmware } from './test-firmware.js'

const test = suite('board: factory')

const RECORD = {
  serial: 700101n,
  model: MODEL_BACKUP,
  profile: PROFILE_6_27_0,
  auth: AUTH_PED,
  maxPartitions: 20,
  storage: 0x100000001n,
  partitionBase: 5,
  partitionMultiplier: 1000,
}

/** The published test root (OBC-1 §13), as anyone can compute it. */
async function rootKey(): Promise<ReturnType<typeof createPublicKey>> {
  const { createECDH } = await import('node:crypto')
  const ecdh = createECDH('secp384r1')
  ecdh.setPrivateKey(createHash('sha512').update('OBC1-KAT:root').digest().subarray(0, 48))
  const point = ecdh.getPublicKey()
  const [x, y] = [point.subarray(1, 49), point.subarray(49)].map((part) => part.toString('base64url'))
  return createPublicKey({ key: { kty: 'EC', crv: 'P-384', x: x ?? '', y: y ?? '' }, format: 'jwk' })
}

/** A door that keeps what it was asked and answers by a list. */
function door(...answers: readonly (readonly [code: number, body: Buffer])[]) {
  const asked: { command: number; body: Buffer }[] = []
  return {
    asked,
    exchange: (frame: Uint8Array): Promise<Uint8Array> => {
      const bytes = Buffer.from(frame)
      const [code, body] = answers[asked.length] ?? [0, Buffer.alloc(0)]
      asked.push({ command: bytes.readUInt16BE(), body: bytes.subarray(16) })
      const answer = request(bytes.readUInt16BE() | 0x8000, body, bytes.readUInt32BE(8))
      answer.writeUInt32BE(code, 4)
      return Promise.resolve(answer)
    },
  }
}

test('the record goes in as the specification lays it out, the certificate comes back signed', async () => {
  const certificate = Buffer.alloc(160, 0x5a)
  const token = door([0, certificate])
  await manufacture(token, RECORD)
  const [begin, finish] = token.asked
  assert.is(begin?.command, CMD_FACTORY_BEGIN)
  assert.is(
    begin?.body.toString('hex'),
    '00000000000aaec5' + '00000003' + '061b0000' + '02' + '00000014' + '0000000100000001' + '00000005' + '000003e8',
  )
  assert.is(finish?.command, CMD_FACTORY_FINISH)
  const key = await rootKey()
  assert.ok(verify('sha384', certificate, { key, dsaEncoding: 'ieee-p1363' }, finish?.body ?? Buffer.alloc(0)))
})

test('a token that refuses is not manufactured', async () => {
  const { message } = await fails('FACTORY_REFUSED', () => manufacture(door([0x00300034, Buffer.alloc(0)]), RECORD))
  assert.ok(message.includes('0x300034'), message)
  await fails('FACTORY_REFUSED', () => manufacture(door([0, Buffer.alloc(159)]), RECORD))
  await fails('FACTORY_REFUSED', () => manufacture(door([0, Buffer.alloc(160)], [5, Buffer.alloc(0)]), RECORD))
})

test('a made folder opens; a second one is not made over it', async () => {
  const dir = newBoardFolder()
  await fails('STATE_EXISTS', () => createBoardFolder(dir, { flashSize: SMALL_FLASH, madeBy: 'test' }))
  const { board, close } = await openBoard({ dir, firmware: await testFirmware() })
  assert.ok(board.powered)
  const answer = await new Promise((resolve) => board.submit(request(0x7001), resolve))
  assert.instance(answer, Uint8Array)
  if (answer instanceof Uint8Array) assert.is(parse(answer).code, 0)
  await close()
  await fails('OPTION_INVALID', () => createBoardFolder(join(scratch(), 'x'), { flashSize: 5, madeBy: 'test' }))
})

test.run()
