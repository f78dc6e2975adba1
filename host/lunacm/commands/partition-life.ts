import {
  ADMIN_PARTITION,
  RC_CONTAINER_HANDLE_INVALID,
  RC_DEVICE_ERROR,
  RC_OPERATION_NOT_ALLOWED,
} from '../../../assembly/protocol.js'
import type { PartitionInfo, Slot } from '../../client/index.js'
import type { Args } from '../args.js'
import { requireContainer } from '../backup-slot.js'
import { type Command, type OptionSpec, word } from '../command.js'
import type { Context, OpenSession } from '../context.js'
import { badLine, connectorError, refusal } from '../errors.js'
import { literals } from '../literals.js'
import { domainOption, newSecretOption } from '../login.js'
import { asksForDomain, asksToMakeContainer } from '../ped-notice.js'
import { Visit } from '../visit.js'
import { domainOptions, force, newLabel, passwordOption, slotOption } from './options.js'

const group = word('partition', 'par')

const SLOT_MAX = 0xffff

const createOptions: readonly OptionSpec[] = [
  { name: 'label', short: ['l'], kind: 'text', value: '<name>', help: 'Make a partition that the HSM SO owns' },
  {
    name: 'slot',
    short: ['sl'],
    kind: 'number',
    value: '<slot>',
    help: 'Make one with its own SO, to show in this slot',
  },
  { name: 'size', short: ['si'], kind: 'number', value: '<bytes>', help: 'Storage, the default size unless given' },
  passwordOption('Password of the user; on PED-authenticated HSMs ignored'),
  ...domainOptions,
  force,
]

const create: Command = {
  words: [group, word('create', 'c')],
  options: createOptions,
  login: 'HSM SO',
  help: 'Create a partition on the HSM of the current slot',
  async run(context, args) {
    const label = newLabel(args, 'label')
    const wanted = args.number('slot')
    if (label !== undefined && wanted !== undefined) throw badLine(literals.exclusive, 'label', 'slot')
    if (label === undefined && wanted === undefined) throw badLine(literals.oneOf, 'label', 'slot')
    const slot = await context.current()
    if (wanted !== undefined) await refuseTaken(context, slot, wanted)
    const size = BigInt(args.number('size') ?? 0)
    const admin = await context.session(slot, ADMIN_PARTITION)
    const made =
      label === undefined
        ? await slot.client.partitions.create(admin.handle, { legacy: false, label: '', size })
        : await createLegacy(context, slot, { admin, label, size, args })
    // Made is made: it is said in which slot it shows even where the wish could not be written down.
    const unplaced = wanted === undefined ? undefined : await place(context, slot, wanted, made.serial)
    const shown = (await context.slots()).find((one) => one.client === slot.client && one.partition === made.id)
    context.output.paragraph(literals.partitionCreated, label ?? '', made.serial, shown?.id)
    if (unplaced !== undefined) throw connectorError(unplaced, RC_DEVICE_ERROR)
  },
}

/** @throws CommandError CKR_OPERATION_NOT_ALLOWED where the slot shows something else, or is kept for it */
async function refuseTaken(context: Context, slot: Slot, wanted: number): Promise<void> {
  if (wanted > SLOT_MAX) throw badLine(literals.slotTooHigh, SLOT_MAX)
  const shown = (await context.slots()).some(({ id }) => id === wanted)
  if (shown || (await context.places?.isFree(slot, wanted)) === false) {
    throw refusal(RC_OPERATION_NOT_ALLOWED, literals.slotInUse, wanted)
  }
}

/** Answers what kept the slot from being written down, undefined = nothing. */
async function place(context: Context, slot: Slot, wanted: number, serial: bigint): Promise<unknown> {
  try {
    await context.places?.put(slot, wanted, serial)
  } catch (error) {
    return error
  }
  return undefined
}

interface LegacyRequest {
  readonly admin: OpenSession
  readonly label: string
  readonly size: bigint
  readonly args: Args
}

/** A partition of the older kind gets its user and its domain at once. */
async function createLegacy(context: Context, slot: Slot, request: LegacyRequest) {
  const { admin, label, size, args } = request
  const ped = await context.isPedAuthenticated(slot)
  const password = ped ? '' : await newSecretOption(context, 'password', args.text('password'))
  const domain = ped ? '' : await domainOption(context, args.text('domain'), args.has('defaultdomain'))
  if (ped && (await asksToMakeContainer(slot, admin, label))) context.output.paragraph(literals.attendToPed)
  const made = await slot.client.partitions.create(admin.handle, { legacy: true, label, size, password })
  const visit = new Visit(context, slot)
  try {
    const user = await visit.loginUser(made.id, password)
    if (ped && (await asksForDomain(slot))) context.output.say(literals.attendToPed)
    await slot.client.partitions.setDomain(user.session, domain)
  } finally {
    await visit.end()
  }
  return made
}

const remove: Command = {
  words: [group, word('delete', 'del')],
  options: [
    slotOption(false, 'Slot of the partition'),
    { name: 'partition', short: ['par'], kind: 'text', value: '<name>', help: 'Name of the partition' },
    { name: 'serial', short: ['ser'], kind: 'text', value: '<number>', help: 'Serial number of the partition' },
    force,
  ],
  login: 'HSM SO',
  help: 'Delete a partition of the HSM of the current slot',
  async run(context, args) {
    const slot = await context.current()
    const { id, label, serial } = await chosenPartition(context, slot, args)
    const { handle } = await context.session(slot, ADMIN_PARTITION)
    await context.output.confirm(args.has('force'), literals.aboutToDelete, label, serial)
    await slot.client.partitions.delete(handle, id)
    try {
      await context.places?.drop(slot, serial)
    } catch (error) {
      throw connectorError(error, RC_DEVICE_ERROR)
    }
  },
}

/** The partition that `-slot`, `-partition` or `-serial` names. One without a label has no name. */
async function chosenPartition(context: Context, slot: Slot, args: Args): Promise<PartitionInfo> {
  const [first, second] = ['slot', 'partition', 'serial'].filter((option) => args.has(option))
  if (first === undefined) throw badLine(literals.oneOf, 'serial', 'slot', 'partition')
  if (second !== undefined) throw badLine(literals.exclusive, first, second)
  const id = args.number('slot')
  if (id !== undefined) return partitionInSlot(context, slot, id)
  const serial = args.text('serial')
  if (serial === undefined) return requireContainer(slot, args.requiredText('partition'))
  const found = (await slot.client.partitions.list()).find((one) => String(one.serial) === serial)
  if (!found) throw refusal(RC_CONTAINER_HANDLE_INVALID, literals.noSuchSerial, serial)
  return found
}

async function partitionInSlot(context: Context, slot: Slot, id: number): Promise<PartitionInfo> {
  const other = await context.slot(id)
  const [ours, theirs] = [await slot.client.status(), await other.client.status()]
  if (ours.serial !== theirs.serial) throw refusal(RC_OPERATION_NOT_ALLOWED, literals.otherHsm, id)
  if (other.partition === ADMIN_PARTITION) throw refusal(RC_CONTAINER_HANDLE_INVALID, literals.adminSlot, id)
  return other.client.partitions.info(other.partition)
}

export const partitionLifeCommands: readonly Command[] = [create, remove]
