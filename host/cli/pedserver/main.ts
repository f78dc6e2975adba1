import { hostname } from 'node:os'
import {
  LabError,
  orderPedServer,
  type PedServerConfig,
  type PedServerOrder,
  type PedServerStatus,
  readPedServerConfig,
  writePedServerConfig,
} from '../../lab/index.js'
import { stateFolder } from '../command-line.js'
import type { CliIo } from '../program.js'
import { knownAppliances, needed } from './appliances.js'
import { type PedServerArguments, readPedServerArguments } from './arguments.js'
import { HELP } from './help.js'
import { literals } from './literals.js'
import { serve, startDetached } from './start.js'

/** The program `pedserver`; answers its exit code. */
export async function pedserver(args: readonly string[], io: CliIo): Promise<number> {
  const given = readPedServerArguments(args)
  const print = (...lines: readonly string[]) => io.stdout.write(`${lines.join('\n')}\n`)
  const stateDir = stateFolder(given.state, io.env)
  if (given.help) {
    io.stdout.write(HELP)
    return 0
  }
  if (given.regen || given.appliance || given.mode === undefined) {
    print(literals.version, ...(await knownAppliances(stateDir, given)))
    return 0
  }
  const config = configured(stateDir, given)
  print(literals.version, literals.launched[given.mode])
  switch (given.mode) {
    case 'start':
      if (given.foreground) return serve(stateDir, config, given, io)
      await startDetached(args, literals.starting, print)
      return 0
    case 'stop':
      await obeyed(stateDir, given.force ? 'stop force' : 'stop')
      print(literals.stopped)
      return 0
    case 'show':
      print(...information((await orderPedServer(stateDir, 'show')).status))
      return 0
    case 'config':
      if (given.set) writePedServerConfig(stateDir, config)
      print(...configuration(config))
      return 0
    case 'disconnect':
      await obeyed(stateDir, given.name === undefined ? 'disconnect' : `leave ${given.name}`)
      print(literals.disconnected)
      return 0
    case 'connect':
      await obeyed(stateDir, `call ${needed(given.name, '-name')}`)
      print(literals.connected)
      return 0
  }
}

async function obeyed(stateDir: string, order: PedServerOrder): Promise<void> {
  const { outcome, problem, status } = await orderPedServer(stateDir, order)
  if (outcome === 'busy') {
    throw new LabError('PED_IN_USE', `the PED serves the HSM at ${status.peer}: disconnect it first, or use -force`)
  }
  if (outcome === 'failed') throw new LabError('PED_CALL_FAILED', problem ?? 'it failed')
}

/** The configuration with what the line says in its place. */
function configured(stateDir: string, { ip, port, idleSeconds, log }: PedServerArguments): PedServerConfig {
  const kept = readPedServerConfig(stateDir)
  return {
    host: ip ?? kept.host,
    port: port ?? kept.port,
    idleSeconds: idleSeconds ?? kept.idleSeconds,
    log: log ?? kept.log,
  }
}

const fields = (values: readonly (readonly [name: string, value: string | number])[]) =>
  values.map(([name, value]) => `      ${`${name}:`.padEnd(33)}${value}`)

/** Where the PED is, in words; other places are paths. */
const PED_PLACES: Readonly<Record<string, string>> = { own: "in this server's process", local: 'moonlet ped' }

function information({
  pid,
  host,
  port,
  fingerprint,
  peer,
  idleSeconds,
  ped,
  present,
  lcd,
  appliances,
}: PedServerStatus): string[] {
  return [
    literals.information,
    ...fields([
      ['Hostname', hostname()],
      ['IP', host],
      ['Firmware Version', literals.firmware],
      ['Ped2 Connection Status', present ? 'Connected' : 'Disconnected'],
      ['PED', PED_PLACES[ped] ?? ped],
      ['Process', pid],
      ['Server Port', port],
      ['Idle Timeout (seconds)', idleSeconds],
      ['Certificate SHA-256', fingerprint],
      ['HSM', peer ?? 'none'],
      ...appliances.map(({ name, up }) => [`Appliance ${name}`, up ? 'Connected' : 'Disconnected'] as const),
      ...(lcd.length > 0 ? [['Display', lcd.filter((line) => line !== '').join(' / ')] as const] : []),
    ]),
  ]
}

function configuration({ host, port, idleSeconds, log }: PedServerConfig): string[] {
  return [
    '   Configuration:',
    ...fields([
      ['IP', host],
      ['Server Port', port],
      ['Idle Timeout (seconds)', idleSeconds],
      ['Log File', log ?? 'pedserver.log in the folder of pedserver'],
    ]),
  ]
}
