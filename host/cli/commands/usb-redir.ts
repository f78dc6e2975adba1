import { REDIR_PORT, RedirServer } from '../../lab/index.js'
import { defineCommand } from '../define-command.js'
import { readUsbAddress } from './usb-address.js'
import { PRESENTING_OPTIONS, presenting, presentingHelp, readOneName, teller } from './usb-presenting.js'

export const usbRedir = defineCommand({
  name: 'redir',
  summary: 'Give a QEMU guest a Backup HSM by usbredir',
  help: `Usage: moonlet usb redir [HSM] [options]

Serves a Backup HSM of a lab by usbredir, until it is ended (Ctrl-C). A guest of
QEMU has it as a USB device; no kernel module is needed on this computer:

  qemu-system-x86_64 … -device qemu-xhci \\
    -chardev socket,id=hsm,host=127.0.0.1,port=${REDIR_PORT} \\
    -device usb-redir,chardev=hsm

One guest at a time has the device, and stays connected while it is unplugged.
usbredir knows no passwords and no encryption: listen beyond this computer on
networks that you trust only. A lab with more than one Backup HSM is told which.

Options:
  --listen HOST[:PORT]   where to listen (default: 127.0.0.1:${REDIR_PORT}); port 0 is
                         any free one
${presentingHelp()}`,
  options: { ...PRESENTING_OPTIONS, listen: { type: 'string' } },
  async run({ values, positionals }, io) {
    const names = readOneName(positionals)
    const address = readUsbAddress(values.listen ?? '127.0.0.1', REDIR_PORT)
    const tell = teller(io, values)
    await presenting(io, values, {
      ...address,
      names,
      program: 'moonlet usb redir',
      tell,
      present: () => RedirServer.listen({ ...address, onEvent: tell }),
      place: ({ host, port }) => ({ host, port }),
    })
    return 0
  },
})
