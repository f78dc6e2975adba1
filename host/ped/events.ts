import type { PedQuestion } from './operator.js'

/** Why a key did not do; `kept`: the person does not want it overwritten. */
export type KeyRefusal =
  | 'blank'
  | 'wrong kind'
  | 'not readable'
  | 'kept'
  | 'other keyset'
  | 'same share'
  /** It cannot be written any more; what is on it is still there. */
  | 'worn out'

/** What happened at the PED. No event holds a secret, a PIN or a text that was shown. */
export type PedEvent =
  | { readonly event: 'connected' }
  | { readonly event: 'disconnected' }
  /** An HSM said hello; `serial` in decimal. */
  | { readonly event: 'hello'; readonly remote: boolean; readonly serial: string }
  /** The link has its keys. */
  | { readonly event: 'link' }
  | { readonly event: 'request'; readonly sequence: number; readonly op: number; readonly kind: number }
  | { readonly event: 'question'; readonly question: PedQuestion; readonly kind: number; readonly attempt: number }
  /** A key was inserted; `refused` says why it did not do. */
  | {
      readonly event: 'key'
      readonly key: string
      readonly refused: KeyRefusal | undefined
    }
  | { readonly event: 'key-written'; readonly key: string }
  /** `status` is PED_STATUS_…. */
  | { readonly event: 'answer'; readonly sequence: number; readonly status: number; readonly reused: boolean }
  | { readonly event: 'alert'; readonly status: number }
  /** The HSM gave up the request. */
  | { readonly event: 'given-up'; readonly sequence: number }
  /** A frame was not accepted, or something failed; `reason` is for people. */
  | { readonly event: 'fault'; readonly reason: string }
