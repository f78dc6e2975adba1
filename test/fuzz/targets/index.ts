import type { Target } from '../engine/target.js'
import { cloningTarget } from './cloning.js'
import { commandTarget } from './command.js'
import { flashTarget } from './flash.js'
import { pedTarget } from './ped.js'

/** In the order in which they take turns. */
export const TARGETS: readonly Target[] = [commandTarget(), cloningTarget, pedTarget, flashTarget]
