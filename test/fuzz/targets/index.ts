import type { Target } from '../engine/target.js'
import { captureTarget } from './capture.js'
import { clientTarget } from './client.js'
import { cloningTarget } from './cloning.js'
import { commandTarget } from './command.js'
import { filesTarget } from './files.js'
import { flashTarget } from './flash.js'
import { journalTarget } from './journal.js'
import { networkTarget } from './network.js'
import { pedTarget } from './ped.js'
import { snapshotTarget } from './snapshot.js'
import { usbipTarget } from './usbip.js'
import { ntlsTarget, usbTarget } from './wires.js'

/** In the order in which they take turns. */
export const TARGETS: readonly Target[] = [
  commandTarget(),
  cloningTarget,
  pedTarget,
  flashTarget,
  journalTarget,
  snapshotTarget,
  usbTarget,
  usbipTarget,
  captureTarget,
  ntlsTarget,
  networkTarget,
  clientTarget,
  filesTarget,
]
