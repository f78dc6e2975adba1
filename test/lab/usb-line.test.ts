// A workstation's USB cable whose device goes while it is opened.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Chance } from '../../host/lab/chance.js'
import { usbLine } from '../../host/lab/index.js'
import { PedDesk } from '../../host/lab/ped-desk.js'
import { defaultRules, PedKeyBox, RuleOperator } from '../../host/ped/index.js'
import { TokenDevice, UsbError, UsbipServer, usbIdentity } from '../../host/usb/index.js'
import { EchoDoor } from '../usb/support.js'
import { failure, temporaryFolder } from './support.js'

const test = suite('lab: USB cable')

test('a device that is pulled out at any moment of its opening is told of as one that cannot be opened', async () => {
  const box = new PedKeyBox(temporaryFolder())
  const operator = new RuleOperator({ rules: defaultRules(), box })
  const desk = new PedDesk({ box, operator, addresses: [], port: 1 })
  const chance = new Chance(undefined, 'test')
  let clean = false
  for (let at = 1; at < 20 && !clean; at++) {
    const server = await UsbipServer.listen({ host: '127.0.0.1', port: 0 })
    const model = new TokenDevice(new EchoDoor(), usbIdentity('700101'))
    let transfers = 0
    server.plug('1-1', {
      submit(urb, complete) {
        if (++transfers === at) server.unplug('1-1')
        return model.submit(urb, complete)
      },
      reset: () => model.reset(),
      descriptor: (type, index) => model.descriptor(type, index),
      attach: () => model.attach(),
      detach: () => model.detach(),
      notify: (event) => model.notify(event),
    })
    const error = await failure(usbLine({ host: '127.0.0.1', port: server.port, chance, desk }))
    // An echo is no STATUS: once nothing is pulled out before it, that is what is wrong.
    clean = transfers < at
    if (!clean) assert.ok(error instanceof UsbError && error.code === 'USB_OPEN', `transfer ${at}: ${error}`)
    await server.close()
  }
  assert.ok(clean)
})

test.run()
