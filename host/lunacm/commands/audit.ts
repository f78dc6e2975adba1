import { ADMIN_PARTITION, AUDIT_ALL, AUDIT_BATCH, RC_LOG_BAD_RECORD_HMAC } from '../../../assembly/protocol.js'
import { type AuditBlock, decodeAuditRecord, type TokenClient } from '../../client/index.js'
import type { Args } from '../args.js'
import { encodeAuditFile, readAuditFile, readHostFile, writeHostFile } from '../audit-file.js'
import { maskWords, parseMask, recordWords } from '../audit-words.js'
import { type Command, type OptionSpec, word } from '../command.js'
import type { Context } from '../context.js'
import { badLine, refusal } from '../errors.js'
import { literals } from '../literals.js'
import { phrases } from '../phrases.js'
import { force } from './options.js'

const group = word('audit', 'a')
const login = 'Auditor'

const overwrite: OptionSpec = { name: 'overwrite', short: ['o'], kind: 'flag', help: 'Overwrite the file if it exists' }
const fileOption = (required: boolean, help: string): OptionSpec => ({
  name: 'file',
  short: ['f'],
  kind: 'text',
  required,
  value: '<file>',
  help,
})

type Work = (client: TokenClient, session: number, args: Args) => Promise<void>

/** Runs work in the shell's session on the HSM of the current slot. */
async function asAuditor(context: Context, args: Args, work: Work): Promise<void> {
  const slot = await context.current()
  const { handle } = await context.session(slot, ADMIN_PARTITION)
  await work(slot.client, handle, args)
}

const config: Command = {
  words: [group, word('config', 'c')],
  options: [
    {
      name: 'evmask',
      short: ['e'],
      kind: 'text',
      value: '<f,s,a,m,k,u,x,g,l,n>',
      help: 'What is logged: [f]ailure, [s]uccess, [a]ccess, [m]anage, [k]eymanage, [u]sage, e[x]ternal, lo[g]manage, a[l]l, [n]one',
    },
    { name: 'get', short: ['g'], kind: 'flag', help: 'Show what is logged' },
    force,
  ],
  login,
  help: 'Choose the events that are logged',
  run: (context, args) =>
    asAuditor(context, args, async (client, session) => {
      const text = args.text('evmask')
      if (text !== undefined) {
        const parsed = parseMask(text)
        if ('bad' in parsed) throw badLine(literals.badMask, parsed.bad)
        if (parsed.mask === AUDIT_ALL) await context.output.confirm(args.has('force'), literals.auditLogsAll)
        await client.audit.configure(session, parsed.mask)
      } else if (!args.has('get')) throw badLine(literals.oneOf, 'evmask', 'get')
      const { letters, names } = maskWords((await client.audit.status()).mask)
      context.output.paragraph(literals.auditMask, letters, names)
    }),
}

const status: Command = {
  words: [group, word('status', 's')],
  options: [],
  help: 'Show the state of the audit log',
  async run(context) {
    const slot = await context.current()
    const { initialized, domain, mask, oldest, last, free, capacity, imported } = await slot.client.audit.status()
    const yesNo = (value: boolean) => (value ? phrases.yes : phrases.no).text()
    context.output.gap()
    context.output.say(literals.auditState, [
      ['Audit role initialized', yesNo(initialized)],
      ['Domain set', yesNo(domain)],
      ['Events', maskWords(mask).letters],
      ['Records', oldest > last ? '0' : `${oldest} to ${last}`],
      ['Room', `${free} of ${capacity} records`],
      ['Imported log secret', imported === 0n ? phrases.authNone.text() : String(imported)],
    ])
  },
}

/** All records from a number on. */
async function readFrom(client: TokenClient, session: number, from: bigint): Promise<AuditBlock> {
  const first = await client.audit.read(session, from)
  const records = [...first.records]
  for (let more = first.records; more.length > 0; ) {
    const last = more.at(-1)
    more = last ? (await client.audit.read(session, decodeAuditRecord(last).sequence + 1n)).records : []
    records.push(...more)
  }
  return { previous: first.previous, records }
}

const startOption: OptionSpec = {
  name: 'start',
  short: ['st'],
  kind: 'number',
  value: '<number>',
  help: 'First record, the oldest unless given',
}

const list: Command = {
  words: [group, word('log', 'l'), word('list', 'l')],
  options: [startOption],
  login,
  help: 'List the records of the audit log',
  run: (context, args) =>
    asAuditor(context, args, async (client, session) => {
      const { records } = await readFrom(client, session, BigInt(args.number('start') ?? 1))
      context.output.gap()
      if (records.length === 0) context.output.say(literals.auditEmpty)
      for (const record of records) context.output.say(literals.auditRow, recordWords(record))
    }),
}

const exportLog: Command = {
  words: [group, word('log', 'l'), word('export', 'e')],
  options: [fileOption(true, 'File to write the records to'), startOption, overwrite],
  login,
  help: 'Write the records of the audit log to a file',
  run: (context, args) =>
    asAuditor(context, args, async (client, session) => {
      const block = await readFrom(client, session, BigInt(args.number('start') ?? 1))
      const { serial } = await client.status()
      const path = args.requiredText('file')
      if (block.records.length === 0) {
        context.output.paragraph(literals.auditEmpty)
        return
      }
      await writeHostFile(path, encodeAuditFile({ serial, block }, recordWords), args.has('overwrite'))
      context.output.paragraph(literals.auditWritten, block.records.length, path)
    }),
}

const clear: Command = {
  words: [group, word('log', 'l'), word('clear', 'c')],
  options: [
    {
      name: 'end',
      short: ['en'],
      kind: 'number',
      value: '<number>',
      help: 'Last record to give up, the last one unless given',
    },
    force,
  ],
  login,
  help: 'Give up records, so that their room is used again',
  run: (context, args) =>
    asAuditor(context, args, async (client, session) => {
      const through = BigInt(args.number('end') ?? (await client.audit.status()).last)
      await context.output.confirm(args.has('force'), literals.aboutToClearLog, through)
      await client.audit.clear(session, through)
    }),
}

const verify: Command = {
  words: [group, word('verify', 'v')],
  options: [fileOption(true, 'An exported log')],
  login,
  help: 'Verify an exported log of this HSM, or of one whose log secret was imported',
  run: (context, args) =>
    asAuditor(context, args, async (client, session) => {
      const { serial, block } = await readAuditFile(args.requiredText('file'))
      const numberOf = (record: Uint8Array | undefined) => (record ? decodeAuditRecord(record).sequence : 0n)
      let { previous } = block
      for (let at = 0; at < block.records.length; at += AUDIT_BATCH) {
        const records = block.records.slice(at, at + AUDIT_BATCH)
        const good = await client.audit.verify(session, serial, { previous, records })
        if (good < records.length) throw refusal(RC_LOG_BAD_RECORD_HMAC, literals.notVerified, numberOf(records[good]))
        previous = records.at(-1)?.slice(-previous.length) ?? previous
      }
      const [first, last] = [block.records[0], block.records.at(-1)]
      context.output.paragraph(literals.verifiedMessages, numberOf(first), numberOf(last))
    }),
}

/** `LogSecret_170222131119_532018.lws`, the documented name. */
function secretName(serial: bigint): string {
  const digits = new Date().toISOString().replace(/\D/g, '')
  return `LogSecret_${digits.slice(2, 14)}_${serial}.lws`
}

const exportSecret: Command = {
  words: [group, word('export', 'e')],
  options: [fileOption(false, 'File for the wrapped log secret, named after date and HSM unless given'), overwrite],
  login,
  help: 'Write the wrapped log secret to a file, for another HSM of the domain',
  run: (context, args) =>
    asAuditor(context, args, async (client, session) => {
      const secret = await client.audit.exportSecret(session)
      const path = args.text('file') ?? secretName((await client.status()).serial)
      await writeHostFile(path, secret, args.has('overwrite'))
      context.output.paragraph(literals.secretExported, path)
    }),
}

const importSecret: Command = {
  words: [group, word('import', 'm')],
  options: [fileOption(true, 'A wrapped log secret')],
  login,
  help: 'Take the log secret of another HSM, to verify its log until the Auditor logs out',
  run: (context, args) =>
    asAuditor(context, args, async (client, session) => {
      await client.audit.importSecret(session, await readHostFile(args.requiredText('file')))
      context.output.paragraph(literals.secretImported, (await client.audit.status()).imported)
    }),
}

const logmsg: Command = {
  words: [group, word('logmsg', 'logm')],
  options: [
    { name: 'message', short: ['m'], kind: 'words', required: true, value: '<text>', help: 'Text, at most 48 bytes' },
  ],
  login,
  help: 'Write a message to the audit log',
  run: (context, args) =>
    asAuditor(context, args, (client, session) => client.audit.message(session, args.requiredText('message'))),
}

export const auditCommands: readonly Command[] = [
  config,
  status,
  list,
  exportLog,
  clear,
  verify,
  exportSecret,
  importSecret,
  logmsg,
]
