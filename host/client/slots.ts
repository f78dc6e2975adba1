import type { TokenClient } from './token-client.js'

/** The carrier of a remote PED link to one HSM; the firmware's own command (PED_CONNECT) follows over the token client. */
export interface PedConnector {
  /** @throws an error with a stable `code` where no PED server answers there */
  connect(host: string, port: number | undefined): Promise<void>
  disconnect(): Promise<void>
}

/** One slot as a shell or a PKCS#11 library sees it. */
export interface Slot {
  readonly id: number
  readonly kind: 'network' | 'pcie' | 'backup'
  /** Partition of the token that this slot shows; ADMIN_PARTITION on a backup HSM. */
  readonly partition: number
  readonly client: TokenClient
  readonly ped: PedConnector
}

/** Where slots come from; asked again whenever they may have changed. */
export interface SlotSource {
  slots(): Promise<readonly Slot[]>
  /** Left out where nobody can choose in which slot a partition shows. */
  readonly places?: SlotPlaces
}

/** In which slots partitions show, for as long as they exist. `near` is any slot of the partition's HSM. */
export interface SlotPlaces {
  /** Whether a new partition may show in slot `id`. */
  isFree(near: Slot, id: number): Promise<boolean>
  /** @throws an error with a stable `code` where it could not be written down */
  put(near: Slot, id: number, serial: bigint): Promise<void>
  /** The partition is gone. Throws as `put` does. */
  drop(near: Slot, serial: bigint): Promise<void>
}
