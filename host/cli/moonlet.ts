#!/usr/bin/env node
import { noSuchWord, UsageError } from './command-line.js'
import { appliance } from './commands/appliance.js'
import { demo } from './commands/demo.js'
import { down } from './commands/down.js'
import { env } from './commands/env.js'
import { importKeys } from './commands/import.js'
import { init } from './commands/init.js'
import { lunacm } from './commands/lunacm.js'
import { lunash } from './commands/lunash.js'
import { ped } from './commands/ped.js'
import { pkcs11 } from './commands/pkcs11.js'
import { rbs } from './commands/rbs.js'
import { snapshot } from './commands/snapshot.js'
import { status } from './commands/status.js'
import { tamper } from './commands/tamper.js'
import { up } from './commands/up.js'
import { usb } from './commands/usb.js'
import { version } from './commands/version.js'
import { runNamed } from './define-command.js'
import { type CliCommand, runProgram } from './program.js'

const COMMANDS: readonly CliCommand[] = [
  init,
  demo,
  importKeys,
  up,
  down,
  lunacm,
  appliance,
  lunash,
  rbs,
  ped,
  pkcs11,
  env,
  status,
  snapshot,
  tamper,
  usb,
  version,
]

const HELP = `Usage: moonlet COMMAND [options]

A Luna-style HSM lab in software: emulated token firmware on boards of their
own, the cables between them, and the programs at the other end.

Commands:
${COMMANDS.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`).join('\n')}
  help       Show this help, or that of a command

'moonlet COMMAND --help' says more. To begin: 'moonlet demo', or 'moonlet init'
and then 'lunacm'.
`

/** @throws UsageError */
function find(name: string): CliCommand {
  const command = COMMANDS.find((one) => one.name === name)
  if (!command) {
    throw noSuchWord(
      'command',
      name,
      COMMANDS.map((one) => one.name),
    )
  }
  return command
}

await runProgram('moonlet', process.argv.slice(2), async ([name, ...rest], io) => {
  if (name === undefined) throw new UsageError('A command is missing')
  if (name === 'help' || name === '--help' || name === '-h') {
    const [about] = rest
    io.stdout.write(about === undefined ? HELP : find(about).help)
    return 0
  }
  return runNamed(name === '--version' ? version : find(name), rest, io)
})
