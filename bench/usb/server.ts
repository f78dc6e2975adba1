// A USB/IP server in a process of its own: `node server.js [FOLDER]` serves the board of a folder, without one a device that echoes.
// Writes its port; ends when its input does.
import { ANSWER } from '../../assembly/protocol.js'
import { type CommandDoor, Token } from '../../host/board/index.js'
import { TokenDevice, UsbipServer, usbIdentity } from '../../host/usb/index.js'

const echo: CommandDoor = {
  async exchange(frame) {
    const answer = Uint8Array.from(frame)
    const view = new DataView(answer.buffer)
    view.setUint16(0, view.getUint16(0) | ANSWER)
    view.setUint32(4, 0)
    return answer
  },
}

const [folder] = process.argv.slice(2)
const token = folder === undefined ? undefined : await Token.open({ dir: folder })
const server = await UsbipServer.listen({ host: '127.0.0.1', port: 0 })
server.plug('1-1', new TokenDevice(token ?? echo, usbIdentity('700101')))
process.stdout.write(`${server.port}\n`)
process.stdin.resume().once('close', async () => {
  await server.close()
  await token?.close()
})
