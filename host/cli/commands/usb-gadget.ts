import { cleanUpGadgets, Gadget } from '../../lab/index.js'
import { UsageError } from '../command-line.js'
import { defineCommand } from '../define-command.js'
import { PRESENTING_OPTIONS, presenting, presentingHelp, readOneName, readPedLine, teller } from './usb-presenting.js'

export const usbGadget = defineCommand({
  name: 'gadget',
  summary: 'Make this computer a Backup HSM at its USB device port',
  help: `Usage: moonlet usb gadget [HSM] [options]
       moonlet usb gadget --cleanup

Makes this computer a Backup HSM for whoever is at the other end of its USB
cable, until it is ended (Ctrl-C): a gadget by configfs and FunctionFS on a USB
device controller (UDC), such as that of a Raspberry Pi Zero, or dummy_hcd,
which plugs it into this computer itself. Linux, as root.

A process that was killed leaves its gadget behind; --cleanup removes it. A
lab with more than one Backup HSM is told which.

Options:
  --udc NAME             controller, of /sys/class/udc (default: the first)
  --cleanup              remove what killed processes have left, and end
${presentingHelp()}`,
  options: {
    ...PRESENTING_OPTIONS,
    udc: { type: 'string' },
    cleanup: { type: 'boolean' },
  },
  async run({ values, positionals }, io) {
    const names = readOneName(positionals)
    if (values.cleanup) {
      if (names !== undefined) throw new UsageError("'--cleanup' takes no HSM")
      for (const removed of cleanUpGadgets()) io.stdout.write(`removed ${removed}\n`)
      return 0
    }
    const tell = teller(io, values)
    const withSerial = readPedLine(values)
    let gadget: Gadget | undefined
    await presenting(io, values, {
      host: '',
      port: 0,
      names,
      program: 'moonlet usb gadget',
      tell,
      async present() {
        gadget = await Gadget.open({ udc: values.udc, withSerial, onEvent: tell })
        return gadget
      },
      place: ({ host }) => ({ udc: host }),
      serial: () => gadget?.serialPath,
    })
    return 0
  },
})
