/** What cmu refuses of its own accord; `code` is stable. */
export class CmuError extends Error {
  override readonly name = 'CmuError'
  constructor(
    readonly code: CmuErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

export type CmuErrorCode =
  | 'CMU_USAGE'
  | 'CMU_FILE'
  | 'CMU_SLOT'
  | 'CMU_OBJECT'
  | 'CMU_KEYS_DIFFER'
  | 'CMU_INPUT_ENDED'
  | 'CMU_CANCELLED'
