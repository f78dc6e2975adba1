/** Every error of the vector runner: `code` is stable and may be compared. */
export class VectorError extends Error {
  override readonly name = 'VectorError'
  constructor(
    readonly code:
      | 'VECTORS_USAGE'
      /** The file cannot be read, or is no text. */
      | 'VECTORS_UNREADABLE'
      /** No format that is known. */
      | 'VECTORS_UNKNOWN'
      /** A line that does not belong into the format. */
      | 'VECTORS_SYNTAX'
      /** A vector lacks a field, or a field does not hold what it should. */
      | 'VECTORS_FIELD'
      /** A file of a known format without a vector in it. */
      | 'VECTORS_EMPTY'
      /** A primitive that was asked for ran no vector. */
      | 'VECTORS_MISSING',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}
