// Makes an image that was changed authentic again, as only somebody with the keys of the battery could: the checks behind the MAC and
// the directory hash are then reached with contents that no firmware ever wrote.
import { BATTERY_KEK, BATTERY_MTK, FLASH_LOG, FLASH_SECTOR } from '../../../assembly/protocol.js'
import { logRecords, newestSuperblock, rowOffset } from '../../firmware/support/flash-image.js'
import { directoryHash, listed, rootKeys, superblockMac } from '../../oracle/obc1/at-rest.js'

const SEQUENCE = 4
const SERIAL = 12
const ROWS = 28
const MAC = 48
const [USED, EPOCH, FLOOR, DIRECTORY] = [0, 4, 68, 80]

type Write = readonly [offset: number, bytes: Uint8Array]

function hashOfRow(image: Uint8Array, partition: number, row: Buffer, sequence: bigint): Buffer {
  const mine = logRecords(image).filter(({ bytes, partition: of }) => {
    const known = of === partition && bytes.readUInt32BE(12) === row.readUInt32BE(EPOCH)
    return known && bytes.readUInt32BE(52) <= bytes.length - 124
  })
  const floor = row.readUInt32BE(FLOOR)
  return directoryHash(
    listed(
      mine.map(({ bytes }) => bytes),
      sequence,
    ).filter((bytes) => bytes.readUInt32BE(16) >= floor),
  )
}

/** What to write so that the newest superblock fits the log. Empty where there is no superblock any more. */
export function resealed(image: Uint8Array, battery: readonly Uint8Array[]): Write[] {
  if (image.length < (FLASH_LOG + 1) * FLASH_SECTOR) return []
  let newest: ReturnType<typeof newestSuperblock>
  try {
    newest = newestSuperblock(image)
  } catch {
    return []
  }
  const bytes = Buffer.from(newest.bytes)
  const rows = bytes.readUInt32BE(ROWS)
  if (rows > 101 || bytes.length < rowOffset(rows) + MAC) return []
  for (let partition = 0; partition < rows; partition++) {
    const row = bytes.subarray(rowOffset(partition), rowOffset(partition + 1))
    if (row.readUInt32BE(USED) !== 0)
      hashOfRow(image, partition, row, bytes.readBigUInt64BE(SEQUENCE)).copy(row, DIRECTORY)
  }
  const keys = { kek: Buffer.from(battery[BATTERY_KEK] ?? []), mtk: Buffer.from(battery[BATTERY_MTK] ?? []) }
  const { rak } = rootKeys(keys, bytes.readBigUInt64BE(SERIAL))
  const end = rowOffset(rows)
  superblockMac(rak, bytes.subarray(0, end)).copy(bytes, end)
  return [[newest.offset, bytes.subarray(0, end + MAC)]]
}
