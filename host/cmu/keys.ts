// generatekeypair, list, delete, getattribute, setattribute.

import * as protocol from '../../assembly/protocol.js'
import { type Attribute, type AttributeAnswer, attribute, TokenError } from '../client/index.js'
import type { CmuArguments } from './arguments.js'
import {
  ATTRIBUTES,
  attributeNamed,
  CLASSES,
  givenAttributes,
  KEY_TYPES,
  type KnownAttribute,
  shown,
  valueIn,
} from './attributes.js'
import { CmuError } from './errors.js'
import { literals } from './literals.js'
import { type CmuToken, objectFrom } from './token.js'

/** Curves by their numbers and names in `-curveType`. */
const CURVES: Readonly<Record<string, string>> = {
  '3': '06082a8648ce3d030107',
  nistp256: '06082a8648ce3d030107',
  '4': '06052b81040022',
  nistp384: '06052b81040022',
  '5': '06052b81040023',
  nistp521: '06052b81040023',
  secp256k1: '06052b8104000a',
}
const PUBLIC_USAGES = ['encrypt', 'verify', 'wrap']
const PRIVATE_USAGES = ['decrypt', 'sign', 'unwrap', 'derive', 'extractable']
const BOTH = ['modifiable', 'id']

/** Bytes of a number without leading zeros. */
function bigEndian(value: number): Buffer {
  const hex = value.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
}

function kindOfPair(args: CmuArguments): { mechanism: number; own: Attribute[] } {
  const keyType = valueIn(KEY_TYPES, 'keyType', args.text('keyType') ?? 'rsa')
  if (keyType === protocol.CKK_RSA) {
    const bits = args.number('modulusBits') ?? 2048
    const exponent = args.number('publicExponent') ?? 65537
    const own = [
      attribute.ulong(protocol.CKA_MODULUS_BITS, bits),
      attribute.bytes(protocol.CKA_PUBLIC_EXPONENT, bigEndian(exponent)),
    ]
    return { mechanism: protocol.CKM_RSA_PKCS_KEY_PAIR_GEN, own }
  }
  if (keyType !== protocol.CKK_EC) throw new CmuError('CMU_USAGE', 'key pairs are RSA or ECDSA')
  const curve = CURVES[args.needed('curveType').toLowerCase()]
  if (curve === undefined) {
    throw new CmuError('CMU_USAGE', "Option '-curveType' is 3 (NISTP256), 4 (NISTP384), 5 (NISTP521) or secp256k1")
  }
  const own = [attribute.bytes(protocol.CKA_EC_PARAMS, Buffer.from(curve, 'hex'))]
  return { mechanism: protocol.CKM_EC_KEY_PAIR_GEN, own }
}

export function generateKeyPair(args: CmuArguments): (token: CmuToken) => Promise<void> {
  const { mechanism, own } = kindOfPair(args)
  const label = args.text('label')
  const labelled = (name: string): Attribute[] => {
    const text = args.text(name) ?? label
    return text === undefined ? [] : [attribute.text(protocol.CKA_LABEL, text)]
  }
  const lasting = [attribute.bool(protocol.CKA_TOKEN, true), ...givenAttributes(args, BOTH)]
  const open = [...own, ...lasting, ...labelled('labelPublic'), ...givenAttributes(args, PUBLIC_USAGES)]
  const secret = [...lasting, ...labelled('labelPrivate'), ...givenAttributes(args, PRIVATE_USAGES)]
  return async ({ client, session, io }) => {
    const pair = await client.objects.generatePair(session, mechanism, open, secret)
    io.print(literals.pairMade(pair.publicKey, pair.privateKey))
  }
}

const INDEX = 'index'

export function list(args: CmuArguments): (token: CmuToken) => Promise<void> {
  const wanted: Attribute[] = [...givenAttributes(args, ['label', 'id'])]
  const [objectClass, keyType] = [args.text('class'), args.text('keyType')]
  if (objectClass) wanted.push(attribute.ulong(protocol.CKA_CLASS, valueIn(CLASSES, 'class', objectClass)))
  if (keyType) wanted.push(attribute.ulong(protocol.CKA_KEY_TYPE, valueIn(KEY_TYPES, 'keyType', keyType)))
  const names = (args.text('display') ?? 'handle,label').split(',')
  const columns = names.map((name) =>
    ['handle', INDEX].includes(name.toLowerCase()) ? name.toLowerCase() : attributeNamed(name),
  )
  return async ({ client, session, io }) => {
    const rows = await client.objects.list(session, wanted)
    rows.sort((a, b) => a.handle - b.handle)
    const types = columns.flatMap((column) => (typeof column === 'string' ? [] : [column.type]))
    for (const [index, { handle }] of rows.entries()) {
      const values = await client.objects.get(session, handle, types)
      const fields = columns.map((column): [string, string] => {
        if (typeof column === 'string') return [column, String(column === INDEX ? index : handle)]
        return [column.name, textOf(column, values)]
      })
      io.print(literals.row(fields))
    }
  }
}

function textOf(column: KnownAttribute, values: readonly AttributeAnswer[]): string {
  const row = values.find(({ type }) => type === column.type)
  if (!row || row.code !== protocol.RC_OK) {
    return row?.code === protocol.RC_ATTRIBUTE_SENSITIVE ? '<sensitive>' : ''
  }
  return shown(column, row.value)
}

export function destroy(args: CmuArguments): (token: CmuToken) => Promise<void> {
  const force = args.flag('force') === true
  const find = objectFrom(args)
  return async (token) => {
    const handle = await find(token)
    const { client, session, io } = token
    if (!force) {
      const answer = (await io.ask(literals.sure(handle), { masked: false }))?.trim().toLowerCase()
      if (answer !== 'y' && answer !== 'yes') throw new CmuError('CMU_CANCELLED', 'nothing was deleted')
    }
    const [code = protocol.RC_OBJECT_HANDLE_INVALID] = await client.objects.destroy(session, [handle])
    if (code !== protocol.RC_OK) throw new TokenError(code, protocol.CMD_OBJECT_DESTROY)
    io.print(literals.deleted(handle))
  }
}

export function getAttribute(args: CmuArguments): (token: CmuToken) => Promise<void> {
  const named = args.text('attributes')?.split(',').map(attributeNamed)
  const find = objectFrom(args)
  return async (token) => {
    const { client, session, io } = token
    const handle = await find(token)
    const columns = named ?? ATTRIBUTES
    const values = await client.objects.get(
      session,
      handle,
      columns.map(({ type }) => type),
    )
    for (const column of columns) {
      const text = textOf(column, values)
      if (text !== '' || named) io.print(literals.row([[column.name, text]]))
    }
  }
}

/** What may be changed on an object; the token decides. */
const CHANGED = [
  ...['label', 'id', 'subject', 'startDate', 'endDate', 'sensitive', 'extractable', 'modifiable', 'private'],
  ...['encrypt', 'decrypt', 'sign', 'verify', 'wrap', 'unwrap', 'derive'],
]

export function setAttribute(args: CmuArguments): (token: CmuToken) => Promise<void> {
  const changes = givenAttributes(args, CHANGED)
  if (changes.length === 0) throw new CmuError('CMU_USAGE', 'no attribute is given: -label=..., -sign=0, ...')
  const find = objectFrom(args)
  return async (token) => {
    const handle = await find(token)
    await token.client.objects.set(token.session, handle, changes)
    token.io.print(literals.changed(handle))
  }
}
