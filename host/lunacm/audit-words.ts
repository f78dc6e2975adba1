import * as protocol from '../../assembly/protocol.js'
import { ckrName, ckrOf, decodeAuditRecord } from '../client/index.js'
import { roleName } from './roles.js'

/** The letters that `evmask` takes (vendor documentation), and the bits they stand for. */
const LETTERS: readonly (readonly [letter: string, mask: number, name: string])[] = [
  ['f', protocol.AUDIT_FAILURE, 'failure'],
  ['s', protocol.AUDIT_SUCCESS, 'success'],
  ['a', protocol.AUDIT_ACCESS, 'access'],
  ['m', protocol.AUDIT_MANAGE, 'manage'],
  ['k', protocol.AUDIT_KEY_MANAGE, 'keymanage'],
  ['u', protocol.AUDIT_USAGE, 'usage'],
  ['x', protocol.AUDIT_EXTERNAL, 'external'],
  ['g', protocol.AUDIT_LOG_MANAGE, 'logmanage'],
]
const ALL = ['l', 'all']
const NONE = ['n', 'none']

/** `f,s,a` as bits; undefined with the part that is none. */
export function parseMask(text: string): { mask: number } | { bad: string } {
  let mask = 0
  for (const part of text.split(',').map((one) => one.trim().toLowerCase())) {
    const known = LETTERS.find(([letter, , name]) => part === letter || part === name)
    if (known) mask |= known[1]
    else if (ALL.includes(part)) mask |= protocol.AUDIT_ALL
    else if (!NONE.includes(part)) return { bad: part }
  }
  return { mask }
}

export function maskWords(mask: number): { letters: string; names: string } {
  const set = LETTERS.filter(([, bit]) => (mask & bit) !== 0)
  return { letters: set.map(([letter]) => letter).join(',') || 'n', names: set.map(([, , name]) => name).join(', ') }
}

const COMMANDS = new Map<number, string>(
  Object.entries(protocol).flatMap(([name, value]) =>
    name.startsWith('CMD_') ? [[value, name.slice('CMD_'.length)] as const] : [],
  ),
)

/** A record as one line for people. */
export function recordWords(bytes: Uint8Array): string {
  const record = decodeAuditRecord(bytes)
  const { sequence, time, serial, command, result, partition, actor, role, subject, value, client, text } = record
  const when = time === 0n ? '-' : new Date(Number(time) * 1000).toISOString().replace('.000', '')
  const what = command === protocol.AUDIT_POWER_UP ? 'POWER_UP' : (COMMANDS.get(command) ?? `0x${command.toString(16)}`)
  const who = actor === protocol.ROLE_NONE ? '-' : roleName(actor)
  const words = [String(sequence), when, what, result === protocol.RC_OK ? 'OK' : ckrName(ckrOf(result))]
  words.push(`HSM ${serial}`, `partition ${partition}`, `by ${who}`)
  if (role !== protocol.ROLE_NONE) words.push(`role ${roleName(role)}`)
  if (subject !== 0 || value !== 0) words.push(`${subject}/${value}`)
  if (text !== '') words.push(JSON.stringify(text))
  return [...words, client].join(', ')
}
