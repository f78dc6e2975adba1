import { PED_KEY_TIMEOUT, PED_OPERATION_TIMEOUT, PED_REMOTE_IDLE_TIMEOUT } from '../../../assembly/protocol.js'
import { rendered, word } from '../../lunacm/index.js'
import type { Command } from '../command.js'
import { Refusal } from '../errors.js'
import { literals } from '../literals.js'

const group = [word('hsm', 'h'), word('ped', 'p'), word('timeout', 't')]
const MOST = 99_999

const seconds = (milliseconds: number): number => milliseconds / 1000

/** Time-outs that are constants of the firmware, in seconds. */
const FIXED: Readonly<Record<string, number>> = {
  pedk: seconds(PED_KEY_TIMEOUT),
  pedo: seconds(PED_OPERATION_TIMEOUT),
}

const set: Command = {
  words: [...group, word('set', 'se')],
  options: [
    {
      name: 'type',
      short: ['t'],
      kind: 'text',
      required: true,
      value: '<type>',
      help: 'rped, an idle remote PED connection; pedk and pedo are fixed here',
    },
    {
      name: 'seconds',
      short: ['s'],
      kind: 'number',
      required: true,
      value: '<seconds>',
      help: `1 to ${MOST}; 0 = as it was made`,
    },
  ],
  help: 'Set how long a PED connection may take',
  async run({ door, output }, args) {
    const type = args.requiredText('type')
    const wanted = args.requiredNumber('seconds')
    const fixed = Object.hasOwn(FIXED, type) ? FIXED[type] : undefined
    if (fixed !== undefined && wanted !== fixed && wanted !== 0) {
      throw new Refusal(rendered(literals.pedTimeoutFixed(type, fixed)))
    }
    if (fixed === undefined && type !== 'rped') throw new Refusal(rendered(literals.pedTimeoutUnknown(type)))
    const own = seconds(PED_REMOTE_IDLE_TIMEOUT)
    const value = wanted === 0 ? (fixed ?? own) : wanted
    if (value > MOST) throw new Refusal(rendered(literals.badPedTimeout))
    if (fixed === undefined) door.pedTimeouts.setIdle(value)
    output.paragraph(literals.pedTimeoutSet, value)
    if (value > own && fixed === undefined) output.say(literals.pedTimeoutOfHsm, own)
  },
}

const show: Command = {
  words: [...group, word('show', 'sh')],
  options: [],
  help: 'Show how long a PED connection may take',
  async run({ door, output }) {
    output.paragraph(literals.pedTimeouts, { rped: door.pedTimeouts.idle(), ...FIXED })
  },
}

export const pedTimeoutCommands: readonly Command[] = [set, show]
