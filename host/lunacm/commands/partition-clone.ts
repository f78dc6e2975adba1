import { ADMIN_PARTITION, RC_SLOT_ID_INVALID, ROLE_CRYPTO_OFFICER } from '../../../assembly/protocol.js'
import type { CloneEnd, Slot } from '../../client/index.js'
import { type ClonePlan, checkRoom, planClone } from '../clone-plan.js'
import { failIfAny, failIfNothing, runClone, sayFailed, sayLeftOut } from '../clone-run.js'
import { type Command, word } from '../command.js'
import type { Context } from '../context.js'
import { refuseErrorState } from '../error-state.js'
import { refusal } from '../errors.js'
import { literals } from '../literals.js'
import { credentials, loggedInOfficer, secretOption } from '../login.js'
import { force, objectsOption, passwordOption, slotOption } from './options.js'

export const partitionClone: Command = {
  words: [word('partition', 'par'), word('clone', 'clo')],
  options: [
    { ...objectsOption, required: true },
    slotOption(true, 'Slot to clone to'),
    passwordOption("Password or challenge of the target's Crypto Officer"),
    force,
  ],
  login: 'Crypto Officer',
  help: 'Clone objects of the current slot to another slot',
  async run(context, args) {
    const { output } = context
    const { slot, session } = await loggedInOfficer(context)
    const target = await chosenTarget(context, slot, args.requiredNumber('slot'))
    const source = { client: slot.client, session: session.handle }
    const targetPolicies = await target.client.partitions.policies(target.partition)
    const handles = args.requiredNumbers('objects')
    await refuseEarly(target, await planClone(source, { handles, targetPolicies }))
    const { end, leave } = await enterTarget(context, target, args.text('password'))
    try {
      output.paragraph(literals.verifyingClone)
      const plan = await planClone(source, { handles, targetPolicies })
      output.say(literals.willBeCloned, plan.rows.length)
      sayLeftOut(output, plan)
      output.paragraph(literals.cloning)
      const outcome = await runClone(output, source, end, plan, (handle, newHandle) =>
        output.say(literals.clonedTo, handle, slot.id, newHandle, target.id),
      )
      failIfNothing(outcome)
      if (!outcome.failure) output.paragraph(literals.cloneComplete)
      output.paragraph(literals.haveBeenCloned, outcome.cloned, target.id)
      sayFailed(output, outcome)
      failIfAny(outcome)
    } finally {
      await leave()
    }
  },
}

/** @throws CommandError CKR_SLOT_ID_INVALID where objects cannot go to that slot at all */
async function chosenTarget(context: Context, current: Slot, id: number): Promise<Slot> {
  const target = await context.slot(id)
  const status = await target.client.status()
  refuseErrorState(status)
  if (target.partition === ADMIN_PARTITION) {
    throw refusal(RC_SLOT_ID_INVALID, status.backup ? literals.cloneToBackup : literals.cloneToAdmin, id)
  }
  if (target.client === current.client && target.partition === current.partition) {
    throw refusal(RC_SLOT_ID_INVALID, literals.cloneToItself, id)
  }
  return target
}

/** Too little room is found before anybody is asked for anything. */
async function refuseEarly(target: Slot, plan: ClonePlan): Promise<void> {
  const { total, used } = await target.client.partitions.info(target.partition)
  checkRoom(plan, total - used)
}

/** The target's session with its Crypto Officer logged in, and how to leave it as it was. */
async function enterTarget(
  context: Context,
  target: Slot,
  given: string | undefined,
): Promise<{ end: CloneEnd; leave: () => Promise<void> }> {
  const session = await context.session(target)
  const { handle, role } = session
  const end = { client: target.client, session: handle }
  if (role === ROLE_CRYPTO_OFFICER) return { end, leave: async () => {} }
  const needs = await credentials(context, target, session, ROLE_CRYPTO_OFFICER)
  const password = needs.password ? await secretOption(context, 'password', given) : ''
  context.output.paragraph(literals.loggingInToTarget, target.id)
  if (needs.activated) context.output.say(literals.activated)
  if (needs.ped) context.output.say(literals.attendToPed)
  await target.client.roles.login(handle, ROLE_CRYPTO_OFFICER, password)
  return { end, leave: () => target.client.roles.logout(handle).catch(() => {}) }
}
