// Crypt commands: which of them does what, and the list of mechanisms.

import { AES_CTX } from '../crypto/aes'
import { store16be, wipe } from '../crypto/util'
import {
  CMD_AEAD_PART,
  CMD_DECRYPT,
  CMD_DERIVE,
  CMD_ENCRYPT,
  CMD_MECHANISM_LIST,
  CMD_MESSAGE_NONCE,
  CMD_MESSAGE_SEAL,
  CMD_PART,
  CMD_SIGN,
  CMD_UNWRAP,
  CMD_VERIFY,
  CMD_WRAP,
  HSM_POLICY_FULL_FUNCTION,
  RC_COMMAND_NON_BACKUP,
  RC_FRAME_MALFORMED,
  RC_FUNCTION_NOT_SUPPORTED,
  RC_OK,
  RC_TOKEN_NOT_RECOGNIZED,
  STATE_FUNCTIONAL,
} from '../protocol'
import { mechanismCount, rowAt } from '../token/mechanism-table'
import { rowFlags } from '../token/mechanisms'
import { hsmPolicy } from '../token/policies'
import { purposesOf } from '../token/purposes'
import { wipeRsa } from '../token/rsa'
import { isBackup, state } from '../token/state'
import { here, hereIsAdmin } from './context'
import { decrypt, encrypt } from './crypt-cipher'
import { derive } from './crypt-derive'
import { wipeMac } from './crypt-mac'
import { messageNonce, messageSeal } from './crypt-message'
import { CTX } from './crypt-operation'
import { part, wipeParts } from './crypt-part'
import { sign, verify } from './crypt-sign'
import { wipeStates } from './crypt-state'
import { aeadPart, wipeStream } from './crypt-stream'
import { usageBegin, usageEnd } from './crypt-usage'
import { unwrap, wrap } from './crypt-wrap'
import { readDone, write32, writeSkip } from './frame'

export function cryptCommand(command: u32): u32 {
  if (command === CMD_MECHANISM_LIST) return list()
  if (state() !== STATE_FUNCTIONAL) return RC_TOKEN_NOT_RECOGNIZED
  if (isBackup() || hsmPolicy(HSM_POLICY_FULL_FUNCTION) === 0) return RC_COMMAND_NON_BACKUP
  let rc: u32 = RC_FUNCTION_NOT_SUPPORTED
  usageBegin()
  purposesOf(here(), !hereIsAdmin())
  if (command === CMD_SIGN) rc = sign()
  else if (command === CMD_VERIFY) rc = verify()
  else if (command === CMD_ENCRYPT) rc = encrypt()
  else if (command === CMD_DECRYPT) rc = decrypt()
  else if (command === CMD_WRAP) rc = wrap()
  else if (command === CMD_UNWRAP) rc = unwrap()
  else if (command === CMD_PART) rc = part()
  else if (command === CMD_DERIVE) rc = derive()
  else if (command === CMD_MESSAGE_NONCE) rc = messageNonce()
  else if (command === CMD_MESSAGE_SEAL) rc = messageSeal()
  else if (command === CMD_AEAD_PART) rc = aeadPart()
  rc = usageEnd(command, rc)
  wipe(CTX, AES_CTX)
  wipeRsa()
  wipeMac()
  wipeParts()
  wipeStates()
  wipeStream()
  return rc
}

/** A backup device has no mechanisms of its own. */
function list(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  const n = isBackup() ? 0 : mechanismCount()
  const start = writeSkip(2)
  let listed: u32 = 0
  for (let i = 0; i < n; i++) {
    const flags = rowFlags(i)
    if (flags === 0) continue
    const row = rowAt(i)
    write32(row.number)
    write32(row.least)
    write32(row.greatest)
    write32(flags)
    listed++
  }
  store16be(start, listed)
  return RC_OK
}
