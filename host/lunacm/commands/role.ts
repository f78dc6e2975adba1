import { RC_USER_NOT_LOGGED_IN, ROLE_CRYPTO_OFFICER } from '../../../assembly/protocol.js'
import { TokenError } from '../../client/index.js'
import { type Command, word } from '../command.js'
import type { Context } from '../context.js'
import { literals } from '../literals.js'
import { credentials, secretOption } from '../login.js'
import { phrases } from '../phrases.js'
import { authenticationType, findRole, ROLE_NAMES } from '../roles.js'
import { passwordOption, roleOption } from './options.js'

const group = word('role', 'ro')

const login: Command = {
  words: [group, word('login', 'logi')],
  options: [roleOption, passwordOption('Password or challenge of the role')],
  help: 'Log in to the current slot',
  run: (context, args) => logIn(context, findRole(args.requiredText('name')).role, args.text('password')),
}

async function logIn(context: Context, role: number, given: string | undefined): Promise<void> {
  const slot = await context.current()
  const session = await context.session(slot)
  const needs = await credentials(context, slot, session, role)
  const password = needs.password ? await secretOption(context, 'password', given) : ''
  if (needs.activated) context.output.paragraph(literals.activated)
  if (needs.ped) context.output.paragraph(literals.attendToPed)
  await slot.client.roles.login(session.handle, role, password)
}

/** As it was typed before there were roles: a partition had one user. */
export const partitionLogin: Command = {
  words: [word('partition', 'par'), word('login', 'logi')],
  options: [passwordOption('Password or challenge of the Crypto Officer')],
  help: "Log in as the partition's user, its Crypto Officer",
  run: (context, args) => logIn(context, ROLE_CRYPTO_OFFICER, args.text('password')),
}

const logout: Command = {
  words: [group, word('logout', 'logo')],
  options: [],
  login: 'any role',
  help: 'Log out of the current slot',
  async run(context) {
    const slot = await context.current()
    const { handle, role } = await context.session(slot)
    if (role === undefined) throw new TokenError(RC_USER_NOT_LOGGED_IN, 0)
    await slot.client.roles.logout(handle)
  },
}

const list: Command = {
  words: [group, word('list', 'l')],
  options: [],
  help: 'List the roles of the current slot',
  async run(context) {
    const slot = await context.current()
    const { handle, role: current } = await context.session(slot)
    context.output.paragraph(literals.rolesOfSlot, slot.id)
    context.output.gap()
    for (const { role, name, short } of ROLE_NAMES) {
      const info = await slot.client.roles.info(handle, role).catch(noSuchRole)
      if (!info) continue
      const known = info.initialized ? phrases.stateInitialized : phrases.stateNotInitialized
      const state = role === current ? phrases.stateLoggedIn : known
      context.output.say(literals.roleRow, name, short, state.text())
    }
  },
}

const show: Command = {
  words: [group, word('show', 's')],
  options: [roleOption],
  help: 'Show the state of a role',
  async run(context, args) {
    const { output } = context
    const { role, name } = findRole(args.requiredText('name'))
    const slot = await context.current()
    const { handle } = await context.session(slot)
    const info = await slot.client.roles.info(handle, role)
    output.paragraph(literals.stateOfRole, name)
    if (!info.initialized) {
      output.say(literals.roleNotInitialized)
      return
    }
    output.say(literals.primaryAuth, authenticationType(info.primary))
    output.say(literals.secondaryAuth, authenticationType(info.secondary))
    output.say(literals.attemptsLeft, info.attempts)
    if (info.pinChange) output.say(literals.changeDue, phrases.password.text())
    if (info.challengeChange) output.say(literals.changeDue, phrases.challenge.text())
    if (info.activated) output.say(literals.roleActivated)
    if (info.lockedOut) output.say(literals.roleLockedOut)
  },
}

/** A partition does not have every role. */
function noSuchRole(error: unknown): undefined {
  if (!(error instanceof TokenError)) throw error
}

export const roleCommands: readonly Command[] = [login, logout, list, show]
