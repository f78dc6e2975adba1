#!/usr/bin/env node
import { runProgram } from './program.js'
import { vtl } from './vtl/command.js'

await runProgram('vtl', process.argv.slice(2), (args, io) => vtl.run(args, io))
