import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type ApplianceDoorOptions, FolderAppliance } from '../../host/lab/index.js'
import { PipeIo } from '../../host/lunacm/index.js'
import { Lunash } from '../../host/lunash/index.js'
import { createIdentity } from '../../host/ntls/index.js'
import { Collector } from '../lab/support.js'

export interface Session {
  readonly transcript: string
  readonly code: number
  /** What stands after each `Command Result :`. */
  readonly results: readonly string[]
}

/** Runs a session as a script does. */
export async function lunash(
  dir: string,
  commands: readonly string[],
  options: ApplianceDoorOptions = {},
): Promise<Session> {
  const output = new Collector()
  const io = new PipeIo(Readable.from([`${commands.join('\n')}\n`]), output)
  const code = await new Lunash({ door: FolderAppliance.open(dir, options), io }).run()
  const results = [...output.text.matchAll(/^Command Result : (.*)$/gm)].map(([, result]) => result ?? '')
  return { transcript: output.text, code, results }
}

export const SUCCESS = '0 (Success)'
export const FAILURE = '65535 (Luna Shell execution)'

/** Puts a client's certificate into the appliance's folder, as `scp` does. */
export async function bringCertificate(dir: string, host: string): Promise<string> {
  const { certificate } = await createIdentity({ commonName: host, hosts: [host] })
  writeFileSync(join(dir, `${host}.pem`), certificate)
  return certificate
}
