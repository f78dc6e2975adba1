import { backupSlot, enterContainer, requireContainer } from '../backup-slot.js'
import { type Command, word } from '../command.js'
import { givenAway } from '../information.js'
import { literals } from '../literals.js'
import { secretOption } from '../login.js'
import { sayContents } from '../object-list.js'
import { Visit } from '../visit.js'
import { archiveBackup } from './archive-backup.js'
import { archiveRestore } from './archive-restore.js'
import { force, partitionOption, passwordOption, slotOption } from './options.js'

const [group, archive] = [word('partition', 'par'), word('archive', 'ar')]
const onBackup = slotOption(true, 'Slot of the Backup HSM')

const list: Command = {
  words: [group, archive, word('list', 'l')],
  options: [onBackup],
  help: 'List the partitions on a Backup HSM',
  async run(context, args) {
    const { output } = context
    const slot = await backupSlot(context, args.requiredNumber('slot'))
    const hsm = await slot.client.hsm.info()
    const partitions = await slot.client.partitions.list()
    output.paragraph(literals.hsmStorageOf, slot.id)
    output.paragraph(literals.hsmStorage, hsm.total, givenAway(hsm), hsm.free, hsm.maxPartitions, hsm.partitions)
    output.paragraph(literals.partitionList, slot.id)
    output.paragraph(literals.partitionCount, partitions.length)
    for (const { label, total, used, objects } of partitions) {
      output.paragraph(literals.partitionRow, label, total, used, total - used, objects)
    }
  },
}

const contents: Command = {
  words: [group, archive, word('contents', 'c')],
  options: [onBackup, partitionOption, passwordOption('Password of the partition; on PED-authenticated HSMs ignored')],
  help: 'List the objects of a partition on a Backup HSM',
  async run(context, args) {
    const slot = await backupSlot(context, args.requiredNumber('slot'))
    const container = await requireContainer(slot, args.requiredText('partition'))
    const visit = new Visit(context, slot)
    try {
      const given = args.text('password')
      const end = await enterContainer(context, visit, container, given, literals.loggingInToRestore)
      await sayContents(context.output, end)
    } finally {
      await visit.end()
    }
  },
}

const remove: Command = {
  words: [group, archive, word('delete', 'd')],
  options: [
    onBackup,
    partitionOption,
    {
      name: 'sopassword',
      short: ['sop'],
      kind: 'text',
      secret: true,
      value: '<password>',
      help: "The Backup HSM's SO",
    },
    force,
  ],
  help: 'Delete a partition on a Backup HSM',
  async run(context, args) {
    const { output } = context
    const slot = await backupSlot(context, args.requiredNumber('slot'))
    const container = await requireContainer(slot, args.requiredText('partition'))
    await output.confirm(args.has('force'), literals.aboutToDelete, container.label, container.serial)
    const visit = new Visit(context, slot)
    try {
      const known = (await context.isPedAuthenticated(slot)) || (await visit.hasSo())
      const password = known ? '' : await secretOption(context, 'sopassword', args.text('sopassword'))
      output.paragraph(literals.loggingInAsSo, slot.id)
      await slot.client.partitions.delete(await visit.loginSo(password), container.id)
    } finally {
      await visit.end()
    }
  },
}

export const archiveCommands: readonly Command[] = [archiveBackup, archiveRestore, list, contents, remove]
