import { badLine, commandsUnder, sayHelp, literals as shared, type Word, word } from '../../lunacm/index.js'
import type { Command } from '../command.js'

const help: Command = {
  words: [word('help', 'he')],
  options: [],
  takesWords: true,
  help: 'List the commands, or show the syntax of one',
  async run({ output, commands }, args) {
    const found = commandsUnder(args.rest, commands)
    const [only] = found
    if (!only) throw badLine(shared.unknownCommand, args.rest.join(' '))
    if (found.length === 1) {
      sayHelp(output, only)
      return
    }
    output.paragraph(shared.helpIntro)
    output.gap()
    for (const command of found) output.say(shared.helpRow, command.words.map(named).join(' '), command.help)
    output.paragraph(shared.helpMore)
  },
}

const questionMark: Command = { ...help, words: [word('?')] }

const exit: Command = {
  words: [word('exit', 'e')],
  options: [],
  help: 'Leave the shell',
  async run(context) {
    context.leaving = true
  },
}

const quit: Command = { ...exit, words: [word('quit', 'q')] }

function named({ long, short }: Word): string {
  return short === undefined ? long : `${long} (${short})`
}

export const generalCommands: readonly Command[] = [help, questionMark, exit, quit]
