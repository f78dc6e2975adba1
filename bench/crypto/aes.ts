// The eight-block AES kernel against OpenSSL's assembly on a processor without AES instructions: they are masked, as OPENSSL_ia32cap(3)
// describes. OpenSSL then takes its bitsliced code for CTR and its vector-permute code for ECB.
import { execFile } from 'node:child_process'
import { arch } from 'node:os'
import { asItIs, BenchError, type Context, type Group, type RowSpec, Unavailable } from '../harness/bench.js'
import { Core } from '../harness/core.js'
import { type Contender, interleave, loop } from '../harness/rounds.js'
import { pattern } from './samples.js'

/** Bits 57 (AES) and 33 (carry-less multiplication) of the processor's feature words. */
const WITHOUT_AES = '~0x200000200000000'
const BYTES = 16384
const BLOCK = 16
const BLOCKS = BYTES / BLOCK
/** Milliseconds of use before the kernel is measured. */
const WARM = 1000

/** Bytes a second, from the machine-readable line of `openssl speed`: `+F:id:NAME:rate`. */
export function speedOf(output: string): number {
  const rate = Number(output.match(/^\+F:\d+:[^:]+:([\d.]+)/m)?.[1])
  if (!(rate > 0)) throw new BenchError(`openssl speed gave no rate: ${output.trim()}`)
  return rate
}

/** `openssl speed` over 16 KiB for a second of processor time; nanoseconds per block. */
function openssl(cipher: string, { adopt }: Context): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      'openssl',
      ['speed', '-mr', '-seconds', '1', '-bytes', String(BYTES), '-evp', cipher],
      { env: { ...process.env, OPENSSL_ia32cap: WITHOUT_AES } },
      (error, stdout) => {
        if (error && 'code' in error && error.code === 'ENOENT')
          reject(new Unavailable('the program openssl is not installed'))
        else if (error) reject(new BenchError(`openssl speed failed: ${error.message}`, { cause: error }))
        else resolve((1e9 * BLOCK) / speedOf(stdout))
      },
    )
    adopt(child)
  })
}

const row = (id: string, code: string, wanted: Pick<RowSpec, 'target' | 'gate'> = {}): RowSpec => ({
  id,
  unit: 'ns/block',
  baselineName: `OpenSSL ${code}`,
  ratio: 'speed',
  what: `AES-256 encryption of 1,024 blocks by the eight-block kernel against OpenSSL's ${code} code, AES instructions masked`,
  ...wanted,
  present: asItIs,
})

const BITSLICED = row('aes8-vs-openssl', 'bitsliced', { target: 0.95, gate: 0.57 })
const VECTOR_PERMUTE = row('aes8-vs-vpaes', 'vector-permute')

export const aes: Group = {
  rows: [BITSLICED, VECTOR_PERMUTE],
  async measure(wanted, context) {
    if (arch() !== 'x64') throw new Unavailable('OpenSSL can mask AES instructions on x86-64 only')
    context.progress('the AES kernel against openssl speed')
    const core = new Core()
    const key = core.context()
    const [source, target] = [core.put(pattern(BYTES)), core.room(BYTES)]
    core.call.aesKey(key, core.put(pattern(32, 3)), 32)
    const ours = loop(() => core.call.aesEncrypt(key, source, target, BLOCKS), {
      units: BLOCKS,
      // Long enough that what a second of idling costs, while OpenSSL is measured, does not count.
      milliseconds: 300,
    })
    // The compiler comes round to the kernel when it has time: not before is this the code that is measured.
    await loop(() => core.call.aesEncrypt(key, source, target, BLOCKS), { units: BLOCKS, milliseconds: WARM })()
    const contenders: Record<string, Contender> = { ours }
    if (wanted.has(BITSLICED.id)) contenders.bitsliced = () => openssl('aes-256-ctr', context)
    if (wanted.has(VECTOR_PERMUTE.id)) contenders.permute = () => openssl('aes-256-ecb', context)
    const costs = await interleave(contenders, context.quick ? 5 : 9, { warmups: context.quick ? 0 : 1 })
    const results = new Map()
    if (wanted.has(BITSLICED.id)) results.set(BITSLICED.id, costs.against('ours', 'bitsliced'))
    if (wanted.has(VECTOR_PERMUTE.id)) results.set(VECTOR_PERMUTE.id, costs.against('ours', 'permute'))
    return results
  },
}
