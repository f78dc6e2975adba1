import { vectorsCommand } from './command.js'

const { stdout, stderr } = process
stdout.on('error', (error) => {
  // Whoever read the output has gone away, as `head` does.
  if (!('code' in error) || error.code !== 'EPIPE') throw error
  process.exit(1)
})

process.exitCode = vectorsCommand(process.argv.slice(2), {
  // npm runs its scripts in the project's folder, wherever the user is.
  folder: process.env.INIT_CWD ?? process.cwd(),
  out: (line) => stdout.write(`${line}\n`),
  err: (line) => stderr.write(`${line}\n`),
  progress: stderr.isTTY ? (text) => stderr.write(`\r\x1b[K${text}`) : undefined,
})
