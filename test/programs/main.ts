// The pages in docs/, carried out: every command of them at a shell, in one lab, and what it prints held against the page.
//
//   node dist/test/programs/main.js [--show] [PAGE...]
//
// Pages whose programs are not installed are left out; `backup`, which uses what the others have made, goes last.

import { execFileSync } from 'node:child_process'
import { accessSync, constants, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { moonlet, temporaryFolder } from '../cli/support.js'
import { BashSession } from './bash-session.js'
import { isAsSaid, readPage } from './page.js'
import { PAGES, type ProgramPage } from './pages.js'

/** Milliseconds that one command may take. */
const LIMIT = 120_000

const LAB = `
[[hsm]]
name = "network"
kind = "network"
label = "Network"
partitions = ["SA52_P1"]

[[hsm]]
name = "backup"
kind = "backup"
label = "Backup"

[[workstation]]
name = "lunacm-6"
slots = [{ slot = 1, hsm = "network" }, { slot = 2, hsm = "backup" }]

[appliance]
listen = "127.0.0.1:0"

[usb]
listen = "127.0.0.1:0"

[ped]
listen = "127.0.0.1:0"

[pkcs11]
`

const { values, positionals } = parseArgs({
  options: { show: { type: 'boolean' } },
  allowPositionals: true,
})
const unknown = positionals.find((name) => PAGES.every((page) => page.name !== name))
if (unknown !== undefined)
  throw new Error(`there is no page "${unknown}", only ${PAGES.map(({ name }) => name).join(', ')}`)

const home = temporaryFolder()
const own = environment(home)
const env = { ...process.env, ...own, PORT: String(await freePort()) }
const state = join(home, 'state', 'moonlet')

/** The programs by their names, and nothing of whoever runs this. */
function environment(folder: string) {
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  for (const name of ['moonlet', 'lunacm', 'cmu', 'vtl', 'pedserver']) {
    symlinkSync(fileURLToPath(new URL(`../../host/cli/${name}.js`, import.meta.url)), join(bin, name))
  }
  const path = [bin, process.env.PATH ?? '', '/usr/sbin'].join(delimiter)
  return { PATH: path, HOME: folder, XDG_STATE_HOME: join(folder, 'state'), LC_ALL: 'C.UTF-8', TZ: 'UTC' }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}

const isThere = (path: string): boolean => {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}

/** What a page needs and this computer has not. */
function missing({ programs, needs = [] }: ProgramPage): string[] {
  const folders = own.PATH.split(delimiter)
  const lacking = programs.filter((name) => !folders.some((folder) => isThere(join(folder, name))))
  return [...lacking, ...needs.filter(({ test }) => !works(test)).map(({ name }) => name)]
}

function works(command: string): boolean {
  try {
    execFileSync('sh', ['-c', command], { env, stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Carries a page out. @returns whether all was as it says */
async function carryOut({ name }: ProgramPage): Promise<boolean> {
  const path = fileURLToPath(new URL(`../../../docs/${name}.md`, import.meta.url))
  const session = new BashSession(env, home)
  let good = true
  try {
    for (const { line, command, output } of readPage(readFileSync(path, 'utf8'))) {
      const { printed, code } = await session.run(command, LIMIT)
      if (values.show) process.stdout.write(`$ ${command}\n${printed}`)
      if (code === 0 && isAsSaid(output, printed)) continue
      good = false
      const said = output.map((one) => `     | ${one}\n`).join('')
      const got = printed.replace(/^/gm, '     | ')
      process.stdout.write(
        `docs/${name}.md, line ${line}: ${command}\n  the page:\n${said}  code ${code}, printed:\n${got}\n`,
      )
      break
    }
  } catch (error) {
    good = false
    process.stdout.write(`docs/${name}.md: ${error instanceof Error ? error.message : String(error)}\n`)
  } finally {
    await session.close()
  }
  return good
}

const lab = join(home, 'lab.toml')
writeFileSync(lab, LAB)
const up = await moonlet(['up', lab, '--state', state])
if (up.code !== 0) throw new Error(up.stderr)
let [passed, failed] = [0, 0]
try {
  for (const page of PAGES) {
    if (positionals.length > 0 && !positionals.includes(page.name)) continue
    const lacking = missing(page)
    if (lacking.length > 0) {
      process.stdout.write(`left out: docs/${page.name}.md needs ${lacking.join(', ')} (Debian: ${page.packages})\n`)
      continue
    }
    const good = await carryOut(page)
    process.stdout.write(`${good ? 'ok    ' : 'FAILED'} docs/${page.name}.md: ${page.about}\n`)
    if (good) passed++
    else failed++
  }
} finally {
  await moonlet(['down', '--state', state])
}
process.stdout.write(`${passed} passed, ${failed} failed\n`)
if (failed > 0) process.exitCode = 1
