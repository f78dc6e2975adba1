import { noSuchWord, UsageError } from '../command-line.js'
import { runNamed } from '../define-command.js'
import type { CliCommand } from '../program.js'
import { usbBridge } from './usb-bridge.js'
import { usbGadget } from './usb-gadget.js'
import { usbList } from './usb-list.js'
import { usbRedir } from './usb-redir.js'
import { usbReplay } from './usb-replay.js'
import { usbServe } from './usb-serve.js'

const ACTIONS: readonly CliCommand[] = [usbServe, usbRedir, usbGadget, usbBridge, usbReplay, usbList]

export const usb: CliCommand = {
  name: 'usb',
  summary: 'The Backup HSMs of the lab as USB devices, and real ones',
  help: `Usage: moonlet usb ACTION [options]

Actions:
${ACTIONS.map(({ name, summary }) => `  ${name.padEnd(8)} ${summary}`).join('\n')}

'moonlet usb ACTION --help' says more. The exit code of what is served until
Ctrl-C is 0 then.
`,
  async run([name, ...rest], io) {
    if (name === '--help' || name === '-h') {
      io.stdout.write(this.help)
      return 0
    }
    if (name === undefined) throw new UsageError('The action is missing')
    const action = ACTIONS.find((one) => one.name === name)
    if (!action) {
      throw noSuchWord(
        'action',
        name,
        ACTIONS.map((one) => one.name),
      )
    }
    return runNamed(action, rest, io)
  },
}
