// How other processes find the PKCS#11 door of a state folder: a file that says where it is and what it shows.

import { join } from 'node:path'
import { ADMIN_PARTITION } from '../../assembly/protocol.js'
import type { SlotSource } from '../client/index.js'
import { type Check, fail, listOf, object, oneOf, text, wholeNumber } from './json-check.js'
import { type HsmKind, slotNumber } from './lab-file.js'
import { runningIn } from './run-file.js'

/** A slot as the door showed it when it was opened. */
export interface Pkcs11Slot {
  readonly slot: number
  readonly kind: HsmKind
  /** What PKCS#11 calls the token's label; empty where the HSM has none. */
  readonly label: string
  /** Decimal. */
  readonly serial: string
}

export interface RunningPkcs11 {
  readonly pid: number
  /** Path of the socket. */
  readonly socket: string
  readonly slots: readonly Pkcs11Slot[]
}

const anyText: Check<string> = (value, path) => (typeof value === 'string' ? value : fail(path, 'must be a text'))

const checkRunning: Check<RunningPkcs11> = object({
  pid: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  socket: text,
  slots: listOf(
    object({ slot: slotNumber, kind: oneOf('network', 'pcie', 'backup'), label: anyText, serial: anyText }),
  ),
})

/** Folder of the door below the state folder: lock, socket, what is running. */
export const pkcs11Folder = (stateDir: string): string => join(stateDir, 'pkcs11')

/** The door that is open on a state folder, if one is. @throws LabError LAB_FILE_INVALID */
export const runningPkcs11 = (stateDir: string): Promise<RunningPkcs11 | undefined> =>
  runningIn(pkcs11Folder(stateDir), checkRunning)

/** What the slots show now; an HSM that does not answer is left out. */
export async function shownTokens(source: SlotSource): Promise<readonly Pkcs11Slot[]> {
  const shown = await Promise.allSettled(
    (await source.slots()).map(async ({ id: slot, kind, partition, client }): Promise<Pkcs11Slot> => {
      const { label, serial } =
        partition === ADMIN_PARTITION ? await client.hsm.info() : await client.partitions.info(partition)
      return { slot, kind, label, serial: String(serial) }
    }),
  )
  return shown.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
}
