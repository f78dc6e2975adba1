import { type Change, ChangeWriter, sizeOf } from '../../../host/board/changes.js'

/** Changes as they stand in a journal whose other frames are not known. */
export function encodeChanges(changes: Iterable<Change>): Buffer {
  const all = [...changes]
  const bytes = Buffer.alloc(all.reduce((sum, change) => sum + sizeOf(change), 0))
  const writer = new ChangeWriter(bytes, 0)
  for (const change of all) writer.put(change)
  return bytes
}
