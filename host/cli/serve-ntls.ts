import { once } from 'node:events'
import { appendFileSync } from 'node:fs'
import type { ApplianceService, ServiceOptions } from '../lab/index.js'
import { tellStarter } from './background.js'
import type { CliIo } from './program.js'

export interface ServeOptions {
  readonly listen: ServiceOptions['listen']
  /** File that the secrets of TLS connections are appended to. */
  readonly keyLog: string | undefined
}

/** Serves until a signal ends it; each thing that happens is a line of JSON. */
export async function serveNtls(
  { stdout, signal, expectSignal }: CliIo,
  { listen, keyLog }: ServeOptions,
  start: (options: ServiceOptions) => Promise<ApplianceService>,
): Promise<void> {
  const tell = (event: object): void => {
    stdout.write(`${JSON.stringify({ time: new Date().toISOString(), level: 'info', ...event })}\n`)
  }
  const service = await start({
    listen,
    onEvent: tell,
    ...(keyLog === undefined ? {} : { onKeys: (line) => appendFileSync(keyLog, line, { mode: 0o600 }) }),
  })
  const { host, port } = service.state
  tell({ event: 'listening', host, port, certificate: service.fingerprint })
  expectSignal()
  tellStarter()
  await Promise.race([service.ordered, ...(signal.aborted ? [] : [once(signal, 'abort')])])
  await service.close()
  tell({ event: 'stopped' })
}
