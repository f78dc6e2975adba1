import { listDevices } from '../../lab/index.js'
import { UsageError } from '../command-line.js'
import { defineCommand } from '../define-command.js'
import { readUsbAddress } from './usb-address.js'

const hex = (value: number): string => value.toString(16).padStart(4, '0')

export const usbList = defineCommand({
  name: 'list',
  summary: 'List the free devices of a USB/IP server',
  help: `Usage: moonlet usb list HOST[:PORT] [options]

Asks a USB/IP server, ours or any other, for the devices that can be imported:
bus id, vendor and product id, classes of the interfaces. The port is 3240
unless given.

Options:
  --debug        show the stack of an error
  -h, --help     show this help
`,
  options: {},
  async run({ positionals }, io) {
    const [address, other] = positionals
    if (address === undefined) throw new UsageError('The address of the server is missing')
    if (other !== undefined) throw new UsageError(`Unexpected argument '${other}'`)
    for (const { busId, vendorId, productId, interfaces } of await listDevices(readUsbAddress(address))) {
      const classes = interfaces.map((one) =>
        [one.interfaceClass, one.interfaceSubclass, one.interfaceProtocol]
          .map((value) => value.toString(16).padStart(2, '0'))
          .join('/'),
      )
      io.stdout.write(`${busId.padEnd(10)} ${hex(vendorId)}:${hex(productId)}  ${classes.join(' ')}\n`)
    }
    return 0
  },
})
