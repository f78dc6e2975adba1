import { aes } from './crypto/aes.js'
import { keyWraps } from './crypto/key-wrap.js'
import { primitives } from './crypto/primitives.js'
import type { Group } from './harness/bench.js'
import { ntls } from './ntls/ntls.js'
import { backups, softHsm } from './token/backup.js'
import { device } from './token/device.js'
import { growth } from './token/growth.js'
import { snapshots } from './token/snapshot.js'
import { workers } from './token/workers.js'
import { usb } from './usb/usb.js'

/** Every group, in the order of the table. */
export const GROUPS: readonly Group[] = [
  ...keyWraps,
  aes,
  ...primitives,
  softHsm,
  ...backups,
  workers,
  growth,
  device,
  snapshots,
  usb,
  ntls,
]
