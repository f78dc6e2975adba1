export { AcmDevice } from './acm-device.js'
export { now, UsbCapture } from './capture.js'
export { CaptureFile, type CaptureOptions, type FrameKind } from './capture-file.js'
export { PRODUCT_ID, type UsbIdentity, usbIdentity, VENDOR_ID } from './descriptors.js'
export { VirtualUsbDevice } from './device.js'
export { isTokenInterface, UsbTransport } from './driver.js'
export { UsbError } from './errors.js'
export type { UsbEvent, UsbEventName } from './events.js'
export { FAULT_KINDS, type FaultChance, type FaultKind, type FaultRule, readFaultRule } from './fault-rules.js'
export { type Fault, type FaultOptions, FaultyDevice } from './faults.js'
export { ForeignFunction } from './foreign-function.js'
export { Gadget, type GadgetEvent, type GadgetOptions } from './gadget.js'
export { cleanUp, type GadgetRoots, LINUX } from './gadget-tree.js'
export { HostDevice } from './host-device.js'
export { type EndpointStats, MeteredDevice, showStats } from './meter.js'
export { type NusbCalls, NusbDevice } from './nusb-device.js'
export type { PedSocket } from './ped-line.js'
export {
  findRealDevice,
  openRealDevice,
  openRealPort,
  overPort,
  RealDevice,
  type RealDeviceName,
  type RealDeviceOptions,
  readDeviceName,
  realDevices,
} from './real-device.js'
export { type Recording, type RecordingOptions, readRecording } from './recording.js'
export { type RedirEvent, RedirServer, type RedirServerOptions } from './redir-server.js'
export { REDIR_PORT } from './redir-wire.js'
export { ReplayDevice, type ReplayEvent, type ReplayOptions } from './replay.js'
export { TokenDevice, type TokenDeviceOptions } from './token-device.js'
export type { SetupPacket, Urb, UrbPort, UrbResult, UrbStatus } from './urb.js'
export { type ImportOptions, importDevice, UsbipDevice } from './usbip-device.js'
export { listDevices, type ServerAddress } from './usbip-handshake.js'
export { DEFAULT_USBIP_LIMITS, type UsbipLimits } from './usbip-limits.js'
export type { UsbipEnding, UsbipEvent } from './usbip-peer.js'
export { type ExportableDevice, UsbipServer, type UsbipServerOptions, type UsbPresenter } from './usbip-server.js'
export { type ListedDevice, USBIP_PORT } from './usbip-wire.js'
export type { WebUsbCalls } from './web-usb-calls.js'
export { WebUsbPort, type WebUsbPortOptions } from './web-usb-port.js'
