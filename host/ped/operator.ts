/** What the PED asks. */
export type PedQuestion =
  /** Reuse a secret that is already on a key? */
  | 'reuse'
  /** Over how many keys a new secret is split: how many will be needed (M), then how many there are (N). */
  | 'm-value'
  | 'n-value'
  /** Insert a key. */
  | 'key'
  /** The key is not blank: overwrite it? */
  | 'overwrite'
  /** The PIN of the key that was inserted. */
  | 'pin'
  /** A PIN for the secret that is made, none = Enter alone; then the same again. */
  | 'new-pin'
  | 'confirm-pin'
  /** Write the same secret to one more key? */
  | 'duplicate'
  /** Read what the screen shows and press Enter. */
  | 'show'

/** One question to the person at the PED. */
export interface PedPrompt {
  readonly question: PedQuestion
  /** The lines on the screen, without the empty ones. For 'show' they hold what only this person may see. */
  readonly lines: readonly string[]
  /** PED_KIND_… of the key that is meant; 0 where none is. */
  readonly kind: number
  /** The same for all questions of one request of the HSM. */
  readonly request: number
  /** How often this question was answered in vain before: a wrong key, a mistyped PIN, one more duplicate. */
  readonly attempt: number
}

/** What the person does. */
export type PedAction =
  /** Inserts the key with this name and presses Enter. */
  | { readonly action: 'key'; readonly key: string }
  | { readonly action: 'yes' | 'no' }
  /** Presses Enter, after typing a PIN or the number that M or N is to be, where one is given. */
  | { readonly action: 'enter'; readonly pin?: string; readonly value?: number }
  /** Gives up: the HSM is told so. */
  | { readonly action: 'cancel' }
  /** Does nothing until the time is over. */
  | { readonly action: 'no-key' }

/** The person at the PED. */
export interface Operator {
  /**
   * Called for one question at a time. The signal is aborted when the question no longer stands (time over, HSM gave up,
   * cable pulled); what is answered after that is not looked at.
   */
  answer(prompt: PedPrompt, signal: AbortSignal): Promise<PedAction>
}

/** The screen as one line, which is what patterns of rules are looked for in. */
export const promptText = (prompt: PedPrompt): string => prompt.lines.join(' ')
