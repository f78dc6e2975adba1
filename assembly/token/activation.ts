// Activation (DESIGN.md "Behaviour"): what a PED secret opened, kept so that the challenge alone logs in. Only with policy 22; with policy
// 23 a copy in battery-backed memory, wrapped, survives a restart.

import { battery_read, battery_zeroize, flash_sync } from '../board'
import { kwUnwrap, kwWrap } from '../crypto/key-wrap'
import { load32be, store32be, wipe } from '../crypto/util'
import { P_EPOCH, P_USED, partitionRow } from '../flash/superblock'
import {
  BATTERY_ACTIVATION,
  BATTERY_ACTIVATION_SIZE,
  MAX_PARTITIONS,
  POLICY_ACTIVATION,
  POLICY_AUTO_ACTIVATION,
  ROLE_CRYPTO_OFFICER,
  ROLE_CRYPTO_USER,
} from '../protocol'
import { battery_write } from '../writes'
import { activationKey } from './keys'
import { partitionPolicy } from './policies'
import { roleHasChallenge } from './roles'
import { isPed, serialBytes } from './state'

const ROWS: i32 = 128
const ROW: usize = 48
const CACHE: usize = memory.data(6144, 16)
const SAVED: usize = memory.data(8192, 16)
const KEY: usize = memory.data(32, 16)

function epochOf(partition: u32): u32 {
  return load32be(partitionRow(partition) + P_EPOCH)
}

// partition 4, role 4, epoch 4, used 4, PSK 32
function cacheRow(i: i32): usize {
  return CACHE + <usize>i * ROW
}

/** Address of the storage key of an activated role, 0 = not activated. */
export function activation(partition: u32, role: i32): usize {
  for (let i = 0; i < ROWS; i++) {
    const c = cacheRow(i)
    if (load<u32>(c, 12) === 0 || load<u32>(c) !== partition || load<u32>(c, 4) !== <u32>role) continue
    if (load<u32>(c, 8) === epochOf(partition)) return c + 16
  }
  return 0
}

export function mayActivate(partition: u32, role: i32): bool {
  if (!isPed() || (role !== ROLE_CRYPTO_OFFICER && role !== ROLE_CRYPTO_USER)) return false
  return partitionPolicy(partition, POLICY_ACTIVATION) !== 0 && roleHasChallenge(partition, role)
}

export function activate(partition: u32, role: i32, psk: usize): void {
  let free = -1
  for (let i = 0; i < ROWS; i++) {
    const c = cacheRow(i)
    if (load<u32>(c, 12) === 0) {
      if (free < 0) free = i
    } else if (load<u32>(c) === partition && load<u32>(c, 4) === <u32>role) {
      free = i
      break
    }
  }
  if (free < 0) return
  const c = cacheRow(free)
  store<u32>(c, partition)
  store<u32>(c, <u32>role, 4)
  store<u32>(c, epochOf(partition), 8)
  store<u32>(c, 1, 12)
  memory.copy(c + 16, psk, 32)
  saveActivation()
}

/** One role, or every role of the partition (role < 0). */
export function deactivate(partition: u32, role: i32): void {
  let changed = false
  for (let i = 0; i < ROWS; i++) {
    const c = cacheRow(i)
    if (load<u32>(c, 12) === 0 || load<u32>(c) !== partition) continue
    if (role >= 0 && load<u32>(c, 4) !== <u32>role) continue
    wipe(c, <i32>ROW)
    changed = true
  }
  if (changed) saveActivation()
}

/** Battery copy: n × {partition 4, role 4, epoch 4, KW(activation key, PSK) 40}. Durable with the next sync. */
function saveActivation(): void {
  let at: usize = 0
  activationKey(serialBytes(), KEY)
  for (let i = 0; i < ROWS; i++) {
    const c = cacheRow(i)
    if (load<u32>(c, 12) === 0 || partitionPolicy(load<u32>(c), POLICY_AUTO_ACTIVATION) === 0) continue
    if (at + 52 > <usize>BATTERY_ACTIVATION_SIZE) break
    store32be(SAVED + at, load<u32>(c))
    store32be(SAVED + at + 4, load<u32>(c, 4))
    store32be(SAVED + at + 8, load<u32>(c, 8))
    kwWrap(KEY, 32, c + 16, 32, SAVED + at + 12)
    at += 52
  }
  wipe(KEY, 32)
  if (at === 0) battery_zeroize(BATTERY_ACTIVATION)
  else battery_write(BATTERY_ACTIVATION, SAVED, <i32>at)
  flash_sync()
}

/** The policy was switched: what it no longer allows is forgotten. */
export function activationPolicyChanged(partition: u32): void {
  if (partitionPolicy(partition, POLICY_ACTIVATION) === 0) deactivate(partition, -1)
  else saveActivation()
}

/** Power-up: takes back what the battery kept. Rows that do not fit the partitions of today are dropped. */
export function activationLoad(): void {
  wipe(CACHE, ROWS * <i32>ROW)
  const n = battery_read(BATTERY_ACTIVATION, SAVED, BATTERY_ACTIVATION_SIZE)
  if (n <= 0) return
  activationKey(serialBytes(), KEY)
  let next = 0
  for (let at: usize = 0; at + 52 <= <usize>n && next < ROWS; at += 52) {
    const partition = load32be(SAVED + at)
    const role = load32be(SAVED + at + 4)
    if (partition > <u32>MAX_PARTITIONS || role > <u32>ROLE_CRYPTO_USER) continue
    if (load32be(partitionRow(partition) + P_USED) === 0) continue
    if (epochOf(partition) !== load32be(SAVED + at + 8)) continue
    const c = cacheRow(next)
    if (!kwUnwrap(KEY, 32, SAVED + at + 12, 40, c + 16)) continue
    store<u32>(c, partition)
    store<u32>(c, role, 4)
    store<u32>(c, epochOf(partition), 8)
    store<u32>(c, 1, 12)
    next++
  }
  wipe(KEY, 32)
}

/** Error state: what is in memory goes, what the battery keeps stays for the next power-up. */
export function activationForget(): void {
  wipe(CACHE, ROWS * <i32>ROW)
}

/** Zeroize and tamper. */
export function activationClear(): void {
  activationForget()
  battery_zeroize(BATTERY_ACTIVATION)
}
