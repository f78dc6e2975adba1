#!/usr/bin/env node
import { cmu } from './cmu/command.js'
import { runProgram } from './program.js'

await runProgram('cmu', process.argv.slice(2), (args, io) => cmu.run(args, io))
