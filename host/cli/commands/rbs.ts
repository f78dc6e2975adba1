import { ApplianceService, Borrowers, RBS_PORT, useLab, whileLending } from '../../lab/index.js'
import { noSuchWord, readListen, refusePositionals, stateFolder, UsageError } from '../command-line.js'
import { defineCommand, type Line } from '../define-command.js'
import { eventWriter, readLogLevel } from '../event-log.js'
import type { CliIo } from '../program.js'
import { serveNtls } from '../serve-ntls.js'

const OPTIONS = {
  listen: { type: 'string' },
  hsm: { type: 'string', multiple: true },
  rules: { type: 'string' },
  'key-log': { type: 'string' },
  'log-level': { type: 'string' },
  name: { type: 'string', short: 'n' },
  certificate: { type: 'string', short: 'c' },
  address: { type: 'string' },
} as const

type Values = Line<typeof OPTIONS>['values']

/** What each word after `rbs` does; none = serve. */
const ACTIONS: Readonly<Record<string, (stateDir: string, values: Values, io: CliIo) => Promise<void>>> = {
  async register(stateDir, { name, certificate, address }, io) {
    const borrowers = await Borrowers.open(stateDir)
    const client = borrowers.register(needed(name, '--name'), needed(certificate, '--certificate'), address)
    io.stdout.write(`${client.name} may use the Backup HSMs that are lent out. Certificate ${client.fingerprint}\n`)
  },
  async list(stateDir, _values, io) {
    const clients = (await Borrowers.open(stateDir)).list()
    for (const { name, address = 'any address', fingerprint } of clients) {
      io.stdout.write(`${name.padEnd(20)} ${address.padEnd(20)} ${fingerprint}\n`)
    }
    if (clients.length === 0) io.stdout.write('No client is registered.\n')
  },
  async delete(stateDir, { name }, io) {
    const client = needed(name, '--name')
    const borrowers = await Borrowers.open(stateDir)
    borrowers.delete(client)
    io.stdout.write(`${client} is no longer registered.\n`)
  },
}

export const rbs = defineCommand({
  name: 'rbs',
  summary: 'Lend the Backup HSMs of the lab out over the network (RBS)',
  help: `Usage: moonlet rbs [options]
       moonlet rbs register -n NAME -c FILE [--address HOST]
       moonlet rbs list | delete -n NAME

Lends Backup HSMs of this computer out to lunacm on other ones: mutual TLS, the
clients that were registered here and nobody else. Runs until it is ended
(Ctrl-C). Its certificate is rbs/server.pem in the state folder: a client gets
to know it with 'vtl addServer -n HOST -c server.pem -p ${RBS_PORT}', and shows its
own, made by 'vtl createCert', to 'moonlet rbs register'.

Options:
  --listen HOST:PORT  where to listen (default: 127.0.0.1:${RBS_PORT}); port 0 is any
                      free one
  --hsm NAME          lend this Backup HSM out, and those of other --hsm; all of
                      the lab unless given
  --key-log FILE      append the secrets of each TLS connection to FILE, for
                      Wireshark: whoever has it can read all that was said
  --log-level LEVEL   what is printed: error, warn, info (the default) or debug
  --rules FILE        operator rules for the PED, looked at before the lab's own
  -n, --name NAME     of a client
  -c, --certificate FILE
                      its certificate, PEM
  --address HOST      it has to come from this address or host
  --state DIR         state folder of the lab
  --debug             show the stack of an error
  -h, --help          show this help
`,
  options: OPTIONS,
  async run({ values, positionals }, io) {
    const [word, ...more] = positionals
    refusePositionals(more)
    const stateDir = stateFolder(values.state, io.env)
    if (word === undefined) await lend(stateDir, values, io)
    else {
      const action = Object.hasOwn(ACTIONS, word) ? ACTIONS[word] : undefined
      if (!action) throw noSuchWord('command', word, Object.keys(ACTIONS))
      await action(stateDir, values, io)
    }
    return 0
  },
})

function lend(stateDir: string, values: Values, io: CliIo): Promise<void> {
  const { listen, hsm: names, rules, 'key-log': keyLog } = values
  const tell = eventWriter(readLogLevel(values['log-level']), (line) => io.stdout.write(line))
  const at = listen === undefined ? undefined : readListen(listen)
  return whileLending(stateDir, () =>
    useLab(stateDir, { serve: { kind: 'backup', names }, rules, onPedEvent: tell }, (lab) =>
      serveNtls(io, { listen: at, keyLog, tell }, (options) => ApplianceService.lend(lab, options)),
    ),
  )
}

/** @throws UsageError */
function needed(value: string | undefined, option: string): string {
  if (value === undefined || value === '') throw new UsageError(`Option '${option}' is missing`)
  return value
}
