// Captures of a device that never was, and transfers to a device made of one.
import { readFileSync } from 'node:fs'
import { type Recording, type ReplayDevice, readRecording } from '../../host/usb/index.js'
import { interfaceBlock, packetBlock, sectionBlock } from '../../host/usb/pcapng-write.js'
import type { SetupPacket, Urb, UrbResult } from '../../host/usb/urb.js'
import { encodeUsbmon, IN_PROGRESS, LINKTYPE_USB_LINUX_MMAPPED, type UsbmonPacket } from '../../host/usb/usbmon.js'

export const DEVICE = Uint8Array.of(18, 1, 0, 2, 0, 0, 0, 64, 0x34, 0x12, 0x78, 0x56, 0, 1, 0, 0, 0, 1)
export const CONFIGURATION = Uint8Array.of(
  ...[9, 2, 32, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 2, 0xff, 0, 0, 0],
  ...[7, 5, 1, 2, 0, 2, 0, 7, 5, 0x82, 2, 0, 2, 0],
)
const read = (type: number): SetupPacket => ({ requestType: 0x80, request: 6, value: type << 8, index: 0, length: 255 })
export const vendor = (requestType: number, request: number, length: number): SetupPacket => ({
  ...{ requestType, request, value: 1, index: 0, length },
})

export type Line = Partial<UsbmonPacket> & Pick<UsbmonPacket, 'id' | 'event'>

/** A capture in which these packets follow an enumeration. */
export function captureOf(lines: readonly Line[]): Buffer {
  const enumeration = [DEVICE, CONFIGURATION].flatMap((data, i): Line[] => [
    {
      id: BigInt(i),
      event: 'S',
      type: 'control',
      endpoint: 0x80,
      setup: read(i + 1),
      length: 255,
      status: IN_PROGRESS,
    },
    { id: BigInt(i), event: 'C', type: 'control', endpoint: 0x80, data, length: data.length },
  ])
  const packets = [...enumeration, ...lines].map((line, i) => {
    const defaults = { type: 'bulk', endpoint: 1, bus: 1, device: 5, time: BigInt(i), status: 0 } as const
    const data = line.data ?? new Uint8Array(0)
    return packetBlock(0, BigInt(i), encodeUsbmon({ ...defaults, length: data.length, data, ...line }))
  })
  const usb = interfaceBlock({ linkType: LINKTYPE_USB_LINUX_MMAPPED, name: 'usbmon1' })
  return Buffer.concat([sectionBlock('test', ''), usb, ...packets])
}

/** Hands a transfer in; undefined = not answered yet. */
export function submit(
  device: ReplayDevice,
  urb: Partial<Urb>,
  hear: (result: UrbResult) => void = () => undefined,
): { result: UrbResult | undefined; cancel(): boolean } {
  const outcome: { result: UrbResult | undefined; cancel(): boolean } = { result: undefined, cancel: () => false }
  outcome.cancel = device.submit({ endpoint: 1, data: new Uint8Array(0), length: 0, ...urb }, (result) => {
    outcome.result = result
    hear(result)
  })
  return outcome
}

export const bytesOf = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(text))

/** A capture that begins behind the enumeration. */
export function undescribed(): Buffer {
  const packet: UsbmonPacket = {
    ...{ id: 1n, event: 'S', type: 'bulk', endpoint: 1, bus: 1, device: 5, time: 0n, status: 0, length: 0 },
    data: new Uint8Array(0),
  }
  const usb = interfaceBlock({ linkType: LINKTYPE_USB_LINUX_MMAPPED, name: 'usbmon1' })
  return Buffer.concat([sectionBlock('test', ''), usb, packetBlock(0, 0n, encodeUsbmon(packet))])
}

export function enumerationOf(device: number, product: number): Line[] {
  const data = Uint8Array.from(DEVICE)
  data[10] = product
  return [
    { id: 20n, event: 'S', type: 'control', endpoint: 0x80, device, setup: read(1), length: 255 },
    { id: 20n, event: 'C', type: 'control', endpoint: 0x80, device, data, length: 18 },
  ]
}

/** A capture of `fixtures/captures`. */
export const golden = (name: string): Recording =>
  readRecording(readFileSync(new URL(`../../../fixtures/captures/${name}`, import.meta.url)))
