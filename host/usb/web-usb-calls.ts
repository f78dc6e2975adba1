/**
 * What a port needs of a W3C WebUSB `USBDevice`. Relied on: a stall is a status; a device that is gone rejects with NotFoundError,
 * what was broken off (`close`, `reset`, another setting) with AbortError, any other failure with another error; transfers wait
 * without a limit. Not relied on: two transfers on one endpoint at a time.
 */
export type WebUsbCalls = Pick<
  USBDevice,
  | 'open'
  | 'close'
  | 'reset'
  | 'selectConfiguration'
  | 'claimInterface'
  | 'selectAlternateInterface'
  | 'controlTransferIn'
  | 'controlTransferOut'
  | 'clearHalt'
  | 'transferIn'
  | 'transferOut'
>

export const webUsbError = (name: string, message: string, cause?: unknown): DOMException =>
  Object.assign(new DOMException(message, name), cause === undefined ? {} : { cause })

/** How a call that rejected ends a transfer. */
export function statusOfRejection(error: unknown): 'gone' | 'reset' | 'fault' {
  const name = error instanceof Error ? error.name : ''
  if (name === 'NotFoundError') return 'gone'
  return name === 'AbortError' ? 'reset' : 'fault'
}

/** The bytes of a transfer's result; a copy where they are not alone in their buffer. */
export function bytesOf(view: DataView | undefined): Uint8Array<ArrayBuffer> {
  if (!view) return new Uint8Array(0)
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice()
}
