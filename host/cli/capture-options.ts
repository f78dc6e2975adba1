import type { ParseArgsConfig } from 'node:util'
import { type LabCapture, openCapture } from '../lab/index.js'
import { UsageError } from './command-line.js'

/** What of a capture is asked for on the command line. */
export const CAPTURE_OPTIONS = {
  capture: { type: 'string' },
  'capture-redacted': { type: 'boolean' },
} as const satisfies ParseArgsConfig['options']

/** Lines of the help, for those options. */
export const CAPTURE_HELP = `  --capture FILE         write all transfers to a pcapng file, as Linux's usbmon
                         has them; 'moonlet usb replay' and Wireshark read it
  --capture-redacted     with zeros in place of secrets and ciphertexts
`

export interface CaptureValues {
  readonly capture?: string | undefined
  readonly 'capture-redacted'?: boolean | undefined
  readonly 'capture-frames'?: boolean | undefined
  readonly 'capture-tls'?: boolean | undefined
}

/** Undefined = none is asked for. @throws UsageError; UsbError CAPTURE_IO */
export function captureOf(values: CaptureValues, description: string): LabCapture | undefined {
  const { capture: path, 'capture-redacted': redacted, 'capture-frames': frames, 'capture-tls': tlsSecrets } = values
  if (path === '') throw new UsageError("Option '--capture' needs a file")
  if (path !== undefined) return openCapture({ path, description, redacted, frames, tlsSecrets })
  const [needless] = Object.entries({ redacted, frames, tls: tlsSecrets }).filter(([, given]) => given)
  if (needless) throw new UsageError(`Option '--capture-${needless[0]}' goes with '--capture FILE'`)
  return undefined
}
