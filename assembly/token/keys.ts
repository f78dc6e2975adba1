// The key hierarchy (OBC-1 §6.1): what is derived from the battery-backed keys, and how a PIN opens a role.

import { KEY_FK, KEY_KEK, KEY_MTK, KEY_RSK } from '../arena'
import { kdf, pbkdf2 } from '../crypto/kdf'
import { HASH_SHA512 } from '../crypto/sha2'
import { store32be, wipe } from '../crypto/util'
import { ROLE_AUDITOR } from '../protocol'
import {
  L_ACTIVATION,
  L_ACTIVATION_LENGTH,
  L_CHALLENGE,
  L_CHALLENGE_LENGTH,
  L_DOMAIN,
  L_DOMAIN_LENGTH,
  L_FACTORY,
  L_FACTORY_LENGTH,
  L_PED_PIN,
  L_PED_PIN_LENGTH,
  L_ROLE,
  L_ROLE_LENGTH,
  L_ROOT,
  L_ROOT_LENGTH,
  L_TEXT_DOMAIN,
  L_TEXT_DOMAIN_LENGTH,
} from './labels'

/** Iterations for passwords and text domains (OBC-1 §4, §6.1). */
const ITERATIONS: i32 = 50000

const KEYS: usize = memory.data(64, 16)
const CONTEXT: usize = memory.data(128, 16)

/** FK from the MTK alone: it survives zeroization. `serial` points at its 8 bytes. */
export function deriveFactoryKey(serial: usize): void {
  kdf(KEY_MTK, 32, L_FACTORY, L_FACTORY_LENGTH, serial, 8, KEY_FK, 32)
}

// KEK ∥ MTK is a key only for the length of one derivation.
function joinKeys(): void {
  memory.copy(KEYS, KEY_KEK, 32)
  memory.copy(KEYS + 32, KEY_MTK, 32)
}

/** RSK ∥ RAK. */
export function deriveRootKeys(serial: usize): void {
  joinKeys()
  kdf(KEYS, 64, L_ROOT, L_ROOT_LENGTH, serial, 8, KEY_RSK, 80)
  wipe(KEYS, 64)
}

/** 48-byte PinKey of a password. */
export function pinKeyOfPassword(password: usize, length: i32, salt: usize, out: usize): void {
  pbkdf2(HASH_SHA512, password, length, salt, 32, ITERATIONS, out, 48)
}

/** 48-byte PinKey of a 48-byte PED secret. */
export function pinKeyOfPed(secret: usize, salt: usize, out: usize): void {
  kdf(secret, 48, L_PED_PIN, L_PED_PIN_LENGTH, salt, 32, out, 48)
}

function place(serial: usize, partition: u32, role: i32, epoch: u32, pinKey: usize): void {
  memory.copy(CONTEXT, serial, 8)
  store32be(CONTEXT + 8, partition)
  store<u8>(CONTEXT + 12, <u8>role)
  store32be(CONTEXT + 13, epoch)
  memory.copy(CONTEXT + 17, pinKey, 48)
}

function placeKey(
  label: usize,
  labelLength: i32,
  serial: usize,
  partition: u32,
  role: i32,
  epoch: u32,
  pinKey: usize,
  out: usize,
): void {
  place(serial, partition, role, epoch, pinKey)
  joinKeys()
  kdf(KEYS, 64, label, labelLength, CONTEXT, 65, out, 32)
  wipe(KEYS, 64)
  wipe(CONTEXT, 128)
}

/**
 * RoleKEK: opens the partition storage key for one role. The auditor's comes from FK in the place of the KEK and knows no epoch, for
 * that role survives zeroization (SPEC.md §6.5).
 */
export function roleKey(serial: usize, partition: u32, role: i32, epoch: u32, pinKey: usize, out: usize): void {
  if (role === ROLE_AUDITOR) {
    memory.copy(KEYS, KEY_FK, 32)
    memory.copy(KEYS + 32, KEY_MTK, 32)
    place(serial, partition, role, 0, pinKey)
    kdf(KEYS, 64, L_ROLE, L_ROLE_LENGTH, CONTEXT, 65, out, 32)
    wipe(KEYS, 64)
    wipe(CONTEXT, 128)
    return
  }
  placeKey(L_ROLE, L_ROLE_LENGTH, serial, partition, role, epoch, pinKey, out)
}

/** The key that a challenge secret opens its check value with; it opens no data. */
export function challengeKey(serial: usize, partition: u32, role: i32, epoch: u32, pinKey: usize, out: usize): void {
  placeKey(L_CHALLENGE, L_CHALLENGE_LENGTH, serial, partition, role, epoch, pinKey, out)
}

/** Wraps what auto-activation keeps in battery-backed memory. */
export function activationKey(serial: usize, out: usize): void {
  joinKeys()
  kdf(KEYS, 64, L_ACTIVATION, L_ACTIVATION_LENGTH, serial, 8, out, 32)
  wipe(KEYS, 64)
}

/** Domain vector of a text domain: a fixed salt, because two tokens must get the same value without talking (OBC-1 §4). */
export function textDomainVector(text: usize, length: i32, out: usize): void {
  pbkdf2(HASH_SHA512, text, length, L_TEXT_DOMAIN, L_TEXT_DOMAIN_LENGTH, ITERATIONS, out, 48)
}

/** DK: the type byte keeps a red key and a text string from ever matching. */
export function domainKey(vector: usize, type: i32, out: usize): void {
  store<u8>(CONTEXT, <u8>type)
  kdf(vector, 48, L_DOMAIN, L_DOMAIN_LENGTH, CONTEXT, 1, out, 48)
}
