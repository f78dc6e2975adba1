import type { SlotSource } from '../client/index.js'
import type { CmuArguments } from './arguments.js'
import {
  type CmuFiles,
  exportObject,
  importCertificate,
  importKey,
  requestCertificate,
  selfSign,
} from './certificates.js'
import { CmuError } from './errors.js'
import { destroy, generateKeyPair, getAttribute, list, setAttribute } from './keys.js'
import { atToken, type CmuIo, type CmuToken, whoFrom } from './token.js'

/** Reads the line, and answers what is to be done at the token. @throws CmuError CMU_USAGE */
export type CmuCommand = (args: CmuArguments, files: CmuFiles) => (token: CmuToken) => Promise<void>

const COMMANDS: Readonly<Record<string, CmuCommand>> = {
  delete: destroy,
  export: exportObject,
  generatekeypair: generateKeyPair,
  getattribute: getAttribute,
  import: importCertificate,
  importkey: importKey,
  list,
  requestcertificate: requestCertificate,
  selfsigncertificate: selfSign,
  setattribute: setAttribute,
}

/** The command of that name in any case. @throws CmuError CMU_USAGE */
export function commandNamed(name: string): CmuCommand {
  const command = Object.hasOwn(COMMANDS, name.toLowerCase()) ? COMMANDS[name.toLowerCase()] : undefined
  if (!command) throw new CmuError('CMU_USAGE', `There is no command '${name}'`)
  return command
}

/** Reads the whole line, and answers what is to be done with it at a workstation. @throws CmuError CMU_USAGE */
export function readLine(
  command: CmuCommand,
  args: CmuArguments,
  files: CmuFiles,
): (io: CmuIo, slots: SlotSource) => Promise<void> {
  const work = command(args, files)
  const who = whoFrom(args)
  args.end()
  return (io, slots) => atToken(slots, who, io, work)
}
