import {
  AUTH_PED,
  LABEL_MAX,
  MODEL_NETWORK,
  ROLE_SO,
  STATE_FUNCTIONAL,
  STATE_ZEROIZED,
} from '../../../assembly/protocol.js'
import { rendered, word } from '../../lunacm/index.js'
import type { Command } from '../command.js'
import type { Context } from '../context.js'
import { Refusal } from '../errors.js'
import { literals } from '../literals.js'
import { force } from './client.js'

const group = word('hsm', 'h')

const show: Command = {
  words: [group, word('show', 's')],
  options: [],
  help: 'Show the HSM',
  async run(context) {
    const { client } = await context.door.hsm()
    const [status, info, rows] = [await client.status(), await client.hsm.info(), await context.partitions()]
    const { output } = context
    output.paragraph(literals.hsm, {
      label: info.label,
      serial: info.serial,
      firmware: version(info.profile),
      model: info.model === MODEL_NETWORK ? 'K6 Base' : 'K6',
      ped: info.auth === AUTH_PED,
      loggedIn: await context.isLoggedIn(),
      attempts: info.soAttempts,
      vector: info.vector,
      auditor: status.auditor,
      zeroized: info.state === STATE_ZEROIZED,
    })
    output.paragraph(literals.hsmPartitions, info.maxPartitions, rows.length)
    for (const { serial, name } of rows) output.say(literals.hsmPartition, serial, name)
    output.paragraph(literals.hsmStorage, info.total, info.used, info.free)
  },
}

/** PROFILE_…: major, minor, patch, 0. */
function version(profile: number): string {
  return [profile >>> 24, (profile >>> 16) & 0xff, (profile >>> 8) & 0xff].join('.')
}

const login: Command = {
  words: [group, word('login', 'li')],
  options: [
    {
      name: 'password',
      short: ['pw'],
      kind: 'text',
      secret: true,
      value: '<password>',
      help: 'Not at PED-authenticated HSMs',
    },
  ],
  help: 'Log in as the HSM Admin',
  async run(context, args) {
    const { client, session } = await context.admin()
    const { auth } = await client.status()
    if (auth === AUTH_PED) {
      context.output.paragraph(literals.pedLogin)
      await client.roles.login(session, ROLE_SO)
      return
    }
    await client.roles.login(session, ROLE_SO, args.text('password') ?? (await context.secret(literals.adminPassword)))
  },
}

const logout: Command = {
  words: [group, word('logout', 'lo')],
  options: [],
  help: 'Log the HSM Admin out',
  async run(context) {
    const { client, session } = await context.admin()
    await client.roles.logout(session)
  },
}

const init: Command = {
  words: [group, word('init', 'i')],
  options: [
    { name: 'label', short: ['l'], kind: 'text', required: true, value: '<label>', help: 'Label of the HSM' },
    {
      name: 'password',
      short: ['pw'],
      kind: 'text',
      secret: true,
      value: '<password>',
      help: 'Not at PED-authenticated HSMs',
    },
    {
      name: 'domain',
      short: ['d'],
      kind: 'text',
      secret: true,
      value: '<domain>',
      help: 'Not at PED-authenticated HSMs',
    },
    force,
  ],
  login: 'HSM Admin, unless the HSM is new, zeroized or reset',
  help: 'Initialize the HSM',
  async run(context, args) {
    const label = args.requiredText('label')
    if (label === '' || Buffer.byteLength(label) > LABEL_MAX) throw new Refusal(rendered(literals.badLabel, LABEL_MAX))
    const { client, session } = await context.admin()
    const { auth, state } = await client.status()
    await context.confirm(args.has('force'), literals.aboutToInit)
    if (auth === AUTH_PED || state === STATE_FUNCTIONAL) {
      // An HSM that is in use keeps its SO and its domain: nothing is asked for.
      if (state !== STATE_FUNCTIONAL) context.output.paragraph(literals.pedInit)
      await client.hsm.init(session, { label })
      return
    }
    const password = args.text('password') ?? (await newPassword(context))
    const domain = args.text('domain') ?? (await context.secret(literals.newDomain))
    await client.hsm.init(session, { label, password, domain })
  },
}

async function newPassword(context: Context): Promise<string> {
  const first = await context.secret(literals.newPassword)
  const second = await context.secret(literals.newPasswordAgain)
  if (first !== second) throw new Refusal(rendered(literals.passwordsDiffer))
  return first
}

export const hsmCommands: readonly Command[] = [show, init, login, logout]
export const changesHsm: ReadonlySet<Command> = new Set([init, login, logout])
