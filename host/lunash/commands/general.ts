import { listHelp, word } from '../../lunacm/index.js'
import type { Command } from '../command.js'

const help: Command = {
  words: [word('help', 'he')],
  options: [],
  takesWords: true,
  help: 'List the commands, or show the syntax of one',
  async run({ output, commands }, args) {
    listHelp(output, args.rest, commands)
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

export const generalCommands: readonly Command[] = [help, questionMark, exit, quit]
