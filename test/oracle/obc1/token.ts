// What both state machines know of themselves and check of their peer: OBC-1 §5.6.
import { randomBytes } from 'node:crypto'
import * as protocol from '../../../assembly/protocol.js'
import { certifiedKey, chainFault } from './certificates.js'
import { domainKey } from './crypto.js'
import { expand, extract, type SessionKeys } from './key-schedule.js'
import { type Identity, must } from './messages.js'
import { ecdh, isValidPoint } from './p384.js'

export interface Domain {
  /** 48 bytes. */
  vector: Buffer
  /** RED_KEY or TEXT. */
  type: number
}

/** One partition of a token. Policies, log-in, idle time and the flash store are not modelled. */
export interface Token extends Identity {
  /** Private key of the TWC. */
  tuk: Buffer
  /** Public key that the chain must end in. */
  root: Buffer
  /** Seconds, 0 = not set. */
  clock: bigint
  domains: Domain[]
}

/** Bytes for a session; the name says what they are for, so that the known answers can put theirs in. */
export type RandomSource = (name: string, length: number) => Buffer
export const fresh: RandomSource = (_name, length) => randomBytes(length)

export function checkPeer(own: Token, peer: Identity & { eph: Buffer }): void {
  must(own.domains.length > 0, 'no domain', protocol.RC_CLONING_PARAMETER_MISSING)
  const wrong = chainFault({ hoc: peer.hoc, twc: peer.twc, serial: peer.serial, root: own.root, clock: own.clock })
  must(!wrong, `certificate: ${wrong}`, protocol.RC_NEGOTIATION_NO_ROOTS)
  must(isValidPoint(peer.eph), 'ephemeral key')
  const samePlace = peer.serial === own.serial && peer.partition === own.partition
  must(!samePlace, 'source and target are the same partition')
}

/** One set of session keys per own domain; the ephemeral private key does not outlive this. */
export function agree(own: Token, ephemeralKey: Buffer, peer: Identity & { eph: Buffer }, th: Buffer): SessionKeys[] {
  const ze = ecdh(ephemeralKey, peer.eph)
  const zs = ecdh(own.tuk, certifiedKey(peer.twc))
  const sets = own.domains.map(({ vector, type }) => expand(extract({ th, ze, zs, dk: domainKey(vector, type) }), th))
  for (const secret of [ze, zs, ephemeralKey]) secret.fill(0)
  return sets
}
