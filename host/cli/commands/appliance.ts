import { appendFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { ApplianceService, useLab } from '../../lab/index.js'
import { COMMON_OPTIONS, readArguments, stateFolder, UsageError } from '../command-line.js'
import type { CliCommand } from '../program.js'

const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^:]+)):(\d{1,5})$/

/** @throws UsageError */
function readListen(text: string): { host: string; port: number } {
  const [, six, other, digits] = ADDRESS.exec(text) ?? []
  const [host, port] = [six ?? other, Number(digits)]
  if (host === undefined || !(port <= 0xffff)) {
    throw new UsageError(`'--listen' takes HOST:PORT, such as 127.0.0.1:1792, not '${text}'`)
  }
  return { host, port }
}

export const appliance: CliCommand = {
  name: 'appliance',
  summary: 'Serve the Network HSMs of the lab by NTLS',
  help: `Usage: moonlet appliance [options]

Serves the Network HSMs of a lab by NTLS: mutual TLS, port 1792, the clients that
'moonlet lunash' has registered and nobody else. Runs until it is ended (Ctrl-C);
what is under way is finished first. Its certificate is server.pem in the state
folder; it is made where there is none.

Prints a line of JSON for each thing that happens, nothing secret among them.

Options:
  --listen HOST:PORT  where to listen (default: what 'ntls bind' of lunash has
                      set, or 127.0.0.1:1792); port 0 is any free one
  --key-log FILE      append the secrets of each TLS connection to FILE, for
                      Wireshark: whoever has it can read all that was said
  --rules FILE        operator rules for the PED, looked at before the lab's own
  --state DIR         state folder of the lab
  --debug             show the stack of an error
  -h, --help          show this help
`,
  async run(args, io) {
    const { values, positionals } = readArguments(() =>
      parseArgs({
        args: [...args],
        options: {
          ...COMMON_OPTIONS,
          listen: { type: 'string' },
          rules: { type: 'string' },
          'key-log': { type: 'string' },
        },
        allowPositionals: true,
      }),
    )
    if (values.help) {
      io.stdout.write(this.help)
      return 0
    }
    if (positionals[0] !== undefined) throw new UsageError(`Unexpected argument '${positionals[0]}'`)
    const listen = values.listen === undefined ? undefined : readListen(values.listen)
    const keyLog = values['key-log']
    const tell = (event: object): void => {
      io.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), level: 'info', ...event })}\n`)
    }
    return await useLab(stateFolder(values.state, io.env), { all: true, rules: values.rules }, async (lab) => {
      const service = await ApplianceService.start(lab, {
        listen,
        onEvent: tell,
        ...(keyLog === undefined ? {} : { onKeys: (line) => appendFileSync(keyLog, line, { mode: 0o600 }) }),
      })
      const { host, port } = service.state
      tell({ event: 'listening', host, port, certificate: service.fingerprint })
      io.expectSignal()
      await new Promise<void>((resolve) => {
        if (io.signal.aborted) resolve()
        io.signal.addEventListener('abort', () => resolve(), { once: true })
      })
      await service.close()
      tell({ event: 'stopped' })
      return 0
    })
  },
}
