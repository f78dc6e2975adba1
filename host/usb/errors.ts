/** The USB room's own errors; `code` is stable. */
export class UsbError extends Error {
  override readonly name = 'UsbError'
  constructor(
    /**
     * - USB_FRAMING: the byte stream is not one of transfers
     * - USB_UNSUITABLE: a device without our interface
     * - USB_OPEN: the host does not let us have the device
     * - USB_DESCRIPTOR: a device describes itself in a way that makes no sense
     * - USB_PED: the device takes no cable to a remote PED, or has one
     * - USBIP_PROTOCOL: the other end does not keep to the USB/IP protocol
     * - USBIP_LISTEN: the address cannot be listened on
     * - USBIP_CONNECT: no USB/IP server answers there
     * - USBIP_BUSY: somebody else has the device
     * - USBIP_NO_DEVICE: there is no such device, or none at all
     */
    readonly code:
      | 'USB_FRAMING'
      | 'USB_UNSUITABLE'
      | 'USB_OPEN'
      | 'USB_DESCRIPTOR'
      | 'USB_PED'
      | 'USBIP_PROTOCOL'
      | 'USBIP_LISTEN'
      | 'USBIP_CONNECT'
      | 'USBIP_BUSY'
      | 'USBIP_NO_DEVICE',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}
