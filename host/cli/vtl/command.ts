import { parseArgs } from 'node:util'
import {
  addServer,
  ClientConfig,
  createClientCertificate,
  deleteServer,
  NTLS_PORT,
  networkSlots,
} from '../../lab/index.js'
import { rendered } from '../../lunacm/index.js'
import { clientFolder, noSuchWord, readArguments, refusePositionals, UsageError } from '../command-line.js'
import type { CliCommand } from '../program.js'
import type { Action, Say } from './action.js'
import { literals } from './literals.js'
import { slotActions } from './slots.js'

const HELP = `Usage: vtl COMMAND [options]

The client's side of NTLS: its certificate, and the appliances that it trusts.

Commands (one that is cut short does, while it is the only one):
  createCert -n NAME [-f]             make this client's key and certificate;
                                      NAME is its host name or address
  addServer -n HOST -c CERT [-p PORT] trust an appliance by its certificate
  deleteServer -n HOST                trust it no longer
  listServers                         list the appliances
  listSlots                           list the partitions that they show
  verify                              the same; fails where there is none

Options:
  -n NAME         host name or address
  -c FILE         certificate of the appliance, its server.pem
  -p PORT         its port (default: ${NTLS_PORT})
  -f              createCert: replace what is there
  --config DIR    folder of Chrystoki.conf (default:
                  $ChrystokiConfigurationPath, else that of the lab's client if
                  'moonlet up' has made it one, else $XDG_CONFIG_HOME/moonlet or
                  ~/.config/moonlet)
  --view NAME     the workstation of the lab (default: its first)
  --state DIR     state folder of the lab
  --debug         show the stack of an error
  -h, --help      show this help

The configuration is in the vendor's syntax; what vtl does not use stays as it
is. Certificates are in cert/client and cert/server beside it.
`

const ACTIONS: Readonly<Record<string, Action>> = {
  ...slotActions(networkSlots),

  async createCert({ config, name, force }, say) {
    const files = await createClientCertificate(config, needed(name, '-n'), force)
    say(literals.keyWritten, files.key)
    say(literals.certificateWritten, files.certificate)
    return 0
  },

  async addServer({ config, name, certificate, port }, say) {
    const host = needed(name, '-n')
    addServer(config, { host, port: portOf(port) }, needed(certificate, '-c'))
    say(literals.serverAdded, host)
    return 0
  },

  async deleteServer({ config, name }, say) {
    const host = needed(name, '-n')
    deleteServer(config, host)
    say(literals.serverDeleted, host)
    return 0
  },

  async listServers({ config }, say) {
    const servers = config.servers()
    if (servers.length === 0) say(literals.noServers)
    for (const { host } of servers) say(literals.server, host)
    return 0
  },
}

export const vtl: CliCommand = {
  name: 'vtl',
  summary: "The client's certificate, and the appliances it trusts",
  help: HELP,
  async run(args, io) {
    const [typed, ...rest] = args
    if (typed === undefined) throw new UsageError('A command is missing')
    if (typed === 'help' || typed === '--help' || typed === '-h') {
      io.stdout.write(HELP)
      return 0
    }
    const action = find(typed)
    const { values, positionals } = readArguments(() =>
      parseArgs({
        args: [...rest],
        options: {
          name: { type: 'string', short: 'n' },
          cert: { type: 'string', short: 'c' },
          port: { type: 'string', short: 'p' },
          force: { type: 'boolean', short: 'f' },
          config: { type: 'string' },
          state: { type: 'string' },
          view: { type: 'string' },
          help: { type: 'boolean', short: 'h' },
          debug: { type: 'boolean' },
        },
        allowPositionals: true,
      }),
    )
    if (values.help) {
      io.stdout.write(HELP)
      return 0
    }
    refusePositionals(positionals)
    const say: Say = (literal, ...filling) => {
      for (const { text } of rendered(literal, ...filling)) io.stdout.write(`${text}\n`)
    }
    const config = ClientConfig.load(clientFolder(values.config, values, io.env))
    say(literals.banner)
    const { name, cert: certificate, port, force = false } = values
    return action({ config, name, certificate, port, force }, say)
  },
}

/** The command of that name in any case, or the only one that begins so. @throws UsageError */
function find(typed: string): Action {
  const names = Object.keys(ACTIONS).filter((name) => name.toLowerCase().startsWith(typed.toLowerCase()))
  const name = names.find((one) => one.length === typed.length) ?? names[0]
  const action = name === undefined ? undefined : ACTIONS[name]
  if (!action || typed === '') throw noSuchWord('command', typed, Object.keys(ACTIONS))
  if (names.length > 1 && name?.length !== typed.length) {
    throw new UsageError(`'${typed}' may be ${names.join(' or ')}`)
  }
  return action
}

/** @throws UsageError */
function needed(value: string | undefined, option: string): string {
  if (value === undefined || value === '') throw new UsageError(`Option '${option}' is missing`)
  return value
}

/** @throws UsageError */
function portOf(text: string | undefined): number {
  if (text === undefined) return NTLS_PORT
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 0xffff) throw new UsageError(`'${text}' is no port`)
  return port
}
