export const HELP = `Usage: pedserver -mode MODE [options]

The PED's end of a remote PED connection: holds the PED, with its keys and the
person or the rules that answer it, and serves one HSM at a time over TLS. At
the HSM's end 'ped connect -ip ADDRESS [-port PORT]' in lunacm reaches it. PED
and HSM talk end to end encrypted, with the secret of the orange key; pedserver
carries bytes.

Modes:
  start        start a server, in the background unless told otherwise
  stop         end it
  show         show what it does
  config       show the configuration, or change it with -set
  connect      call an appliance that is registered here, with -name, now and
               whenever the server is started again; its 'hsm ped connect -name'
               uses this PED then
  disconnect   hang up on the HSM that is served; with -name, call that
               appliance no longer

Without a mode, for 'connect':
  -regen -commonname NAME [-force]
               make a new key and certificate, which names this server at
               appliances: 'hsm ped server register'
  -appliance register -name NAME -ip HOST -certificate FILE [-port 9697]
               get to know an appliance, by its server.pem
  -appliance list | -appliance delete -name NAME

Options:
  -port PORT          where it listens, 1503 unless configured (0: a free one)
  -ip ADDRESS         address it listens at, 127.0.0.1 unless configured
  -idletimeout SECS   hangs up after so long without a frame: 1800
  -ped WHERE          own: a PED in this process, with rules or a person;
                      local: the one of 'moonlet ped' on the same state folder;
                      serial:PATH: one at a serial port; or the path of a socket
                      (default: local where 'moonlet ped' runs, or else own)
  -logfilename FILE   appends events, a JSON object in each line
  -log-level LEVEL    error, warn, info (the default), or debug for every event
  -force              stop, or disconnect, although an HSM is served
  -set                with config: keep -port, -ip, -idletimeout, -logfilename
  --foreground        start in this process: at a terminal you are the person
                      at the PED where no rule answers
  --keys DIR          folder of PED keys (default: those of the lab)
  --rules FILE        operator rules, looked at before the lab's own
  --by-hand           leave the lab's own rules out
  --state DIR         state folder: the lab's, and where 'pedserver/' lies
  --debug             show the stack of an error
  -h, --help          show this help
`
