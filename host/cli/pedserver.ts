#!/usr/bin/env node
import { pedserver } from './pedserver/main.js'
import { runProgram } from './program.js'

await runProgram('pedserver', process.argv.slice(2), pedserver)
