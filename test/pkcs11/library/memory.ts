// What valgrind and the compiler's sanitizers say of the library.
import { join } from 'node:path'
import { temporaryFolder } from '../../cli/support.js'
import { built, CHALLENGE, check, type Door, isThere, leftOut, said } from './support.js'

const PROGRAMS = ['check', 'killed', 'messages']
const TSAN = { TSAN_OPTIONS: 'halt_on_error=1 die_after_fork=0' }
const VALGRIND = [
  '-q',
  '--error-exitcode=9',
  '--leak-check=full',
  '--show-leak-kinds=all',
  '--errors-for-leak-kinds=all',
]

interface Way {
  readonly name: string
  readonly folder: string
  readonly before: readonly string[]
}

/** A program with threads, forks and every kind of call, then one whose server is killed, in every way. */
export async function memory(door: Door): Promise<void> {
  const plain = await built('', PROGRAMS)
  const ways: Way[] = [
    { name: 'plain', folder: plain, before: [] },
    { name: 'ASan and UBSan', folder: await built('address,undefined', PROGRAMS), before: [] },
    { name: 'TSan', folder: await built('thread', PROGRAMS), before: [] },
  ]
  if (await isThere('valgrind')) ways.push({ name: 'valgrind', folder: plain, before: ['valgrind', ...VALGRIND] })
  else leftOut('no valgrind (Debian: apt-get install valgrind)')
  const env = { ...door.env, ...TSAN }
  for (const { name, folder, before } of ways) {
    const [program = '', ...args] = [...before, join(folder, 'check'), '1', CHALLENGE]
    const { good, text } = await said(program, args, { env })
    check(good, `${name}: 16 threads, 5 forks, ${text.trim()}`, text)
  }
  for (const { name, folder, before } of ways) {
    const [program = '', ...args] = [...before, join(folder, 'messages'), '1', CHALLENGE]
    const { good, text } = await said(program, args, { env })
    check(good, `${name}: ${text.trim()} through the interface of 3.0`, text)
  }
  for (const { name, folder, before } of ways) {
    const [program = '', ...args] = [...before, join(folder, 'killed'), '1', CHALLENGE, String(door.process)]
    const working = said(program, args, { env })
    await Promise.race([working, door.ended])
    await door.close()
    await door.open()
    const { good, text } = await working
    check(good, `${name}: ${text.trim()}`, text)
  }
}

/** A server that lies; and where clang is there, libFuzzer on what takes answers apart. */
export async function fuzzing(seconds: number, seed: string): Promise<void> {
  for (const [name, sanitizer] of [
    ['ASan and UBSan', 'address,undefined'],
    ['TSan', 'thread'],
  ] as const) {
    const folder = await built(sanitizer, ['hostile'])
    const { good, text } = await said(join(folder, 'hostile'), [String(seconds), seed], { env: TSAN, seconds })
    check(good, `${name}, a server that lies, seed ${seed}, ${seconds} s: ${text.trim()}`, text)
  }
  if (!(await isThere('clang'))) {
    leftOut('libFuzzer: no clang (Debian: apt-get install clang libclang-rt-14-dev)')
    return
  }
  const folder = await built('fuzzer,address,undefined', ['answers'], 'clang')
  const args = [`-max_total_time=${seconds}`, '-max_len=1024', `-seed=${seed}`]
  const { good, text } = await said(join(folder, 'answers'), args, { cwd: temporaryFolder(), seconds })
  const done = text.split('\n').filter((line) => /DONE|^Done/.test(line))
  check(good, `libFuzzer, seed ${seed}: ${done.join(', ')}`, text.split('\n').slice(-40).join('\n'))
}
