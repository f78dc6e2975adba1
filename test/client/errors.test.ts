import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { ckrByName, ckrName, ckrOf, reasonOf, TokenError } from '../../host/client/index.js'

const test = suite('client errors')

// Published values (PKCS#11 and the vendor's header), written out here on purpose: the table is built from our own names.
const published: readonly [number, string, number][] = [
  [protocol.RC_OK, 'CKR_OK', 0],
  [protocol.RC_PIN_INCORRECT, 'CKR_PIN_INCORRECT', 0xa0],
  [protocol.RC_PIN_INCORRECT_LOCKED, 'CKR_PIN_INCORRECT', 0xa0],
  [protocol.RC_PIN_INCORRECT_ZEROIZED, 'CKR_PIN_INCORRECT', 0xa0],
  [protocol.RC_USER_NOT_LOGGED_IN, 'CKR_USER_NOT_LOGGED_IN', 0x101],
  [protocol.RC_FRAME_MALFORMED, 'CKR_ARGUMENTS_BAD', 0x7],
  [protocol.RC_COMMAND_NON_BACKUP, 'CKR_FUNCTION_NOT_SUPPORTED', 0x54],
  [protocol.RC_POLICY_VALUE_INVALID, 'CKR_DATA_INVALID', 0x20],
  [protocol.RC_STORAGE_INTEGRITY, 'CKR_DEVICE_ERROR', 0x30],
  [protocol.RC_POLICY_ID_INVALID, 'CKR_POLICY_ID_INVALID', 0x8000007b],
  [protocol.RC_CERTIFICATE_DATA_INVALID, 'CKR_CERTIFICATE_DATA_INVALID', 0x8000000b],
  [protocol.RC_CONTAINER_STORAGE_FULL, 'CKR_CONTAINER_OBJECT_STORAGE_FULL', 0x8000002c],
  [protocol.RC_CLONE_FAILED, 'CKR_FAILED_TO_CLONE_AN_OBJECT', 0x80000106],
  [protocol.RC_NEGOTIATION_NO_PSK, 'CKR_SESSION_NEGOTIATION_NO_PSK', 0x80000108],
]

test('return codes have their published names and values', () => {
  for (const [rc, name, value] of published) {
    const error = new TokenError(rc, protocol.CMD_STATUS)
    assert.is(error.code, name)
    assert.is(error.ckr, value)
    assert.is(ckrName(value), name)
    assert.is(ckrByName(name), value)
  }
})

test('every return code of the table has a name of its own', () => {
  const codes = Object.entries(protocol).filter(([key]) => key.startsWith('RC_') && key !== 'RC_PARKED')
  assert.ok(codes.length > 80)
  assert.is(new Set(codes.map(([, rc]) => rc)).size, codes.length)
  for (const [key, rc] of codes) {
    assert.is(`RC_${reasonOf(rc)}`, key)
    assert.not.match(ckrName(ckrOf(rc)), /0x/, key)
  }
})

test('an unknown code is shown as a number', () => {
  const error = new TokenError(0x7abc0001, protocol.CMD_STATUS)
  assert.is(error.code, 'CKR_0x7abc')
  assert.is(error.reason, '0x7abc0001')
  assert.is(ckrByName('CKR_NO_SUCH_NAME'), undefined)
})

test('the refinement is in the message once', () => {
  assert.is(new TokenError(protocol.RC_PIN_INCORRECT, 1).message, 'the token answered CKR_PIN_INCORRECT')
  assert.match(
    new TokenError(protocol.RC_PIN_INCORRECT_LOCKED, 1).message,
    /CKR_PIN_INCORRECT \(PIN_INCORRECT_LOCKED\)$/,
  )
})

test.run()
