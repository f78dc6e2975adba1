#!/usr/bin/env node
import { noSuchWord, UsageError } from './command-line.js'
import { runNamed } from './define-command.js'
import { type CliCommand, runProgram } from './program.js'

/** Each is loaded when it is asked for: to read them all takes longer than most of them work. */
const COMMANDS: Readonly<Record<string, () => Promise<CliCommand>>> = {
  init: async () => (await import('./commands/init.js')).init,
  demo: async () => (await import('./commands/demo.js')).demo,
  import: async () => (await import('./commands/import.js')).importKeys,
  up: async () => (await import('./commands/up.js')).up,
  down: async () => (await import('./commands/down.js')).down,
  lunacm: async () => (await import('./commands/lunacm.js')).lunacm,
  appliance: async () => (await import('./commands/appliance.js')).appliance,
  lunash: async () => (await import('./commands/lunash.js')).lunash,
  rbs: async () => (await import('./commands/rbs.js')).rbs,
  ped: async () => (await import('./commands/ped.js')).ped,
  pkcs11: async () => (await import('./commands/pkcs11.js')).pkcs11,
  env: async () => (await import('./commands/env.js')).env,
  status: async () => (await import('./commands/status.js')).status,
  snapshot: async () => (await import('./commands/snapshot.js')).snapshot,
  tamper: async () => (await import('./commands/tamper.js')).tamper,
  usb: async () => (await import('./commands/usb.js')).usb,
  version: async () => (await import('./commands/version.js')).version,
}

async function help(): Promise<string> {
  const all = await Promise.all(Object.values(COMMANDS).map((load) => load()))
  return `Usage: moonlet COMMAND [options]

A Luna-style HSM lab in software: emulated token firmware on boards of their
own, the cables between them, and the programs at the other end.

Commands:
${all.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`).join('\n')}
  help       Show this help, or that of a command

'moonlet COMMAND --help' says more. To begin: 'moonlet demo', or 'moonlet init'
and then 'lunacm'.
`
}

/** @throws UsageError */
async function find(name: string): Promise<CliCommand> {
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (!load) throw noSuchWord('command', name, Object.keys(COMMANDS))
  return load()
}

await runProgram('moonlet', process.argv.slice(2), async ([name, ...rest], io) => {
  if (name === undefined) throw new UsageError('A command is missing')
  if (name === 'help' || name === '--help' || name === '-h') {
    const [about] = rest
    io.stdout.write(about === undefined ? await help() : (await find(about)).help)
    return 0
  }
  return runNamed(await find(name === '--version' ? 'version' : name), rest, io)
})
