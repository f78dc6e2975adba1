import { ApplianceService, listenForPedServers, useLab } from '../../lab/index.js'
import { readListen, refusePositionals, stateFolder } from '../command-line.js'
import { defineCommand } from '../define-command.js'
import { eventWriter, readLogLevel } from '../event-log.js'
import { serveNtls } from '../serve-ntls.js'

export const appliance = defineCommand({
  name: 'appliance',
  summary: 'Serve the Network HSMs of the lab by NTLS',
  help: `Usage: moonlet appliance [options]

Serves the Network HSMs of a lab by NTLS: mutual TLS, port 1792, the clients
that 'moonlet lunash' has registered and nobody else. Runs until it is ended
(Ctrl-C); what is under way is finished first. Its certificate is server.pem in
the state folder; it is made where there is none.

Prints a line of JSON for each thing that happens, nothing secret among them.

Options:
  --listen HOST:PORT  where to listen (default: what 'ntls bind' of lunash has
                      set, or 127.0.0.1:1792); port 0 is any free one
  --ped-listen HOST:PORT
                      let PED servers call here that 'hsm ped server register'
                      of lunash has registered; 9697 is usual
  --key-log FILE      append the secrets of each TLS connection to FILE, for
                      Wireshark: whoever has it can read all that was said
  --log-level LEVEL   what is printed: error, warn, info (the default) or debug
  --rules FILE        operator rules for the PED, looked at before the lab's own
  --state DIR         state folder of the lab
  --debug             show the stack of an error
  -h, --help          show this help
`,
  options: {
    listen: { type: 'string' },
    'ped-listen': { type: 'string' },
    rules: { type: 'string' },
    'key-log': { type: 'string' },
    'log-level': { type: 'string' },
  },
  async run({ values, positionals }, io) {
    refusePositionals(positionals)
    const listen = values.listen === undefined ? undefined : readListen(values.listen)
    const tell = eventWriter(readLogLevel(values['log-level']), (line) => io.stdout.write(line))
    const served = { serve: { kind: 'network' }, rules: values.rules, onPedEvent: tell } as const
    const calls = values['ped-listen'] === undefined ? undefined : readListen(values['ped-listen'], '--ped-listen')
    await useLab(stateFolder(values.state, io.env), served, (lab) =>
      serveNtls(io, { listen, keyLog: values['key-log'], tell }, async (options) => {
        const service = await ApplianceService.start(lab, options)
        if (!calls) return service
        try {
          const callers = await listenForPedServers(lab, calls, { onEvent: tell })
          tell({ event: 'listening-for-peds', ...callers.address })
        } catch (error) {
          await service.close()
          throw error
        }
        return service
      }),
    )
    return 0
  },
})
