// Transfers between a host and a device, as the device model and every way to it see them. No bus, kernel or wire is known here.

/** The eight bytes of a SETUP packet. */
export interface SetupPacket {
  readonly requestType: number
  readonly request: number
  readonly value: number
  readonly index: number
  readonly length: number
}

export const DIRECTION_IN = 0x80

/** One transfer that a host asks for (USB request block). */
export interface Urb {
  /** Endpoint address with its direction bit; 0 = the control pipe, whose direction is in the SETUP packet. */
  readonly endpoint: number
  /** On the control pipe only. */
  readonly setup?: SetupPacket | undefined
  /** What goes out; empty for IN. The device may look at it until the transfer is over. */
  readonly data: Uint8Array
  /** Bytes that the host has room for; 0 for OUT. */
  readonly length: number
  /** OUT: an empty packet follows where the data ends with a full one. Devices whose framing needs no such end may pass it over. */
  readonly zeroPacket?: boolean | undefined
}

/** Whether a transfer's data comes in; a control transfer without data goes out. */
export function isInUrb({ endpoint, setup }: Urb): boolean {
  return ((setup && setup.length > 0 ? setup.requestType : endpoint) & DIRECTION_IN) !== 0
}

/**
 * - ok: done; an IN transfer may have ended with a short packet
 * - stall: the endpoint is halted, or the device does not do this control request
 * - babble: a packet did not fit into what the host had room for; data is what did
 * - absent: the device has no such endpoint, or is not configured
 * - refused: more than whoever carries the transfer takes
 * - reset: the device was reset, or configured anew
 * - fault: the bus or the device failed in the middle of it; what was moved is lost
 * - gone: the device is no longer there
 */
export type UrbStatus = 'ok' | 'stall' | 'babble' | 'absent' | 'refused' | 'reset' | 'fault' | 'gone'

export interface UrbResult {
  readonly status: UrbStatus
  /** What came in; empty for OUT. */
  readonly data: Uint8Array<ArrayBuffer>
  /** Bytes moved in the data stage, either way. */
  readonly actual: number
}

/** Called once when the transfer is over, possibly before `submit` returns. */
export type Complete = (result: UrbResult) => void

/** Gives a transfer up. True = it was under way, and its `complete` is never called; what it had moved until then is lost or taken. */
export type Cancel = () => boolean

/** Where transfers are handed in: a device, or the near end of a cable to one. */
export interface UrbPort {
  submit(urb: Urb, complete: Complete): Cancel
  /** Bus reset: all transfers end with `reset`, the device is as after plugging in. */
  reset(): void
}

export const NO_DATA: Uint8Array<ArrayBuffer> = new Uint8Array(0)

/** A result without data. */
export const outcome = (status: UrbStatus, actual = 0): UrbResult => ({ status, data: NO_DATA, actual })

/** Nothing is left to give up. */
export const OVER: Cancel = () => false
