import {
  ADMIN_PARTITION,
  AUTH_PED,
  HSM_POLICY_NON_FIPS,
  RC_ARGUMENTS_BAD,
  RC_POLICY_ID_INVALID,
  STATE_FUNCTIONAL,
  STATE_ZEROIZED,
} from '../../../assembly/protocol.js'
import { type Command, type OptionSpec, word } from '../command.js'
import { badLine, refusal } from '../errors.js'
import { hsmInformation } from '../information.js'
import { literals } from '../literals.js'
import { domainOption, newSecretOption } from '../login.js'
import { isDestructive, sayPolicies } from '../policies.js'
import { domainOptions, force, labelOption, passwordOption, requiredLabel } from './options.js'

const group = word('hsm', 'h')

const initOptions: readonly OptionSpec[] = [
  labelOption,
  passwordOption('Password of the SO; on PED-authenticated HSMs ignored'),
  ...domainOptions,
  { name: 'initwithped', short: ['iped'], kind: 'flag', help: 'The HSM must be PED-authenticated' },
  { name: 'initwithpwd', short: ['ipwd'], kind: 'flag', help: 'The HSM must be password-authenticated' },
  force,
]

const init: Command = {
  words: [group, word('init', 'i')],
  options: initOptions,
  login: 'HSM SO, unless the HSM is new, zeroized or reset',
  help: 'Initialize the HSM of the current slot',
  async run(context, args) {
    const { output } = context
    const label = requiredLabel(args, 'label')
    const slot = await context.current()
    const { auth, state } = await slot.client.status()
    const ped = auth === AUTH_PED
    const wrong = ped ? 'initwithpwd' : 'initwithped'
    if (args.has(wrong)) throw refusal(RC_ARGUMENTS_BAD, literals.wrongAuth, wrong)
    const { handle } = await context.session(slot, ADMIN_PARTITION)
    await output.confirm(args.has('force'), literals.aboutToInitHsm)
    // An HSM that is in use keeps its SO and its domain: nothing is asked for.
    if (state === STATE_FUNCTIONAL) {
      await slot.client.hsm.init(handle, { label })
    } else if (ped) {
      if (state === STATE_ZEROIZED) output.paragraph(literals.attendToPed)
      await slot.client.hsm.init(handle, { label })
    } else {
      const password = await newSecretOption(context, 'password', args.text('password'))
      const domain = await domainOption(context, args.text('domain'), args.has('defaultdomain'))
      await slot.client.hsm.init(handle, { label, password, domain })
    }
  },
}

const showinfo: Command = {
  words: [group, word('showinfo', 'si')],
  options: [],
  help: 'Show the HSM of the current slot',
  async run(context) {
    const slot = await context.current()
    await hsmInformation(context, slot)
  },
}

const showpolicies: Command = {
  words: [group, word('showpolicies', 'sp')],
  options: [],
  help: 'Show capabilities and policies of the HSM',
  async run(context) {
    const slot = await context.current()
    sayPolicies(context.output, 'hsm', await slot.client.hsm.policies())
  },
}

const changeOptions: readonly OptionSpec[] = [
  { name: 'policy', short: ['p'], kind: 'number', required: true, value: '<id>', help: 'Policy' },
  { name: 'value', short: ['v'], kind: 'number', required: true, value: '<value>', help: 'Its new value' },
  force,
]

const changehsmpolicy: Command = {
  words: [group, word('changehsmpolicy', 'chp')],
  options: changeOptions,
  login: 'HSM SO',
  help: 'Change an HSM policy',
  async run(context, args) {
    const [id, value] = [args.requiredNumber('policy'), args.requiredNumber('value')]
    if (id > 0xffff) throw badLine(literals.badNumber, 'policy')
    const slot = await context.current()
    const { handle } = await context.session(slot, ADMIN_PARTITION)
    const policy = (await slot.client.hsm.policies()).find((one) => one.id === id)
    if (!policy) throw refusal(RC_POLICY_ID_INVALID, literals.noSuchPolicy, id)
    if (isDestructive(policy, value)) {
      const warning = id === HSM_POLICY_NON_FIPS && value !== 0 ? literals.hsmPolicyFips : literals.hsmPolicyDestructive
      await context.output.confirm(args.has('force'), warning)
    }
    await slot.client.hsm.setPolicy(handle, id, value)
  },
}

const factoryreset: Command = {
  words: [group, word('factoryreset', 'fr')],
  options: [force],
  help: 'Put the HSM back into the state it left the factory in',
  async run(context, args) {
    const slot = await context.current()
    const { handle } = await context.session(slot, ADMIN_PARTITION)
    await context.output.confirm(args.has('force'), literals.aboutToReset)
    await slot.client.hsm.factoryReset(handle)
  },
}

const zeroize: Command = {
  words: [group, word('zeroize', 'z')],
  options: [force],
  login: 'HSM SO',
  help: 'Destroy all keys and partitions; policies and the audit role stay',
  async run(context, args) {
    const slot = await context.current()
    const { handle } = await context.session(slot, ADMIN_PARTITION)
    await context.output.confirm(args.has('force'), literals.aboutToZeroize)
    await slot.client.hsm.zeroize(handle)
  },
}

export const hsmCommands: readonly Command[] = [init, showinfo, showpolicies, changehsmpolicy, zeroize, factoryreset]
