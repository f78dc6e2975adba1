import { atWorkstation, Pkcs11Service } from '../../lab/index.js'
import { tellStarter } from '../background.js'
import { clientFolder, refusePositionals, stateFolder, UsageError } from '../command-line.js'
import { defineCommand } from '../define-command.js'
import { eventWriter, readLogLevel } from '../event-log.js'
import { untilAborted } from '../program.js'
import { readUsbAddress } from './usb-address.js'

export const pkcs11 = defineCommand({
  name: 'pkcs11',
  summary: 'Serve the slots to PKCS#11 programs',
  help: `Usage: moonlet pkcs11 [options]

Serves the slots of a workstation to programs that use PKCS#11, until it is
ended (Ctrl-C), on a Unix socket that only you can open. The library that
programs load is p11-kit's own client (Debian: package p11-kit-modules):

  eval "$(moonlet env)"
  pkcs11-tool --module "$PKCS11_MODULE_PATH" -L

Every connection is an application of its own: log-ins, sessions and session
objects end with it. The PIN is the password of the Crypto Officer, or on a
PED-authenticated HSM the challenge; without one such an HSM asks its PED.
Programs that leave the PIN to such an HSM whenever it has a PED (Java, GnuTLS)
ask for the challenge where Chrystoki.conf says in its section Misc:
ProtectedAuthenticationPathFlagStatus = 1.

p11-kit's client passes on a mechanism only where it knows it: before version
0.25 neither AES-CBC, CTR, GCM nor ECDSA with a hash, and in no version AES key
wrapping. What it does not pass on is left out of the slots' lists.

Our own library (npm run build:pkcs11) passes everything on, and has the
vendor's calls; it finds the socket by MOONLET_PKCS11=STATE/pkcs11/socket.

Prints a line of JSON for each thing that happens, nothing secret among them.

Options:
  --listen SOCKET     path of the socket (default: pkcs11/socket in the state
                      folder)
  --view NAME         the workstation whose slots are served (default: the lab's
                      first)
  --rules FILE        operator rules for the PED, looked at before the lab's own
  --by-hand           leave the lab's own rules out
  --local-ped HSM     plug the PED into this HSM's own connector
  --no-backup         leave the Backup HSM to others: one program at a time has
                      a USB device
  --ntls DIR          reach Network HSMs over NTLS, as 'lunacm --ntls' does
  --usb HOST[:PORT]   a Backup HSM is plugged in at this USB/IP server
  --log-level LEVEL   what is printed: error, warn, info (the default) or debug
  --state DIR         state folder of the lab
  --debug             show the stack of an error
  -h, --help          show this help
`,
  options: {
    listen: { type: 'string' },
    view: { type: 'string' },
    rules: { type: 'string' },
    'by-hand': { type: 'boolean' },
    'local-ped': { type: 'string' },
    'no-backup': { type: 'boolean' },
    ntls: { type: 'string' },
    usb: { type: 'string', multiple: true },
    'log-level': { type: 'string' },
  },
  async run({ values, positionals }, io) {
    refusePositionals(positionals)
    if (values.listen === '') throw new UsageError("Option '--listen' needs the path of a socket")
    const tell = eventWriter(readLogLevel(values['log-level']), (line) => io.stdout.write(line))
    const stateDir = stateFolder(values.state, io.env)
    const options = {
      view: values.view,
      rules: values.rules,
      byHand: values['by-hand'],
      localPed: values['local-ped'],
      without: values['no-backup'] ? ('backup' as const) : undefined,
      pedScreen: (line: string) => io.stderr.write(`${line}\n`),
      ntls: values.ntls === undefined ? undefined : clientFolder(values.ntls, values, io.env),
      usb: values.usb?.map((text) => readUsbAddress(text)),
      ntlsConfig: clientFolder(undefined, values, io.env),
      onLink: (line: string) => io.stderr.write(`${line}\n`),
    }
    await atWorkstation(stateDir, options, async (slots) => {
      const config = options.ntls ?? options.ntlsConfig
      const service = await Pkcs11Service.start(slots, { stateDir, listen: values.listen, config, onEvent: tell })
      tell({ event: 'listening', socket: service.path })
      io.expectSignal()
      tellStarter()
      await untilAborted(io.signal)
      await service.close()
      tell({ event: 'stopped' })
    })
    return 0
  },
})
