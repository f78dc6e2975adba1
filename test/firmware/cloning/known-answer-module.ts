// assembly/known-answers.ts, compiled and driven from JavaScript: memory in, calls, memory out.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { instantiateSync } from '@assemblyscript/loader'
import asc from 'assemblyscript/asc'
import { FLASH_SECTOR } from '../../../assembly/protocol.js'
import { boardImports } from '../../../host/board/imports.js'
import { NonVolatileMemory, State, SystemTrng, soundModule, VirtualClock } from '../../../host/board/index.js'
import { START } from '../support/test-token.js'

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url))
const FILE = `${ROOT}fixtures/obc1/known-answers.txt`
const ENTRY = 'assembly/known-answers.ts'
const PAGES = '512'
const SECTORS = 17

interface Address {
  readonly value: number
}

/** The exports of assembly/known-answers.ts: addresses, lengths in bytes, and numbers. */
interface Exports extends Record<string, unknown> {
  readonly CEK: Address
  readonly KEY_FK: Address
  readonly KEY_KEK: Address
  readonly KEY_MTK: Address
  readonly KEY_RAK: Address
  readonly KEY_RSK: Address
  readonly KEY_TUK: Address
  readonly OBJECT_OUID: Address
  readonly PLAIN: Address
  readonly RECORD: Address
  readonly SHARED: Address
  scratch(): number
  becomeToken(serial: bigint, model: number, profile: number, certificates: number): void
  rootKey(): number
  certificateBody(
    out: number,
    type: number,
    usage: number,
    issuerKey: number,
    serial: bigint,
    model: number,
    firmware: number,
    key: number,
  ): void
  signCertificate(certificate: number, scalar: number): number
  chainIsGood(certificates: number, serial: bigint): number
  hash384(p: number, n: number, out: number): void
  hashBegin(): void
  hashPart(p: number, n: number): void
  hashEnd(out: number): void
  macBegin(key: number, keyLength: number): void
  macPart(p: number, n: number): void
  macEnd(out: number): void
  m1Write(message: number, partition: number): void
  m2Write(message: number, sidSource: number, partition: number, domains: number): void
  agree(ephemeral: number, peerEphemeral: number, identity: number): number
  domainKey(vector: number, type: number, out: number): void
  sessionKeysOf(vector: number, type: number, th: number, out: number): void
  tagOfTarget(km: number, idT: number, idS: number, ephT: number, ephS: number, th: number, out: number): void
  tagOfSource(
    km: number,
    idS: number,
    idT: number,
    ephS: number,
    ephT: number,
    th: number,
    tags: number,
    domains: number,
    out: number,
  ): void
  plainBegin(): void
  plainPut(type: number, value: number, length: number): number
  plainSize(): number
  setObject(handle: number, objectClass: number, keyType: number, bits: number): void
  envelopeSealWith(out: number, kek: number, sid: number, seq: number): number
  batchMac(hks: number, message: number, count: number, out: number): void
  closeWrite(out: number, key: number, sid: number, number: number, total: number): void
  pinKeyOfPassword(password: number, length: number, salt: number, out: number): void
  pinKeyOfPed(secret: number, salt: number, out: number): void
  roleKey(serial: number, partition: number, role: number, epoch: number, pinKey: number, out: number): void
  kwWrap(kek: number, kekLen: number, src: number, n: number, dst: number): void
  deriveRootKeys(serial: number): void
  deriveFactoryKey(serial: number): void
  serialBytes(): number
  textDomainVector(text: number, length: number, out: number): void
  recordHead(
    partition: number,
    epoch: number,
    handle: number,
    generation: number,
    ouid: number,
    objectClass: number,
    keyType: number,
    bits: number,
    slot: number,
    n: number,
    admission: bigint,
  ): void
  recordSealWith(storageKey: number, plaintext: number, n: number): number
  listRecord(partition: number, handle: number, generation: number, n: number): void
  directoryHash(partition: number, out: number): void
  logBegin(): number
  logErase(): void
  logAppend(record: number, length: number): number
  logCommit(offset: number, length: number): void
}

/** The build that only tests use. */
async function compile(): Promise<Uint8Array> {
  const files = new Map<string, Uint8Array>()
  const memory = ['--initialMemory', PAGES, '--maximumMemory', PAGES]
  const language = ['--config', 'none', '--runtime', 'stub', '--noAssert', '--enable', 'simd', '--optimizeLevel', '1']
  const place = ['--baseDir', ROOT, '--outFile', 'out.wasm']
  const { error, stderr } = await asc.main([ENTRY, ...place, ...memory, ...language], {
    writeFile: (name, contents) => {
      files.set(name, typeof contents === 'string' ? Buffer.from(contents) : contents)
    },
  })
  const wasm = files.get('out.wasm')
  if (error || !wasm) throw new Error(`${ENTRY} does not compile: ${stderr.toString()}`, { cause: error })
  return wasm
}

export class KnownAnswerModule {
  /** What the module programmed. */
  readonly state = State.blank(SECTORS * FLASH_SECTOR)
  readonly call: Exports
  readonly #memory: Uint8Array
  #next: number

  private constructor(wasm: Uint8Array) {
    const chips = {
      memory: new NonVolatileMemory(this.state),
      trng: new SystemTrng(),
      clock: new VirtualClock(START),
    }
    const board = boardImports(chips, { ped: () => 0, tamper: () => 0 }, (at, length) =>
      this.#memory.subarray(at, at + length),
    )
    const { exports } = instantiateSync<Exports>(soundModule(wasm), { board })
    if (exports.memory === undefined) throw new Error('the module exports no memory')
    this.call = exports
    this.#memory = new Uint8Array(exports.memory.buffer)
    this.#next = exports.scratch()
  }

  static async build(): Promise<KnownAnswerModule> {
    return new KnownAnswerModule(await compile())
  }

  /** A buffer of n zero bytes. */
  room(n: number): number {
    const at = this.#next
    this.#next += (n + 15) & ~15
    return at
  }

  /** A buffer with these bytes in it. */
  put(...parts: readonly Uint8Array[]): number {
    const bytes = Buffer.concat(parts)
    const at = this.room(bytes.length)
    this.set(at, bytes)
    return at
  }

  set(at: number, bytes: Uint8Array): void {
    this.#memory.set(bytes, at)
  }

  take(at: number, n: number): Buffer {
    return Buffer.from(this.#memory.slice(at, at + n))
  }

  /** What a call writes into a buffer of n bytes. */
  made(n: number, write: (out: number) => void): Buffer {
    const out = this.room(n)
    write(out)
    return this.take(out, n)
  }

  hash(...parts: readonly Uint8Array[]): Buffer {
    const bytes = Buffer.concat(parts)
    return this.made(48, (out) => this.call.hash384(this.put(bytes), bytes.length, out))
  }
}

/** fixtures/obc1/known-answers.txt: NAME → value in hexadecimal (`lengths`: as text). */
export function documentedAnswers(): Map<string, string> {
  const rows = readFileSync(FILE, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    rows.map((line) => {
      const [, name, value] =
        /^(lengths)\s+(.*)$/.exec(line) ?? /^(.*?):?\s+([0-9a-f]{32,})(?:\s+\(.*\))?$/.exec(line) ?? []
      if (name === undefined || value === undefined) throw new Error(`not a known answer: ${line}`)
      return [name, value]
    }),
  )
}
