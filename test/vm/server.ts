// The tokens of the backups, outside the guest, which computes slowly: node server.js usbip|redir|plain FOLDER. The card is always
// at a USB/IP server; the Backup HSM by the way that is said, and pulled out where its host says so (plain: USB/IP, never).
// Writes both ports; ends when its input does.
import { type CommandDoor, Token } from '../../host/board/index.js'
import { RedirServer, TokenDevice, UsbipServer, type UsbPresenter, usbIdentity } from '../../host/usb/index.js'
import { pulledDevice } from './pulled-device.js'
import { sourceOf, targetOf } from './tokens.js'

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
process.stdout.write(`${cards.port} ${presenter.port}\n`)
process.stdin.resume().once('close', async () => {
  await presenter.close()
  await cards.close()
  for (const token of Object.values(tokens)) await token.close()
  process.exit()
})
