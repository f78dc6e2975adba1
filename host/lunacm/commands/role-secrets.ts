import { ROLE_AUDITOR, ROLE_AUTH_PASSWORD, ROLE_CRYPTO_OFFICER } from '../../../assembly/protocol.js'
import type { Slot } from '../../client/index.js'
import type { Args } from '../args.js'
import { type Command, type OptionSpec, word } from '../command.js'
import type { Context } from '../context.js'
import { badLine, CommandError, HOST_RESULTS } from '../errors.js'
import { literals, rendered, textOf } from '../literals.js'
import { domainOption, newSecretOption, secretOption } from '../login.js'
import { asksForAuditDomain, asksToChange, asksToMakeRole, asksToReset, asksToShowChallenge } from '../ped-notice.js'
import { findRole } from '../roles.js'
import { domainOptions, force, passwordOption, roleOption } from './options.js'

const group = word('role', 'ro')

/** The role that is meant, and the session on the current slot. */
async function roleHere(context: Context, args: Args) {
  const { role } = findRole(args.requiredText('name'))
  const slot = await context.current()
  return { role, slot, session: await context.session(slot) }
}

/** The same, with the new password of `init` and `resetpw`; on PED-authenticated HSMs the PED brings it. */
async function newSecretHere(context: Context, args: Args) {
  const here = await roleHere(context, args)
  const ped = await context.isPedAuthenticated(here.slot)
  const password = ped ? '' : await newSecretOption(context, 'password', args.text('password'))
  return { ...here, ped, password }
}

const init: Command = {
  words: [group, word('init', 'in')],
  options: [roleOption, passwordOption('Initial password; on PED-authenticated HSMs ignored')],
  login: 'Partition SO for the Crypto Officer, Crypto Officer for the Crypto User, nobody for the Auditor',
  help: 'Create a role and its first secret',
  async run(context, args) {
    const { role, slot, session, ped, password } = await newSecretHere(context, args)
    if (ped && (await asksToMakeRole(context, slot, session, role))) context.output.paragraph(literals.attendToPed)
    await slot.client.roles.init(session.handle, role, password)
  },
}

const changeOptions: readonly OptionSpec[] = [
  roleOption,
  { name: 'oldpw', short: ['old'], kind: 'text', secret: true, value: '<password>', help: 'The present password' },
  { name: 'newpw', short: ['new'], kind: 'text', secret: true, value: '<password>', help: 'The new password' },
  { name: 'prompt', short: ['p'], kind: 'flag', help: 'Ask for the challenge, as is done without it' },
  force,
]

const changepw: Command = {
  words: [group, word('changepw', 'cpw')],
  options: changeOptions,
  login: 'the role',
  help: 'Change the secret of a role',
  async run(context, args) {
    const { role, slot, session } = await roleHere(context, args)
    const { handle } = session
    if (session.role === undefined) throw new CommandError(HOST_RESULTS.cancelled, rendered(literals.mustBeLoggedIn))
    const ped = await context.isPedAuthenticated(slot)
    const challenge = ped && (await hasChallenge(slot, handle, role))
    if (ped && !challenge) {
      if (args.has('prompt')) context.output.paragraph(literals.noSecondary)
      if (await asksToChange(slot, session, role)) context.output.paragraph(literals.attendToPed)
      await slot.client.roles.changeSecret(handle, role, '', '')
      return
    }
    if (challenge) await context.output.confirm(args.has('force'), literals.hasSecondary, 'secondary')
    const oldSecret = await secretOption(context, 'oldpw', args.text('oldpw'))
    const newSecret = await newSecretOption(context, 'newpw', args.text('newpw'))
    await slot.client.roles.changeSecret(handle, role, oldSecret, newSecret)
  },
}

/** A role with a challenge changes that, one without it changes its PED key. */
async function hasChallenge(slot: Slot, session: number, role: number): Promise<boolean> {
  const info = await slot.client.roles.info(session, role)
  return info.hasChallenge || info.secondary === ROLE_AUTH_PASSWORD
}

const challengeOption: OptionSpec = {
  name: 'challengesecret',
  short: ['c'],
  kind: 'text',
  secret: true,
  value: '<secret>',
  help: 'The new challenge; left out on firmware 6 the HSM makes one and the PED shows it',
}

const createchallenge: Command = {
  words: [group, word('createchallenge', 'crc')],
  options: [roleOption, challengeOption],
  login: 'Partition SO for the Crypto Officer, Crypto Officer for the Crypto User',
  help: 'Give a role a challenge secret',
  run: (context, args) =>
    giveChallenge(context, findRole(args.requiredText('name')).role, args.text('challengesecret')),
}

/** As it was typed before there were roles. */
export const partitionChallenge: Command = {
  words: [word('partition', 'par'), word('createchallenge', 'crc')],
  options: [],
  login: 'Partition SO',
  help: "Give the partition's user, its Crypto Officer, a challenge secret",
  run: (context) => giveChallenge(context, ROLE_CRYPTO_OFFICER, undefined),
}

async function giveChallenge(context: Context, role: number, given: string | undefined): Promise<void> {
  const { output } = context
  const slot = await context.current()
  const session = await context.session(slot)
  const { generation7 } = await slot.client.status()
  let challenge = given ?? ''
  // The vendor's page has the notice before the challenge is typed, too.
  const asks = challenge === '' && (await context.isPedAuthenticated(slot))
  if (asks && (await asksToShowChallenge(slot, session, role))) output.paragraph(literals.attendToPed)
  if (challenge === '' && generation7) {
    challenge = await output.newSecret([], textOf(literals.enterChallenge), textOf(literals.reenterChallenge))
  }
  await slot.client.roles.createChallenge(session.handle, role, challenge)
}

const resetpw: Command = {
  words: [group, word('resetpw', 'rpw')],
  options: [roleOption, passwordOption('New password; on PED-authenticated HSMs ignored')],
  login: 'Partition SO',
  help: 'Give a user a new secret, where HSM policy 15 lets the SO',
  async run(context, args) {
    const { role, slot, session, ped, password } = await newSecretHere(context, args)
    if (ped && (await asksToReset(slot, session, role))) context.output.paragraph(literals.attendToPed)
    await slot.client.roles.resetSecret(session.handle, role, password)
  },
}

const setdomain: Command = {
  words: [group, word('setdomain', 'sd')],
  options: [roleOption, ...domainOptions],
  login: 'Auditor',
  help: 'Give the Auditor its domain, which its log needs to be configured and verified elsewhere',
  async run(context, args) {
    const { role } = findRole(args.requiredText('name'))
    if (role !== ROLE_AUDITOR) throw badLine(literals.onlyAuditor)
    const slot = await context.current()
    const session = await context.session(slot)
    const ped = await context.isPedAuthenticated(slot)
    const domain = ped ? '' : await domainOption(context, args.text('domain'), args.has('defaultdomain'))
    if (ped && (await asksForAuditDomain(slot, session))) context.output.paragraph(literals.attendToPed)
    await slot.client.audit.setDomain(session.handle, domain)
  },
}

const deactivate: Command = {
  words: [group, word('deactivate', 'd')],
  options: [roleOption],
  login: 'the role',
  help: 'End the activation of a role',
  async run(context, args) {
    const { role, slot, session } = await roleHere(context, args)
    await slot.client.roles.deactivate(session.handle, role)
  },
}

export const roleSecretCommands: readonly Command[] = [init, changepw, resetpw, createchallenge, setdomain, deactivate]
