import {
  ADMIN_PARTITION,
  PED_ID_REMOTE,
  PED_LINE_REMOTE,
  RC_OPERATION_NOT_ALLOWED,
  RC_PED_CLIENT_NOT_RUNNING,
  RC_UNABLE_TO_CONNECT,
} from '../../../assembly/protocol.js'
import type { Slot } from '../../client/index.js'
import { type Command, type OptionSpec, word } from '../command.js'
import { connectorError, refusal } from '../errors.js'
import { literals } from '../literals.js'
import { force, slotOption } from './options.js'

const onSlot = slotOption(false, 'Slot, the current one unless given')

const get: Command = {
  words: [word('ped', 'p'), word('get', 'g')],
  options: [onSlot],
  help: 'Show which PED an HSM listens to',
  async run(context, args) {
    const slot = await context.slot(args.number('slot'))
    const { id } = await slot.client.ped.get()
    context.output.paragraph(id === PED_ID_REMOTE ? literals.pedRemote : literals.pedLocal, slot.id, id)
  },
}

const connectOptions: readonly OptionSpec[] = [
  { name: 'ip', short: ['i'], kind: 'text', required: true, value: '<address>', help: 'Host of the PED server' },
  { name: 'port', short: ['p'], kind: 'number', value: '<port>', help: 'Port of the PED server' },
  onSlot,
]

const connect: Command = {
  words: [word('ped', 'p'), word('connect', 'c')],
  options: connectOptions,
  help: 'Connect an HSM to a remote PED',
  async run(context, args) {
    const slot = await context.slot(args.number('slot'))
    const { id, line } = await slot.client.ped.get()
    if (id === PED_ID_REMOTE && (line & PED_LINE_REMOTE) !== 0) {
      throw refusal(RC_OPERATION_NOT_ALLOWED, literals.pedAlready, slot.id)
    }
    await carry(slot.ped.connect(args.requiredText('ip'), args.number('port')), RC_UNABLE_TO_CONNECT)
    try {
      await slot.client.ped.connect()
    } catch (error) {
      await hangUp(slot)
      throw error
    }
  },
}

const disconnect: Command = {
  words: [word('ped', 'p'), word('disconnect', 'd')],
  options: [onSlot, force],
  help: 'Disconnect an HSM from its remote PED',
  async run(context, args) {
    const slot = await context.slot(args.number('slot'))
    await context.output.confirm(args.has('force'), literals.aboutToDisconnectPed)
    await slot.client.ped.disconnect()
    await carry(slot.ped.disconnect(), RC_PED_CLIENT_NOT_RUNNING)
  },
}

const vectorInit: Command = {
  words: [word('ped', 'p'), word('vector', 'v'), word('init', 'i')],
  options: [onSlot, force],
  login: 'HSM SO, if the HSM is initialized',
  help: 'Make the remote PED vector and an orange key',
  async run(context, args) {
    const slot = await context.slot(args.number('slot'))
    const { handle } = await context.session(slot, ADMIN_PARTITION)
    await context.output.confirm(args.has('force'), literals.aboutToInitVector)
    await slot.client.ped.initVector(handle)
    context.output.paragraph(literals.vectorInitialized)
  },
}

/** A carrier's failure in the words of a failure frame. */
async function carry(work: Promise<void>, fallback: number): Promise<void> {
  try {
    await work
  } catch (error) {
    throw connectorError(error, fallback)
  }
}

/** The PED was refused: what matters to the user is why, not how the link ended. */
async function hangUp(slot: Slot): Promise<void> {
  await slot.ped.disconnect().catch(() => {})
}

export const pedCommands: readonly Command[] = [get, connect, disconnect, vectorInit]
