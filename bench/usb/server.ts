// A Backup HSM in a process of its own, at a USB/IP server or as a gadget of this computer: `node server.js usbip|gadget SERIAL [FOLDER]`
// presents the board of a folder, without one a device that echoes. Writes its port (a gadget's is 0); ends when its input does.
import { Token } from '../../host/board/index.js'
import { Gadget, TokenDevice, UsbipServer, usbIdentity } from '../../host/usb/index.js'
import { echo } from './echo.js'

const [way, serial = '', folder] = process.argv.slice(2)
const token = folder === undefined ? undefined : await Token.open({ dir: folder })
const presenter = way === 'gadget' ? await Gadget.open() : await UsbipServer.listen({ host: '127.0.0.1', port: 0 })
presenter.plug('1-1', new TokenDevice(token ?? echo, usbIdentity(serial)))
process.stdout.write(`${presenter.port}\n`)
process.stdin.resume().once('close', async () => {
  await presenter.close()
  await token?.close()
})
