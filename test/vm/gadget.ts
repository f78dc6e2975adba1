// In the guest: a Backup HSM that is outside as a gadget of the guest's own controller: node gadget.js HOST PORT. Ends when its input does.
import { Gadget, importDevice, TokenDevice, UsbTransport, usbIdentity } from '../../host/usb/index.js'
import { pulledDevice } from './pulled-device.js'

const ID = '1-1'

const [host = '', port = ''] = process.argv.slice(2)
const cable = await UsbTransport.open(await importDevice(host, Number(port)))
const gadget = await Gadget.open()
gadget.plug(ID, pulledDevice(new TokenDevice(cable, usbIdentity('700101')), gadget, ID))
process.stdin.resume().once('close', async () => {
  await gadget.close()
  await cable.close()
  process.exit()
})
