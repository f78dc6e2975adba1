#!/usr/bin/env node
import { lunacm } from './commands/lunacm.js'
import { runProgram } from './program.js'

await runProgram('lunacm', process.argv.slice(2), (args, io) => lunacm.run(args, io))
