import { DEFAULT_CHALLENGE, initLab, type LabFile, PROFILES, standardPlan } from '../../lab/index.js'
import { refusePositionals, stateFolder, stateOption } from '../command-line.js'
import { defineCommand } from '../define-command.js'
import { slotLines } from '../views.js'

const NOTICE = `Moonlet is a test instrument: it is no safe place for real keys.
It is not affiliated with the maker of Luna HSMs.
`

export const init = defineCommand({
  name: 'init',
  summary: 'Make a lab: HSMs, PED keys and a workstation',
  help: `Usage: moonlet init [options]

Makes a lab in the state folder, with the work of its administrators done:

  - a Network HSM, serial number 500409, with the partition SA52_P1 in slot 1:
    initialized, activated, its Crypto Officer ready to log in;
  - a Backup HSM, serial number 700101, in the last slot;
  - a box of PED keys as files: blue, black, gray, red and orange;
  - operator.json, the rules by which a scripted person answers the PED.

Options:
  --state DIR         state folder (default: $XDG_STATE_HOME/moonlet, or
                      ~/.local/state/moonlet); it must not exist, or be empty
  --pcie              a PCIe HSM as well: partition PCI_P1 in slot 2, its own
                      administration in slot 103
  --profile VERSION   firmware to emulate (default: 6.27.0):
                      ${Object.keys(PROFILES).join(', ')}
  --seed TEXT         let all that is random in the making follow from TEXT, and
                      time stand still at 2026-01-01 meanwhile: the same lab
                      every time. Activation outlives two hours without power:
                      the first log-in after such a making asks the PED
  --challenge SECRET  the Crypto Officers' challenge (default: ${DEFAULT_CHALLENGE})
  --debug             show the stack of an error
  -h, --help          show this help
`,
  options: {
    pcie: { type: 'boolean' },
    profile: { type: 'string' },
    challenge: { type: 'string' },
    seed: { type: 'string' },
  },
  async run({ values, positionals }, io) {
    refusePositionals(positionals)
    const stateDir = stateFolder(values.state, io.env)
    const { pcie, profile, challenge, seed } = values
    const plan = standardPlan({ ...(profile === undefined ? {} : { profile }), ...(pcie ? { pcie } : {}) })
    io.stderr.write(NOTICE)
    const file = await initLab(stateDir, plan, {
      challenge,
      seed,
      signal: io.signal,
      onProgress: (line) => io.stderr.write(`${line}\n`),
    })
    io.stdout.write(summary(stateDir, file, stateOption(stateDir, io.env)))
    return 0
  },
})

/** @param at `--state DIR` for the commands that are named, or nothing */
function summary(stateDir: string, file: LabFile, at: string): string {
  const [view] = file.views
  return `
A lab is ready in ${stateDir}

${view ? slotLines(view.slots).join('\n') : ''}

The Crypto Officers' challenge is ${file.challenge?.secret ?? ''}

Put keys in with 'moonlet import${at} --slot 1 FILE...', then work with 'lunacm${at}'.
`
}
