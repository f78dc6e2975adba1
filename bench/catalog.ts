import { aes } from './crypto/aes.js'
import { firstKeys } from './crypto/first-keys.js'
import { keyWraps } from './crypto/key-wrap.js'
import { primitives } from './crypto/primitives.js'
import type { Group } from './harness/bench.js'
import { ntls } from './ntls/ntls.js'
import { pkcs11 } from './pkcs11/pkcs11.js'
import { backups, softHsm } from './token/backup.js'
import { device } from './token/device.js'
import { growth } from './token/growth.js'
import { snapshots } from './token/snapshot.js'
import { workers } from './token/workers.js'
import { kernelUsb } from './usb/kernel.js'
import { usb } from './usb/usb.js'

/** A guest of test/vm has a kernel whose USB may be taken over. */
const inGuest = process.env.VM_GUEST === '1'

/** Every group, in the order of the table. */
export const GROUPS: readonly Group[] = [
  ...keyWraps,
  firstKeys,
  aes,
  ...primitives,
  softHsm,
  ...backups,
  workers,
  growth,
  device,
  snapshots,
  usb,
  ...(inGuest ? [kernelUsb] : []),
  ntls,
  ...pkcs11,
]
