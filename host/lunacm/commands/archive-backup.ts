import { RC_HSM_STORAGE_FULL, RC_OPERATION_NOT_ALLOWED } from '../../../assembly/protocol.js'
import { type CloneEnd, type PartitionInfo, type Slot, shareDomain } from '../../client/index.js'
import type { Args } from '../args.js'
import { backupSlot, findContainer } from '../backup-slot.js'
import { type ClonePlan, checkRoom, ouidsOf, planClone } from '../clone-plan.js'
import { failIfAny, failIfNothing, runClone, sayFailed, sayLeftOut } from '../clone-run.js'
import { type Command, word } from '../command.js'
import type { Context } from '../context.js'
import { badLine, refusal } from '../errors.js'
import { literals } from '../literals.js'
import { domainOption, loggedInOfficer, newSecretOption, secretOption } from '../login.js'
import { asksForDomain } from '../ped-notice.js'
import { Visit } from '../visit.js'
import {
  domainOptions,
  force,
  objectsOption,
  partitionOption,
  passwordOption,
  requiredLabel,
  slotOption,
} from './options.js'

interface Secrets {
  readonly so: string
  readonly user: string
  readonly domain: string
}

/** A container that is open for its user, and the HSM SO's session. */
interface Opened {
  readonly id: number
  readonly end: CloneEnd
  readonly admin: number
}

export const archiveBackup: Command = {
  words: [word('partition', 'par'), word('archive', 'ar'), word('backup', 'b')],
  options: [
    slotOption(true, 'Slot of the Backup HSM'),
    partitionOption,
    passwordOption('Password of the partition on the Backup HSM; on PED-authenticated HSMs ignored'),
    {
      name: 'sopassword',
      short: ['sop'],
      kind: 'text',
      secret: true,
      value: '<password>',
      help: "The Backup HSM's SO",
    },
    ...domainOptions,
    { name: 'append', short: ['a', 'add'], kind: 'flag', help: 'Add to a partition that exists' },
    { name: 'replace', short: ['rep'], kind: 'flag', help: 'Empty a partition that exists first' },
    objectsOption,
    force,
  ],
  login: 'Crypto Officer',
  help: 'Back up the partition in the current slot',
  run: backup,
}

async function backup(context: Context, args: Args): Promise<void> {
  const { output } = context
  if (args.has('append') && args.has('replace')) throw badLine(literals.exclusive, 'append', 'replace')
  const { slot, session } = await loggedInOfficer(context)
  const source = { client: slot.client, session: session.handle }
  const target = await backupSlot(context, args.requiredNumber('slot'))
  const name = args.requiredText('partition')
  const existing = await findContainer(target, name)
  if (!existing) requiredLabel(args, 'partition')
  if (existing && !args.has('append') && !args.has('replace')) {
    throw refusal(RC_OPERATION_NOT_ALLOWED, literals.partitionExists, name, target.id)
  }
  const handles = args.numbers('objects')
  await refuseEarly(target, await planClone(source, { handles }), existing, args.has('replace'))
  if (existing && args.has('replace')) {
    await output.confirm(args.has('force'), literals.aboutToReplace, literals.partitionOnSlot(name, target.id))
  }
  const visit = new Visit(context, target)
  try {
    const secrets = await askSecrets(context, visit, existing, args)
    const opened = await openContainer(context, visit, name, existing, secrets)
    output.paragraph(literals.verifyingBackup)
    const targetPolicies = await target.client.partitions.policies(opened.id)
    const known = existing && args.has('append') ? await ouidsOf(opened.end) : new Set<string>()
    const plan = await planClone(source, { handles, targetPolicies, known })
    output.say(literals.willBeBackedUp, plan.rows.length)
    sayLeftOut(output, plan)
    // Emptied only once it is known that what is to come in will be taken.
    if (existing && args.has('replace') && (await shareDomain(source, opened.end))) {
      await target.client.partitions.clear(opened.end.session)
    }
    await makeRoom(target, opened, plan)
    output.paragraph(literals.backingUp)
    const outcome = await runClone(output, source, opened.end, plan, (handle, newHandle) =>
      output.say(literals.clonedToPartition, handle, name, newHandle),
    )
    failIfNothing(outcome)
    output.say(literals.beforeBackupComplete)
    output.say(literals.backupComplete)
    output.paragraph(literals.haveBeenBackedUp, outcome.cloned, name, target.id)
    sayFailed(output, outcome)
    failIfAny(outcome)
  } finally {
    await visit.end()
  }
}

/** Too little room is found before anything changes. */
async function refuseEarly(
  target: Slot,
  plan: ClonePlan,
  existing: PartitionInfo | undefined,
  replace: boolean,
): Promise<void> {
  const { free } = await target.client.hsm.info()
  const own = existing ? existing.total - (replace ? 0n : existing.used) : 0n
  checkRoom(plan, free + own, RC_HSM_STORAGE_FULL)
}

/** All secrets are asked for first, so that giving up at a question leaves the Backup HSM as it was. */
async function askSecrets(
  context: Context,
  visit: Visit,
  existing: PartitionInfo | undefined,
  args: Args,
): Promise<Secrets> {
  if (await context.isPedAuthenticated(visit.slot)) return { so: '', user: '', domain: '' }
  const so = (await visit.hasSo()) ? '' : await secretOption(context, 'sopassword', args.text('sopassword'))
  const given = args.text('password')
  const user = existing
    ? await secretOption(context, 'password', given)
    : await newSecretOption(context, 'password', given)
  const domain = existing?.hasDomain ? '' : await domainOption(context, args.text('domain'), args.has('defaultdomain'))
  return { so, user, domain }
}

/** The stages of DESIGN.md "Behaviour". What they have made stays when a later one fails, as on the real device. */
async function openContainer(
  context: Context,
  visit: Visit,
  name: string,
  existing: PartitionInfo | undefined,
  secrets: Secrets,
): Promise<Opened> {
  const { output } = context
  const { slot } = visit
  const ped = await context.isPedAuthenticated(slot)
  output.paragraph(literals.loggingInAsSo, slot.id)
  const admin = await visit.loginSo(secrets.so)
  let id = existing?.id
  if (id === undefined) {
    output.paragraph(literals.creatingPartition, name, slot.id)
    if (ped) output.say(literals.attendToPed)
    const made = await slot.client.partitions.create(admin, { legacy: true, label: name, password: secrets.user })
    id = made.id
  }
  output.paragraph(literals.loggingIntoContainer, name, slot.id)
  const end = await visit.loginUser(id, secrets.user)
  if (!existing?.hasDomain) {
    output.paragraph(literals.creatingDomain, name, slot.id)
    if (ped && (await asksForDomain(slot))) output.say(literals.attendToPed)
    await slot.client.partitions.setDomain(end.session, secrets.domain)
  }
  return { id, end, admin }
}

/** A container of the default size may be smaller than what it is to hold. */
async function makeRoom(target: Slot, opened: Opened, plan: ClonePlan): Promise<void> {
  const { total, used } = await target.client.partitions.info(opened.id)
  if (total - used >= plan.bytes) return
  await target.client.partitions.resize(opened.admin, opened.id, used + plan.bytes)
}
