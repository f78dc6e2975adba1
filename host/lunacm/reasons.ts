/** What a refusal of the token means, by the row of its return code table (RC_…). Our own words: rank I. */
const REASONS: Readonly<Record<string, string>> = {
  PIN_INCORRECT_LOCKED: 'The role is locked out.',
  PIN_INCORRECT_ZEROIZED: 'Too many failed logins: the contents have been zeroized.',
  PIN_LOCKED: 'The role is locked out.',
  PIN_EXPIRED: "The role's secret was made by somebody else: change it first, with 'role changepw'.",
  USER_PIN_NOT_INITIALIZED: 'The role is not initialized.',
  PED_BUSY: 'Another command is waiting for the PED.',
  STORAGE_INTEGRITY: 'The HSM refuses its flash: it was changed or put back from an older copy.',
  STORAGE_VERSION: 'The flash of the HSM was written by a newer version.',
  ERROR_STATE: 'The HSM is in its error state: it answers for its status only.',
  NOT_MANUFACTURED: 'The HSM has not been manufactured.',
  LOG_FULL: 'The audit log is full: the Auditor has to export and clear it.',
  COMMAND_NON_BACKUP: 'A Backup HSM does not allow this command.',
  PED_UNPLUGGED: 'The HSM has no PED connection.',
}

const SELF_TEST = /^SELF_TEST_/

/** One sentence for a row of the table, undefined where its name has to do. */
export function reasonText(reason: string): string | undefined {
  return REASONS[reason] ?? (SELF_TEST.test(reason) ? 'The HSM has failed a self-test.' : undefined)
}
