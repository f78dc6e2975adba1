export type Direction = 'encrypt' | 'decrypt'

/** An encryption or decryption, at once or in parts. */
export interface Ciphering {
  readonly direction: Direction
  /** Whether data may come in parts. */
  readonly inParts: boolean
  /** Whether `wholeLength` and `finalLength` are what comes out, so that it is not made where there is no room for it. */
  readonly exact: boolean
  /** Most bytes that one call with all data gives: what is asked for before there is room. */
  wholeLength(length: number): number
  /** Bytes that `update` gives for so many more. */
  partLength(length: number): number
  /** Most bytes that `final` gives. */
  finalLength(): number
  /** All data in one call. @throws Pkcs11Error DATA_LEN_RANGE, ENCRYPTED_DATA_LEN_RANGE; what the token answers */
  whole(data: Uint8Array): Promise<Uint8Array>
  /** @throws as `whole` */
  update(data: Uint8Array): Promise<Uint8Array>
  /** What is left. @throws as `whole` */
  final(): Promise<Uint8Array>
  wipe(): void
}
