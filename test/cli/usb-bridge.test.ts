// What can be said of `moonlet usb bridge` without a device; with one it runs in the guest of test/vm.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Running, type RunResult } from './support.js'

const test = suite('cli: usb bridge')

function bridge(...args: string[]): Promise<RunResult> {
  return new Running('moonlet', ['usb', 'bridge', '--listen', '127.0.0.1:0', ...args]).result
}

test('a device that is not there, or a computer without USB: the reason, and what there is', async () => {
  for (const device of ['1209:0000', 'no such serial number']) {
    const { code, stderr, stdout } = await bridge('--device', device)
    assert.is(code, 1)
    assert.match(stderr, /^moonlet: (USB_NO_DEVICE: there is no device |USB_UNAVAILABLE: )/)
    assert.is(stdout, '')
  }
})

test('options that make no sense are refused before anything is opened', async () => {
  for (const [args, code, said] of [
    [[], 2, "Option '--device' is missing"],
    [['--device', '1209:0000', '--seed', '1'], 2, "'--seed' goes with '--fault-rate'"],
    [['--device', '1209:0000', '--fault-rate', '1.5'], 2, 'a probability from 0 to 1'],
    [['--device', '1209:0000', '--fault-rate', '.5', '--seed', 'x'], 2, "'--seed' takes a number"],
    [['--device', '1209:0000', '--fault', 'ep=0x81,do=melt'], 1, "USB_FAULT_RULE: the fault 'ep=0x81,do=melt'"],
    [['--device', '1209:0000', '--stats='], 2, "'--stats' needs a file"],
  ] as const) {
    const result = await bridge(...args)
    assert.is(result.code, code, args.join(' '))
    assert.ok(result.stderr.includes(said), result.stderr)
  }
})

test.run()
