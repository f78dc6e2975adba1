import { hostname } from 'node:os'
import {
  LabError,
  orderPedServer,
  type PedServerConfig,
  type PedServerStatus,
  readPedServerConfig,
  writePedServerConfig,
} from '../../lab/index.js'
import { stateFolder } from '../command-line.js'
import type { CliIo } from '../program.js'
import { type PedServerArguments, readPedServerArguments } from './arguments.js'
import { HELP } from './help.js'
import { literals } from './literals.js'
import { serve, startInBackground } from './start.js'

/** The program `pedserver`; answers its exit code. */
export async function pedserver(args: readonly string[], io: CliIo): Promise<number> {
  const given = readPedServerArguments(args)
  const print = (...lines: readonly string[]) => io.stdout.write(`${lines.join('\n')}\n`)
  if (given.help || given.mode === undefined) {
    io.stdout.write(HELP)
    return 0
  }
  const stateDir = stateFolder(given.state, io.env)
  const config = configured(stateDir, given)
  print(literals.version, literals.launched[given.mode])
  switch (given.mode) {
    case 'start':
      if (given.foreground) return serve(stateDir, config, given, io)
      await startInBackground(args, literals.starting, print)
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
      await obeyed(stateDir, 'disconnect')
      print(literals.disconnected)
      return 0
    case 'connect':
      throw new LabError(
        'LAB_OPTION_INVALID',
        "connections from the PED to an appliance are not supported: use 'ped connect' at the HSM",
      )
  }
}

async function obeyed(stateDir: string, order: 'stop' | 'stop force' | 'disconnect'): Promise<void> {
  const { outcome, status } = await orderPedServer(stateDir, order)
  if (outcome === 'busy') {
    throw new LabError('PED_IN_USE', `the PED serves the HSM at ${status.peer}: disconnect it first, or use -force`)
  }
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

function information({ pid, host, port, fingerprint, peer, idleSeconds, lcd }: PedServerStatus): string[] {
  return [
    literals.information,
    ...fields([
      ['Hostname', hostname()],
      ['IP', host],
      ['Firmware Version', literals.firmware],
      ['Ped2 Connection Status', 'Connected'],
      ['Process', pid],
      ['Server Port', port],
      ['Idle Timeout (seconds)', idleSeconds],
      ['Certificate SHA-256', fingerprint],
      ['HSM', peer ?? 'none'],
      ['Display', lcd.filter((line) => line !== '').join(' / ')],
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
