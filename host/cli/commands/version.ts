import { parseArgs } from 'node:util'
import { firmwareInfo } from '../../lab/index.js'
import { COMMON_OPTIONS, readArguments, refusePositionals } from '../command-line.js'
import type { CliCommand } from '../program.js'

export const version: CliCommand = {
  name: 'version',
  summary: 'Print the version, and the hash of the firmware',
  help: `Usage: moonlet version

Prints the version of Moonlet and the SHA-384 of its firmware,
dist/firmware.wasm.
Builds are reproducible: the same sources give the same hash.
`,
  async run(args, io) {
    const { values, positionals } = readArguments(() =>
      parseArgs({ args: [...args], options: COMMON_OPTIONS, allowPositionals: true }),
    )
    if (values.help) {
      io.stdout.write(this.help)
      return 0
    }
    refusePositionals(positionals)
    const { version: number, sha384 } = firmwareInfo()
    io.stdout.write(`moonlet ${number}\nfirmware.wasm sha384 ${sha384}\n`)
    return 0
  },
}
