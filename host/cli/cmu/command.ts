import { CmuArguments, CmuError, commandNamed, readLine } from '../../cmu/index.js'
import { atWorkstation } from '../../lab/index.js'
import { clientFolder, stateFolder, UsageError } from '../command-line.js'
import { readUsbAddress } from '../commands/usb-address.js'
import type { CliCommand } from '../program.js'
import { takeSeat } from '../seat.js'
import { filesOf } from './files.js'

const HELP = `Usage: cmu COMMAND [-option=value ...]

Keys and certificates in the partition of a slot. Options are in any case; one
without a value is true.

Commands:
  generatekeypair      -keyType=RSA [-modulusBits=N] [-publicExponent=N]
                       -keyType=ECDSA -curveType=3|4|5|secp256k1
                       [-label= -labelPublic= -labelPrivate= -id=HEX]
                       [-sign= -verify= -encrypt= -decrypt= -wrap= -unwrap=
                       -derive= -extractable= -modifiable=]
  list                 [-class=data|certificate|public|private|secret]
                       [-keyType=rsa|ecdsa|aes|generic] [-label=] [-id=HEX]
                       [-display=handle,label,class,keyType,...]
  importkey            -in=FILE [-label=]       a private or a secret key
  import               -inputFile=FILE [-label=]        a certificate
  export               -handle=N -outputFile=FILE [-key]
                       a certificate or public key; -key: a certificate's key
  requestcertificate   -publichandle=N -privatehandle=N -outputFile=FILE
                       -CN= [-O= -OU= -L= -S= -C= -E=] [-sha384withrsa ...]
  selfsigncertificate  the same without a file, and [-startDate=YYYYMMDD]
                       [-endDate=] [-serialNumber=HEX] [-keyusage=A,B]
                       [-label=] [-id=HEX]
  delete               -handle=N [-force]
  getattribute         -handle=N [-attributes=label,sign,...]
  setattribute         -handle=N -label= | -id= | -sign=0 ...

-handle may be -ouid=HEX, and -publichandle -publicouid.

Options of all commands:
  -slot=N              slot (default: the one with a partition; several: asked)
  -password=SECRET     of the Crypto Officer, or his challenge (default: asked)
  -cu                  the Crypto User logs in
  --state=DIR          state folder of the lab
  --view=NAME          the workstation of the lab (default: its first)
  --ntls=DIR           reach Network HSMs as Chrystoki.conf in DIR says
  --usb=HOST[:PORT]    a Backup HSM is plugged in at this USB/IP server
  --debug              show the stack of an error
  -h, --help           show this help

The exit code is 1 where a command failed, 2 where its line was wrong.
`

export const cmu: CliCommand = {
  name: 'cmu',
  summary: 'Keys and certificates in a partition',
  help: HELP,
  async run([typed, ...rest], io) {
    if (typed === undefined) throw new UsageError('A command is missing')
    if ([typed, ...rest].some((one) => ['-h', '--help', 'help'].includes(one))) {
      io.stdout.write(HELP)
      return 0
    }
    const seat = takeSeat(io, undefined, () => false)
    try {
      const command = commandNamed(typed)
      const args = new CmuArguments(rest)
      const [state, view, ntls, usb] = ['state', 'view', 'ntls', 'usb'].map((name) => args.text(name))
      args.has('debug')
      const work = readLine(command, args, filesOf(io))
      const options = {
        view,
        person: seat.person,
        pedScreen: (line: string) => io.stderr.write(`${line}\n`),
        ntls: ntls === undefined ? undefined : clientFolder(ntls, { state, view }, io.env),
        usb: usb === undefined ? undefined : [readUsbAddress(usb)],
        ntlsConfig: clientFolder(undefined, { state, view }, io.env),
        onLink: (line: string) => io.stderr.write(`${line}\n`),
        signal: io.signal,
      }
      await atWorkstation(stateFolder(state, io.env), options, (slots) => work(seat.io, slots))
      return 0
    } catch (cause) {
      if (cause instanceof CmuError && cause.code === 'CMU_USAGE') throw new UsageError(cause.message, { cause })
      throw cause
    } finally {
      seat.io.close()
    }
  },
}
