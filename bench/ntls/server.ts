// A process with an appliance and one HSM in it, and a bare node:tls server beside it that answers with as many bytes as the HSM
// would. Says in one line where both are; ends with its standard input.
import { createServer } from 'node:tls'
import { Token } from '../../host/board/index.js'
import { Appliance, Registry, serverIdentity } from '../../host/ntls/index.js'
import { HSM_SERIAL, PARTITION_SERIAL } from './serials.js'

const [hsm = '', folder = '', ...sizes] = process.argv.slice(2)
const [asked = 0, answered = 0] = sizes.map(Number)

const token = await Token.open({ dir: hsm })
const registry = new Registry(folder)
const identity = await serverIdentity(folder)
const appliance = await Appliance.listen({
  port: 0,
  identity,
  clients: {
    find: (fingerprint) => registry.find(fingerprint),
    match: async (fingerprint) => registry.find(fingerprint),
  },
  hsms: [{ serial: HSM_SERIAL, card: token, serialOf: () => PARTITION_SERIAL }],
})

const { certificate: cert, privateKey: key } = identity
const answer = Buffer.alloc(answered, 7)
const echo = createServer({ cert, key, requestCert: true, rejectUnauthorized: false, noDelay: true }, (socket) => {
  let have = 0
  socket.on('error', () => socket.destroy())
  socket.on('data', (bytes: Buffer) => {
    for (have += bytes.length; have >= asked; have -= asked) socket.write(answer)
  })
})
await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve))
const address = echo.address()
const port = typeof address === 'object' && address ? address.port : 0
process.stdout.write(`${JSON.stringify({ appliance: appliance.port, echo: port })}\n`)
process.stdin.resume().once('end', () => process.exit(0))
