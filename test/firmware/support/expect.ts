// What a test expects of a command: a return code by its row in protocol.ts.
import * as assert from 'uvu/assert'
import { RC_OK } from '../../../assembly/protocol.js'
import { reasonOf, TokenError } from '../../../host/client/index.js'

/** The return code of a command; anything but an answer of the token rejects. */
export async function codeOf(command: Promise<unknown>): Promise<number> {
  try {
    await command
    return RC_OK
  } catch (error) {
    if (error instanceof TokenError) return error.rc
    throw error
  }
}

/** Asserts that the token refuses with exactly this code. */
export async function refuses(rc: number, command: Promise<unknown>, what?: string): Promise<void> {
  assert.is(reasonOf(await codeOf(command)), reasonOf(rc), what)
}
