// Calls of the vendor's extension, which our own library alone sends: p11-kit's clients have none of them.

import { call } from './calls.js'
import { row, ulong } from './codec.js'

const u = ulong

export const caCalls = {
  getFirmwareVersion: call(0x1000, 'CA_GetFirmwareVersion', u, row(u, u, u)),
  getSessionInfo: call(0x1001, 'CA_GetSessionInfo', u, row(u, u, u, u)),
} as const
