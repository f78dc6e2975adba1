import { stateOf, TAMPER_CAUSES, type TamperCause, tamperHsm } from '../../lab/index.js'
import { stateFolder, UsageError } from '../command-line.js'
import { defineCommand } from '../define-command.js'

const isCause = (word: string): word is TamperCause => Object.hasOwn(TAMPER_CAUSES, word)

export const tamper = defineCommand({
  name: 'tamper',
  summary: "Open an HSM's box, or press its decommission button",
  help: `Usage: moonlet tamper HSM [CAUSE] [options]

Does to an HSM of the lab what its tamper line is for, and says in which state
it is then. What it takes to go on depends on its firmware and policies:
'hsm tampershow' and 'srk' in lunacm.

Causes:
  chassis        the box was opened; this one unless another is named
  removal        the card was pulled out
  temperature    too hot or too cold
  voltage        outside of its limits
  battery        empty, or taken out
  decommission   no tamper: the button that destroys all keys

Options:
  --state DIR    state folder of the lab
  --debug        show the stack of an error
  -h, --help     show this help
`,
  options: {},
  async run({ values, positionals }, io) {
    const [hsm, cause = 'chassis', ...rest] = positionals
    if (hsm === undefined || hsm === '') throw new UsageError('The HSM is missing')
    if (!isCause(cause)) {
      throw new UsageError(`There is no cause '${cause}', only ${Object.keys(TAMPER_CAUSES).join(', ')}`)
    }
    if (rest[0] !== undefined) throw new UsageError(`Unexpected argument '${rest[0]}'`)
    const status = await tamperHsm(stateFolder(values.state, io.env), hsm, cause)
    io.stdout.write(`HSM "${hsm}" is ${stateOf(status)}\n`)
    return 0
  },
})
