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

/** What happened at a pedserver's or pedclient's connection. `peer` is `address:port`. */
export type RemotePedEvent =
  | { readonly event: 'remote-connected'; readonly peer: string }
  | { readonly event: 'remote-refused'; readonly peer: string; readonly reason: string }
  | { readonly event: 'remote-idle'; readonly peer: string }
  /** An HSM waits for a PED that is not there. */
  | { readonly event: 'ped-awaited'; readonly peer: string }
  /** The PED was pulled out while it served this HSM. */
  | { readonly event: 'ped-gone'; readonly peer: string }
  | { readonly event: 'remote-disconnected'; readonly peer: string; readonly reason: string }
  /** At an appliance: a registered pedserver has called, or has gone. */
  | { readonly event: 'caller' | 'caller-gone'; readonly name: string; readonly peer: string }
  /** At a pedserver: an appliance was called, which knows it; it could not be reached. */
  | { readonly event: 'called'; readonly name: string; readonly peer: string }
  | { readonly event: 'call-failed'; readonly name: string; readonly reason: string }
