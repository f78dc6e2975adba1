import { writeFileSync } from 'node:fs'
import { CmuError, type CmuFiles, type CmuToken } from '../../cmu/index.js'
import { importItems, type KeyItem, readKeyFile } from '../../lab/index.js'
import { passphrases } from '../commands/import.js'
import type { CliIo } from '../program.js'

const isCertificate = ({ kind }: KeyItem): boolean => kind === 'certificate'

/** The user's files, read as `moonlet import` reads them. */
export function filesOf(io: CliIo): CmuFiles {
  const put = async (
    { client, session }: CmuToken,
    { path, label, wanted }: { path: string; label: string | undefined; wanted: (item: KeyItem) => boolean },
  ): Promise<number[]> => {
    const all = await readKeyFile(path, { passphrase: passphrases(undefined, io) })
    const items = all.filter(wanted)
    if (items.length === 0) throw new CmuError('CMU_FILE', `${path} holds none of what this command imports`)
    const named = label === undefined ? items : items.map((item) => ({ ...item, label }))
    return (await importItems({ client, session }, named)).map(({ handle }) => handle)
  }
  return {
    write: (path, text) => {
      try {
        writeFileSync(path, text)
      } catch (cause) {
        throw new CmuError('CMU_FILE', `${path} cannot be written`, { cause })
      }
    },
    importCertificates: (token, path, label) => put(token, { path, label, wanted: isCertificate }),
    importKeys: (token, path, label) => put(token, { path, label, wanted: (item) => !isCertificate(item) }),
  }
}
