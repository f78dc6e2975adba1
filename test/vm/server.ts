// The tokens of the backups, outside the guest, which computes slowly: node server.js usbip|redir|plain FOLDER. The card is always
// at a USB/IP server; the Backup HSM by the way that is said, and pulled out where its host says so (plain: USB/IP, never).
// Whoever connects to the third port and says 'card' or 'backup' hears what the card's second partition, or the container on the
// Backup HSM, holds: looked at here, past every cable. Writes the three ports; ends when its input does.
import { once } from 'node:events'
import { createServer } from 'node:net'
import { type CommandDoor, Token } from '../../host/board/index.js'
import { RedirServer, TokenDevice, UsbipServer, type UsbPresenter, usbIdentity } from '../../host/usb/index.js'
import { pulledDevice } from './pulled-device.js'
import { archived, held, sourceOf, targetOf } from './tokens.js'

const ID = '1-1'

const [way = '', folder = ''] = process.argv.slice(2)
const address = { host: '127.0.0.1', port: 0 }
const tokens = {
  card: await Token.open({ dir: sourceOf(folder) }),
  backup: await Token.open({ dir: targetOf(folder) }),
}
const modelOf = (door: CommandDoor, serial: string): TokenDevice => new TokenDevice(door, usbIdentity(serial))

const cards = await UsbipServer.listen(address)
cards.plug(ID, modelOf(tokens.card, '500409'))
const presenter: UsbPresenter = way === 'redir' ? await RedirServer.listen(address) : await UsbipServer.listen(address)
const model = modelOf(tokens.backup, '700101')
const device = way === 'plain' ? model : pulledDevice(model, presenter, ID)
presenter.plug(ID, device)
const looks = createServer((socket) => {
  socket.on('error', () => undefined)
  socket.once('data', async (word: Buffer) => {
    const found = await (word.toString() === 'card' ? held(tokens.card, 2) : archived(tokens.backup))
    socket.end(JSON.stringify([...found]))
  })
}).listen(0, '127.0.0.1')
await once(looks, 'listening')
const at = looks.address()
process.stdout.write(`${cards.port} ${presenter.port} ${at !== null && typeof at === 'object' ? at.port : 0}\n`)
process.stdin.resume().once('close', async () => {
  looks.close()
  await presenter.close()
  await cards.close()
  for (const token of Object.values(tokens)) await token.close()
  process.exit()
})
