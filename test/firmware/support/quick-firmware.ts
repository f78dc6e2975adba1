// The firmware of the build with one number changed: a password costs 50 rounds of PBKDF2 instead of 50,000, which are most of the time of
// a test that logs in often. All else is the same, byte for byte; whatever needs the real number takes the module of the build.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const BUILT = new URL('../../../firmware.wasm', import.meta.url)
/** i32.const 32, the bytes of a role's salt; i32.const 50000. The text of a domain has a salt of 16, and keeps its rounds. */
const PASSWORD = Buffer.from('412041d08603', 'hex')
/** Rounds that a password costs in it. */
export const QUICK_ROUNDS = 50
/** i32.const 32, i32.const QUICK_ROUNDS, in as many bytes. */
const QUICK = Buffer.from('412041b28000', 'hex')
/** Places that derive a key from a password: log-in, challenge, and another password. */
const PLACES = 3

/** Path of the module, which is written once for each build; the boot loader's record lies beside it. */
export function quickFirmware(): string {
  const built = readFileSync(BUILT)
  const name = createHash('sha256').update(built).update(QUICK).digest('hex').slice(0, 16)
  const path = fileURLToPath(new URL(`./quick-firmware-${name}.wasm`, import.meta.url))
  if (existsSync(path)) return path
  let places = 0
  for (let at = built.indexOf(PASSWORD); at >= 0; at = built.indexOf(PASSWORD, at)) {
    QUICK.copy(built, at)
    places++
  }
  if (places !== PLACES) throw new Error(`passwords are derived in ${places} places of the firmware, not ${PLACES}`)
  const record: Record<string, unknown> = JSON.parse(readFileSync(new URL('./firmware.json', BUILT), 'utf8'))
  const sha384 = createHash('sha384').update(built).digest('hex')
  // Other test processes may do the same at once: files appear whole, the module last.
  const write = (target: string, content: string | Uint8Array): void => {
    writeFileSync(`${target}.${process.pid}`, content)
    renameSync(`${target}.${process.pid}`, target)
  }
  write(path.replace(/\.wasm$/, '.json'), JSON.stringify({ ...record, sha384 }))
  write(path, built)
  return path
}
