import {
  ADMIN_PARTITION,
  ROLE_SO,
  STM_STRING,
  TAMPER_BATTERY,
  TAMPER_CHASSIS,
  TAMPER_REMOVAL,
  TAMPER_TEMPERATURE,
  TAMPER_VOLTAGE,
} from '../../../assembly/protocol.js'
import type { TokenClient } from '../../client/index.js'
import { type Command, type OptionSpec, word } from '../command.js'
import type { Context } from '../context.js'
import { badLine } from '../errors.js'
import { type Literal, literals } from '../literals.js'
import { type Phrase, phrases } from '../phrases.js'
import { force } from './options.js'

const CAUSES: ReadonlyMap<number, Phrase> = new Map([
  [TAMPER_CHASSIS, phrases.tamperChassis],
  [TAMPER_REMOVAL, phrases.tamperRemoval],
  [TAMPER_TEMPERATURE, phrases.tamperTemperature],
  [TAMPER_VOLTAGE, phrases.tamperVoltage],
  [TAMPER_BATTERY, phrases.tamperBattery],
])

const hsm = word('hsm', 'h')
const stm = word('stm')
const srk = word('srk', 'r')

const tampershow: Command = {
  words: [hsm, word('tampershow', 'ts')],
  options: [],
  help: 'Show the tampers of the HSM of the current slot',
  async run(context) {
    const slot = await context.current()
    const { tampered, cause, time, count } = await slot.client.recovery.tamper()
    if (!tampered) {
      context.output.paragraph(literals.noTamper)
      return
    }
    const when = time === 0n ? phrases.timeUnknown.text() : new Date(Number(time) * 1000).toISOString()
    context.output.paragraph(literals.tampersDetected)
    context.output.say(literals.tamper, CAUSES.get(cause)?.text() ?? phrases.tamperOther.text(cause), when, count)
  },
}

type Work = (client: TokenClient, admin: number, role: number | undefined) => Promise<void>

/** Runs work in the shell's session on the HSM of the current slot. */
async function onHsm(context: Context, work: Work): Promise<void> {
  const slot = await context.current()
  const { handle, role } = await context.session(slot, ADMIN_PARTITION)
  await work(slot.client, handle, role)
}

const tamperclear: Command = {
  words: [hsm, word('tamperclear', 'tc')],
  options: [],
  login: 'HSM SO, unless the HSM is zeroized',
  help: 'Clear the tampers of the HSM of the current slot',
  run: (context) =>
    onHsm(context, async (client, admin) => {
      await client.recovery.clearTamper(admin)
      context.output.paragraph(literals.tamperCleared)
    }),
}

/** `59bt-3CXF-7/Tt-qKTx`. */
const grouped = (text: string) => text.match(/.{1,4}/g)?.join('-') ?? ''

const transport: Command = {
  words: [stm, word('transport', 't')],
  options: [force],
  login: 'HSM SO, unless the HSM is zeroized',
  help: 'Put the HSM of the current slot into Secure Transport Mode',
  run: (context, args) =>
    onHsm(context, async (client, admin) => {
      const { output } = context
      await output.confirm(args.has('force'), literals.aboutToTransport)
      output.paragraph(literals.configuringTransport)
      const { random, verification } = await client.recovery.stmTransport(admin)
      output.paragraph(literals.transportDone)
      output.paragraph(literals.recordStrings)
      output.paragraph(literals.verificationString, grouped(verification))
      output.paragraph(literals.randomString, grouped(random))
    }),
}

const randomOption: OptionSpec = {
  name: 'randomuserstring',
  short: ['r'],
  kind: 'text',
  required: true,
  value: '<string>',
  help: 'The random user string of stm transport',
}

const recover: Command = {
  words: [stm, word('recover', 'r')],
  options: [randomOption, force],
  login: 'HSM SO, unless the HSM is zeroized',
  help: 'Recover the HSM of the current slot from Secure Transport Mode',
  run: (context, args) =>
    onHsm(context, async (client, admin) => {
      const random = args.requiredText('randomuserstring').replaceAll('-', '')
      if (!new RegExp(`^[A-Za-z0-9+/]{${STM_STRING}}$`).test(random)) throw badLine(literals.badString)
      const { output } = context
      const verification = await client.recovery.stmVerify(admin, random)
      output.paragraph(literals.verificationString, grouped(verification))
      await output.confirm(args.has('force'), literals.compareStrings)
      await client.recovery.stmRecover(admin)
      output.paragraph(literals.transportLeft)
    }),
}

const show: Command = {
  words: [stm, word('show', 's')],
  options: [],
  help: 'Show whether the HSM of the current slot is in Secure Transport Mode',
  async run(context) {
    const slot = await context.current()
    context.output.paragraph(literals.transportState, (await slot.client.status()).transport)
  },
}

const srkShow: Command = {
  words: [srk, word('show', 's')],
  options: [],
  help: 'Show where the splits of the master tamper key are',
  async run(context) {
    const slot = await context.current()
    const { external, tampered, transport: away } = await slot.client.recovery.srk()
    context.output.paragraph(literals.srkState, external, tampered, away)
  },
}

/** A command on the purple key; `warning` is asked about first. */
function srkCommand(
  name: [long: string, short: string],
  help: string,
  work: (client: TokenClient, admin: number) => Promise<void>,
  options: { readonly ped: boolean; readonly warning?: Literal } = { ped: true },
): Command {
  return {
    words: [srk, word(...name)],
    options: options.warning ? [force] : [],
    login: 'HSM SO',
    help,
    run: (context, args) =>
      onHsm(context, async (client, admin, role) => {
        if (options.warning) await context.output.confirm(args.has('force'), options.warning)
        if (options.ped && role === ROLE_SO) context.output.paragraph(literals.attendToPed)
        await work(client, admin)
      }),
  }
}

const srkRecover: Command = {
  words: [srk, word('recover', 'rec')],
  options: [],
  help: 'Recover the HSM from a tamper or from Secure Transport Mode with the purple PED key',
  async run(context) {
    const slot = await context.current()
    context.output.paragraph(literals.attendToPed)
    await slot.client.recovery.srkRecover()
  },
}

export const recoveryCommands: readonly Command[] = [
  tampershow,
  tamperclear,
  transport,
  recover,
  show,
  srkShow,
  srkCommand(['enable', 'e'], 'Move a split of the master tamper key to a purple PED key', (client, admin) =>
    client.recovery.srkEnable(admin),
  ),
  srkCommand(['disable', 'd'], 'Bring the split back into the HSM', (client, admin) =>
    client.recovery.srkDisable(admin),
  ),
  srkCommand(['generate', 'g'], 'Make the split anew; purple PED keys of before open nothing', (client, admin) =>
    client.recovery.srkGenerate(admin),
  ),
  srkCommand(
    ['transport', 't'],
    'Put the HSM into Secure Transport Mode',
    (client, admin) => client.recovery.srkTransport(admin),
    { ped: false, warning: literals.aboutToSrkTransport },
  ),
  srkRecover,
]
