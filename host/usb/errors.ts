/** The USB room's own errors; `code` is stable. */
export class UsbError extends Error {
  override readonly name = 'UsbError'
  constructor(
    /**
     * USB_FRAMING: the byte stream is not one of transfers. USB_UNSUITABLE: a device without our interface. USB_OPEN: the
     * host does not let us have the device.
     */
    readonly code: 'USB_FRAMING' | 'USB_UNSUITABLE' | 'USB_OPEN',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}
