// node make-tokens.js FOLDER COUNT
import { makeTokens } from './tokens.js'

const [folder = '', count = '200'] = process.argv.slice(2)
await makeTokens(folder, Number(count))
