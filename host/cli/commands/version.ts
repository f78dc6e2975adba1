import { firmwareInfo } from '../../lab/index.js'
import { refusePositionals } from '../command-line.js'
import { defineCommand } from '../define-command.js'

export const version = defineCommand({
  name: 'version',
  summary: 'Print the version, and the hash of the firmware',
  help: `Usage: moonlet version [options]

Prints the version of Moonlet and the SHA-384 of its firmware,
dist/firmware.wasm. Builds are reproducible: the same sources give the same
hash.

Options:
  --debug        show the stack of an error
  -h, --help     show this help
`,
  options: {},
  async run({ positionals }, io) {
    refusePositionals(positionals)
    const { version: number, sha384 } = firmwareInfo()
    io.stdout.write(`moonlet ${number}\nfirmware.wasm sha384 ${sha384}\n`)
    return 0
  },
})
