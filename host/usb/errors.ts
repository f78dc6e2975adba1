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
     * - USB_UNAVAILABLE: this computer gives no way to real USB devices: the package is missing, or the kernel has no USB
     * - USB_NO_DEVICE: there is no such real device, or more than one
     * - USB_FAULT_RULE: a rule for faults makes no sense
     * - USBIP_PROTOCOL: the other end does not keep to the USB/IP protocol
     * - USBIP_LISTEN: the address cannot be listened on
     * - USBIP_CONNECT: no USB/IP server answers there
     * - USBIP_BUSY: somebody else has the device
     * - USBIP_NO_DEVICE: there is no such device, or none at all
     * - CAPTURE_IO: the file cannot be read or written
     * - CAPTURE_FORMAT: the file is no capture of USB traffic, or is damaged
     * - CAPTURE_INCOMPLETE: the capture lacks what a device needs to be replayed, or is redacted
     * - REPLAY_LEFT: a host did something else than what was recorded
     * - CAPTURE_DEVICE: the capture has no such device, or more than one
     * - USB_LISTEN: the address cannot be listened on
     * - USB_ONE_DEVICE: this way to a device carries one at a time
     * - GADGET_UNAVAILABLE: this computer cannot be a USB device, or we may not make it one
     * - GADGET_BUSY: there is such a gadget, or what is left of one is in use
     * - GADGET_UNSUITABLE: a device that no Linux gadget can carry
     * - GADGET_IO: Linux refused a step of making a gadget
     * - REDIR_PROTOCOL: the other end does not keep to the usbredir protocol
     */
    readonly code:
      | 'USB_FRAMING'
      | 'USB_UNSUITABLE'
      | 'USB_OPEN'
      | 'USB_DESCRIPTOR'
      | 'USB_PED'
      | 'USB_UNAVAILABLE'
      | 'USB_NO_DEVICE'
      | 'USB_FAULT_RULE'
      | 'USBIP_PROTOCOL'
      | 'USBIP_LISTEN'
      | 'USBIP_CONNECT'
      | 'USBIP_BUSY'
      | 'USBIP_NO_DEVICE'
      | 'CAPTURE_IO'
      | 'CAPTURE_FORMAT'
      | 'CAPTURE_INCOMPLETE'
      | 'CAPTURE_DEVICE'
      | 'REPLAY_LEFT'
      | 'USB_LISTEN'
      | 'USB_ONE_DEVICE'
      | 'GADGET_UNAVAILABLE'
      | 'GADGET_BUSY'
      | 'GADGET_UNSUITABLE'
      | 'GADGET_IO'
      | 'REDIR_PROTOCOL',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}
