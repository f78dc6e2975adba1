import { USBIP_PORT } from '../../lab/index.js'
import { defineCommand } from '../define-command.js'
import { INSTRUMENT_HELP, INSTRUMENT_OPTIONS, instrumentsOf } from '../usb-instrument-options.js'
import { readUsbAddress } from './usb-address.js'
import { PRESENTING_OPTIONS, presenting, presentingHelp, teller } from './usb-presenting.js'

export const usbServe = defineCommand({
  name: 'serve',
  summary: 'Serve Backup HSMs by USB/IP',
  help: `Usage: moonlet usb serve [HSM...] [options]

Serves the Backup HSMs of a lab, all of them unless some are named, as USB
devices by USB/IP, until it is ended (Ctrl-C). Linux attaches one with

  usbip list -r 127.0.0.1
  usbip attach -r 127.0.0.1 -b 1-1

One host at a time has a device; when it lets go the next may have it. USB/IP
knows no passwords and no encryption: listen beyond this computer on networks
that you trust only.

'ped connect' of the host's lunacm works over the cable. Prints a line of JSON
for each thing that happens, nothing secret among them.

Options:
  --listen HOST[:PORT]   where to listen (default: 127.0.0.1:${USBIP_PORT}); port 0 is
                         any free one
${presentingHelp(INSTRUMENT_HELP)}`,
  options: { ...PRESENTING_OPTIONS, ...INSTRUMENT_OPTIONS, listen: { type: 'string' } },
  async run({ values, positionals }, io) {
    const tell = teller(io, values)
    const address = readUsbAddress(values.listen ?? '127.0.0.1')
    await presenting(io, values, {
      ...address,
      names: positionals.length > 0 ? positionals : undefined,
      program: 'moonlet usb serve',
      tell,
      place: ({ host, port }) => ({ host, port }),
      instruments: instrumentsOf(values, tell, (text) => io.stderr.write(text)),
    })
    return 0
  },
})
