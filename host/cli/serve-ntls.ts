import { appendFileSync } from 'node:fs'
import type { ApplianceService, ServiceOptions } from '../lab/index.js'
import { tellStarter } from './background.js'
import type { LoggedEvent } from './event-log.js'
import { type CliIo, untilAborted } from './program.js'

export interface ServeOptions {
  readonly listen: ServiceOptions['listen']
  /** File that the secrets of TLS connections are appended to. */
  readonly keyLog: string | undefined
  /** Gets each thing that happens. */
  readonly tell: (event: LoggedEvent) => void
}

/** Serves until a signal ends it. */
export async function serveNtls(
  { signal, expectSignal }: CliIo,
  { listen, keyLog, tell }: ServeOptions,
  start: (options: ServiceOptions) => Promise<ApplianceService>,
): Promise<void> {
  const service = await start({
    listen,
    onEvent: tell,
    ...(keyLog === undefined ? {} : { onKeys: (line) => appendFileSync(keyLog, line, { mode: 0o600 }) }),
  })
  const { host, port } = service.state
  tell({ event: 'listening', host, port, certificate: service.fingerprint })
  expectSignal()
  tellStarter()
  await Promise.race([service.ordered, untilAborted(signal)])
  await service.close()
  tell({ event: 'stopped' })
}
