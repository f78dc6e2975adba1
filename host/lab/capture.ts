import { CaptureFile, type FrameKind, now, UsbCapture } from '../usb/index.js'
import type { RecordedFrame, Recorder } from './recorder.js'

export interface LabCaptureOptions {
  readonly path: string
  /** What is captured, and where. */
  readonly description: string
  /** Secrets and ciphertexts are left out. */
  readonly redacted?: boolean | undefined
  /** Frames of the other cables go into the file, too: NTLS, PCIe, PED. */
  readonly frames?: boolean | undefined
  /** So do the secrets of TLS connections, which open what others captured of them. */
  readonly tlsSecrets?: boolean | undefined
}

/** A capture of what passes the cables of a lab. */
export interface LabCapture {
  readonly usb: UsbCapture
  /** Takes frames in; undefined = not asked for. */
  readonly recorder: Recorder | undefined
  readonly onKeys: ((line: Buffer) => void) | undefined
  close(): void
}

/** @throws UsbError CAPTURE_IO */
export function openCapture({ path, frames, tlsSecrets, ...options }: LabCaptureOptions): LabCapture {
  const file = CaptureFile.create(path, options)
  return {
    usb: new UsbCapture(file),
    recorder: frames
      ? ({ cable, direction, frame }) => {
          const kind = kindOf(cable)
          if (kind) file.frame(kind, cable, direction, frame, now())
        }
      : undefined,
    onKeys: tlsSecrets ? (line) => file.tlsSecret(line) : undefined,
    close: () => file.close(),
  }
}

/** Undefined = the cable is captured as USB. */
function kindOf(cable: RecordedFrame['cable']): FrameKind | undefined {
  if (cable.startsWith('usb:')) return undefined
  return cable.startsWith('ped') ? 'moonlet.ped' : 'moonlet.frame'
}
