/** A partition as the appliance's shell shows it. Storage in bytes. */
export interface PartitionRow {
  readonly id: number
  readonly serial: bigint
  /** On the appliance, or where it has none there the label, or a dash. */
  readonly name: string
  readonly label: string
  readonly initialized: boolean
  readonly objects: number
  readonly total: bigint
  readonly used: bigint
}

/** What `hsm show` says of the HSM itself. */
export interface HsmFacts {
  readonly label: string
  readonly serial: bigint
  readonly firmware: string
  readonly model: string
  readonly ped: boolean
  readonly loggedIn: boolean
  readonly attempts: number
  readonly vector: boolean
  readonly auditor: boolean
  readonly zeroized: boolean
}
