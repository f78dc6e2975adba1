import {
  BRIDGE_BUS_ID,
  type ExportableDevice,
  readDeviceName,
  realDeviceOpener,
  USBIP_PORT,
  UsbBridge,
} from '../../lab/index.js'
import { CAPTURE_HELP, CAPTURE_OPTIONS, captureOf } from '../capture-options.js'
import { refusePositionals, UsageError } from '../command-line.js'
import { defineCommand } from '../define-command.js'
import { eventWriter, readLogLevel } from '../event-log.js'
import { untilAborted } from '../program.js'
import { INSTRUMENT_HELP, INSTRUMENT_OPTIONS, instrumentsOf } from '../usb-instrument-options.js'
import { readUsbAddress } from './usb-address.js'

export const usbBridge = defineCommand({
  name: 'bridge',
  summary: 'Serve a real device on, with measurements and faults',
  help: `Usage: moonlet usb bridge --device VID:PID|SERIAL [options]

Takes a real USB device of this computer, whatever it is, and serves it by
USB/IP at bus id ${BRIDGE_BUS_ID}, until it is ended (Ctrl-C). Linux attaches it with

  usbip attach -r 127.0.0.1 -b ${BRIDGE_BUS_ID}

With --gadget this computer is that device instead, for whoever is at the other
end of its USB cable: as 'moonlet usb gadget', on Linux, as root. FunctionFS
carries one configuration without alternate settings and isochronous endpoints,
and of classes' own descriptors those of HID and smart card readers; what cannot
be carried is said. Serial ports, network cards, sound and cameras cannot.

The kernel's own driver lets the device go meanwhile. Pulled out, the device is
gone for its host, too; plugged in again it is served again. Needs the package
"usb" (npm install usb@3) and leave to open the device. USB/IP knows no
passwords and no encryption: listen beyond this computer on networks that you
trust only.

Carried are control, bulk and interrupt transfers. Isochronous ones (sound,
cameras) are refused, and said to be; a transfer that its host gives up goes on
at the device, and what it brings belongs to the host's next one.

How long each endpoint's transfers take is shown on standard error at SIGUSR1
and at the end. Prints a line of JSON for each thing that happens.

Options:
  --device DEVICE        VID:PID in hexadecimal, or the serial number
  --listen HOST[:PORT]   where to listen (default: 127.0.0.1:${USBIP_PORT}); port 0 is
                         any free one
  --gadget               be the device at this computer's own USB device port
  --udc NAME             its controller, of /sys/class/udc (default: the first)
${CAPTURE_HELP}${INSTRUMENT_HELP}  --log-level LEVEL      what is printed: error, warn, info (default), debug
  --debug                show the stack of an error
  -h, --help             show this help
`,
  options: {
    ...CAPTURE_OPTIONS,
    ...INSTRUMENT_OPTIONS,
    device: { type: 'string' },
    listen: { type: 'string' },
    gadget: { type: 'boolean' },
    udc: { type: 'string' },
    'log-level': { type: 'string' },
  },
  async run({ values, positionals }, io) {
    refusePositionals(positionals)
    if (!values.device) throw new UsageError("Option '--device' is missing: VID:PID, or a serial number")
    const at = values.gadget ? { udc: values.udc } : readUsbAddress(values.listen ?? '127.0.0.1')
    if (values.gadget && values.listen !== undefined)
      throw new UsageError("'--listen' and '--gadget' exclude each other")
    if (!values.gadget && values.udc !== undefined) throw new UsageError("'--udc' goes with '--gadget'")
    const tell = eventWriter(readLogLevel(values['log-level']), (line) => io.stdout.write(line))
    const instruments = instrumentsOf(values, tell, (text) => io.stderr.write(text), true)
    const open = realDeviceOpener(readDeviceName(values.device))
    const capture = captureOf(values, `moonlet usb bridge, ${values.device}`)
    const wrap = capture && ((device: ExportableDevice): ExportableDevice => capture.usb.device(device))
    try {
      const bridge = await UsbBridge.start({ at, open, instruments: instruments?.tools, wrap, onEvent: tell })
      const place = values.gadget ? { udc: bridge.host } : { host: bridge.host, port: bridge.port }
      tell({ event: 'listening', ...place, device: values.device, busId: BRIDGE_BUS_ID })
      io.expectSignal()
      instruments?.listen()
      await untilAborted(io.signal)
      await bridge.close()
      instruments?.finish()
      tell({ event: 'stopped' })
    } finally {
      capture?.close()
    }
    return 0
  },
})
