import { USBIP_PORT, UsbReplay } from '../../lab/index.js'
import { UsageError } from '../command-line.js'
import { defineCommand } from '../define-command.js'
import { eventWriter, readLogLevel } from '../event-log.js'
import { untilAborted } from '../program.js'
import { readUsbAddress } from './usb-address.js'

export const usbReplay = defineCommand({
  name: 'replay',
  summary: 'Serve a recorded USB device by USB/IP',
  help: `Usage: moonlet usb replay FILE [options]

Serves a device that answers as one did in a capture, at bus id 1-1, until it is
ended (Ctrl-C): a pcapng file of '--capture', or a pcapng or pcap file of
Linux's usbmon, of whatever device. The capture has to begin before the device
is plugged in, and to be whole.

The host's standard requests are answered whenever they come. All else has to
come as in the recording, in order on each endpoint, byte for byte. Where a host
leaves the recording the device is pulled out, and the program ends: with the
number of the transfer, what was expected and what came. A host that lets the
device go leaves it as at the beginning for the next one.

Sealed commands are the same again only where the host draws the same random
bytes: record and replay with 'lunacm --seed TEXT' on copies of one state
folder.

Prints a line of JSON for each thing that happens.

Options:
  --listen HOST[:PORT]   where to listen (default: 127.0.0.1:${USBIP_PORT}); port 0 is
                         any free one
  --device BUS.DEVICE    the device, where the capture has several
  --delays               answers take as long as they did
  --log-level LEVEL      what is printed: error, warn, info (default), debug
  --debug                show the stack of an error
  -h, --help             show this help
`,
  options: {
    listen: { type: 'string' },
    device: { type: 'string' },
    delays: { type: 'boolean' },
    'log-level': { type: 'string' },
  },
  async run({ values, positionals }, io) {
    const [path, other] = positionals
    if (path === undefined || path === '') throw new UsageError('The capture is missing')
    if (other !== undefined) throw new UsageError(`Unexpected argument '${other}'`)
    const { device, delays } = values
    const tell = eventWriter(readLogLevel(values['log-level']), (line) => io.stdout.write(line))
    const address = readUsbAddress(values.listen ?? '127.0.0.1')
    const replay = await UsbReplay.start({ path, ...address, device, delays, onEvent: tell })
    tell({ event: 'listening', host: replay.host, port: replay.port })
    io.expectSignal()
    const left = await Promise.race([replay.left, untilAborted(io.signal)])
    await replay.close()
    if (left) throw left
    return 0
  },
})
