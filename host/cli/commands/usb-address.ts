import { USBIP_PORT } from '../../lab/index.js'
import { UsageError } from '../command-line.js'

const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^:]+))(?::(\d{1,5}))?$/

/** HOST, HOST:PORT, [ADDRESS] or [ADDRESS]:PORT. @param usual port unless it is said, USB/IP's. @throws UsageError */
export function readUsbAddress(text: string, usual = USBIP_PORT): { readonly host: string; readonly port: number } {
  const [, six, other, digits] = ADDRESS.exec(text) ?? []
  const [host, port] = [six ?? other, digits === undefined ? usual : Number(digits)]
  if (host === undefined || port > 0xffff) {
    throw new UsageError(`An address is HOST[:PORT], such as 127.0.0.1:${usual}, not '${text}'`)
  }
  return { host, port }
}
