import { shareDomain } from '../../client/index.js'
import type { Args } from '../args.js'
import { backupSlot, enterContainer, requireContainer } from '../backup-slot.js'
import { checkRoom, ouidsOf, planClone } from '../clone-plan.js'
import { failIfAny, failIfNothing, runClone, sayFailed, sayLeftOut } from '../clone-run.js'
import { type Command, word } from '../command.js'
import type { Context } from '../context.js'
import { badLine } from '../errors.js'
import { literals } from '../literals.js'
import { loggedInOfficer } from '../login.js'
import { Visit } from '../visit.js'
import { force, objectsOption, partitionOption, passwordOption, slotOption } from './options.js'

export const archiveRestore: Command = {
  words: [word('partition', 'par'), word('archive', 'ar'), word('restore', 'r')],
  options: [
    slotOption(true, 'Slot of the Backup HSM'),
    partitionOption,
    passwordOption('Password of the partition on the Backup HSM; on PED-authenticated HSMs ignored'),
    { name: 'replace', short: ['rep'], kind: 'flag', help: 'Empty the partition in the current slot first' },
    { name: 'append', short: ['a', 'add'], kind: 'flag', help: 'Add to what is there (so it is without -replace)' },
    objectsOption,
    force,
  ],
  login: 'Crypto Officer',
  help: 'Restore a backup into the partition in the current slot',
  run: restore,
}

async function restore(context: Context, args: Args): Promise<void> {
  const { output } = context
  const replace = args.has('replace')
  if (args.has('append') && replace) throw badLine(literals.exclusive, 'append', 'replace')
  const { slot, session } = await loggedInOfficer(context)
  const target = { client: slot.client, session: session.handle }
  const backup = await backupSlot(context, args.requiredNumber('slot'))
  const container = await requireContainer(backup, args.requiredText('partition'))
  const name = container.label
  if (replace) await output.confirm(args.has('force'), literals.aboutToReplace, literals.theCurrentSlot)
  const visit = new Visit(context, backup)
  try {
    const source = await enterContainer(context, visit, container, args.text('password'), literals.loggingInToRestore)
    output.paragraph(literals.verifyingRestore)
    const plan = await planClone(source, {
      handles: args.numbers('objects'),
      targetPolicies: await slot.client.partitions.policies(slot.partition),
      known: replace ? new Set() : await ouidsOf(target),
    })
    const { total, used } = await slot.client.partitions.info(slot.partition)
    checkRoom(plan, replace ? total : total - used)
    output.say(literals.willBeRestored, plan.rows.length)
    sayLeftOut(output, plan)
    // Emptied only once it is known that what is to come in will be taken.
    if (replace && (await shareDomain(source, target))) await slot.client.partitions.clear(session.handle)
    output.paragraph(literals.restoring)
    const outcome = await runClone(output, source, target, plan, (handle, newHandle) =>
      output.say(literals.clonedFromPartition, handle, name, newHandle),
    )
    failIfNothing(outcome)
    output.paragraph(literals.restoreComplete)
    output.paragraph(literals.haveBeenRestored, outcome.cloned, name, backup.id)
    sayFailed(output, outcome)
    failIfAny(outcome)
  } finally {
    await visit.end()
  }
}
