import { USBIP_PORT } from '../../lab/index.js'
import { UsageError } from '../command-line.js'

const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^:]+))(?::(\d{1,5}))?$/

/** HOST, HOST:PORT, [ADDRESS] or [ADDRESS]:PORT; the port of USB/IP unless it is said. @throws UsageError */
export function readUsbAddress(text: string): { readonly host: string; readonly port: number } {
  const [, six, other, digits] = ADDRESS.exec(text) ?? []
  const [host, port] = [six ?? other, digits === undefined ? USBIP_PORT : Number(digits)]
  if (host === undefined || port > 0xffff) {
    throw new UsageError(`An address is HOST[:PORT], such as 127.0.0.1:${USBIP_PORT}, not '${text}'`)
  }
  return { host, port }
}
