import { isIP } from 'node:net'
import { rendered, word } from '../../lunacm/index.js'
import type { Command } from '../command.js'
import { Refusal } from '../errors.js'
import { literals } from '../literals.js'
import { force } from './client.js'

const ntls = word('ntls', 'n')

/** Network devices stand for addresses: this computer only, or all that it has. */
const LOOPBACK = '127.0.0.1'
const ALL = '0.0.0.0'

const deviceOf = (host: string): string => (host === ALL ? 'eth0' : host === LOOPBACK ? 'lo' : 'manual')

/** @throws Refusal */
function hostOf(device: string): string {
  if (isIP(device) !== 0) return device
  if (/^lo0?$/i.test(device)) return LOOPBACK
  if (/^(eth\d|bond\d|all)$/i.test(device)) return ALL
  throw new Refusal(rendered(literals.unknownDevice(device)))
}

const show: Command = {
  words: [ntls, word('show', 's')],
  options: [],
  help: 'Show what NTLS is bound to, and whether it runs',
  async run({ door, output }) {
    const { host, port } = door.settings()
    output.paragraph(literals.ntlsBound, deviceOf(host), host, port)
    const service = await door.service()
    if (!service) output.say(literals.ntlsStopped)
    else {
      output.say(literals.ntlsRunning, service.process, service.host, service.port)
      output.say(literals.ntlsConnections, service.connections)
    }
  },
}

const bind: Command = {
  words: [ntls, word('bind', 'b')],
  options: [{ name: 'port', short: ['p'], kind: 'number', value: '<port>', help: 'Port, 1792 unless it was changed' }],
  takesWords: true,
  help: 'Bind NTLS to a network device or address: ntls bind eth0',
  async run({ door, output }, args) {
    const [device = '', ...more] = args.rest
    const port = args.number('port')
    if (more.length > 0 || device === '') throw new Refusal(rendered(literals.unknownDevice(args.rest.join(' '))))
    if (port !== undefined && (port < 1 || port > 0xffff)) throw new Refusal(rendered(literals.badPort))
    door.change({ host: hostOf(device), ...(port === undefined ? {} : { port }) })
    const now = door.settings()
    output.paragraph(literals.ntlsBound, deviceOf(now.host), now.host, now.port)
    output.say(literals.ntlsRestartDue)
  },
}

const ipcheck = (name: string, short: string, on: boolean | undefined, help: string): Command => ({
  words: [ntls, word('ipcheck', 'i'), word(name, short)],
  options: [],
  help,
  async run({ door, output }) {
    if (on !== undefined) door.change({ ipCheck: on })
    output.paragraph(literals.ipCheck, door.settings().ipCheck)
  },
})

const regenCert: Command = {
  words: [word('sysconf', 'sy'), word('regenCert', 'r')],
  options: [force],
  help: 'Make a new key and certificate for the appliance',
  async run(context, args) {
    await context.confirm(args.has('force'), literals.aboutToRegenerate)
    const { fingerprint } = await context.door.regenerate()
    context.output.paragraph(literals.regenerated)
    context.output.say(literals.newFingerprint, fingerprint)
  },
}

const restart: Command = {
  words: [word('service', 'se'), word('restart', 'r'), word('ntls', 'n')],
  options: [force],
  help: 'Restart NTLS: all connections end',
  async run(context, args) {
    const { door, output } = context
    output.paragraph(literals.checkingClients)
    const count = (await door.service())?.connections ?? 0
    if (count === 0) output.say(literals.noConnections)
    else {
      output.say(literals.connections, count)
      await context.confirm(args.has('force'), literals.aboutToRestart)
    }
    await door.restart()
    output.say(literals.stopping, 'ntls')
    output.say(literals.starting, 'ntls')
  },
}

export const serviceCommands: readonly Command[] = [
  show,
  bind,
  ipcheck('show', 's', undefined, "Show whether clients' addresses are checked"),
  ipcheck('enable', 'e', true, 'Check that clients come from the address that they are registered with'),
  ipcheck('disable', 'd', false, "Do not check clients' addresses"),
  regenCert,
  restart,
]
