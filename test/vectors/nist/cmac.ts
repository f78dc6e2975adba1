// CMACVS, generation and verification, and the examples of SP 800-38B.
import type { Family } from '../family.js'
import { compare, expectVerdict, type Outcome } from '../result.js'

export const cmac: Family = {
  matches: (file) =>
    /AES/.test(file.comments) &&
    (file.hasFields('KEY', 'MESSAGE', 'OUTPUT') || file.hasFields('Klen', 'Mlen', 'Tlen', 'Key', 'Msg', 'Mac')),

  *results(file, { firmware }) {
    for (const vector of file.vectors(['OUTPUT', 'Mac'])) {
      const outcome = firmware.run((): Outcome => {
        if (vector.has('OUTPUT')) {
          return compare('MAC', firmware.cmac(vector.bytes('KEY'), vector.bytes('MESSAGE')), vector.bytes('OUTPUT'))
        }
        // An empty message is written as 00.
        const message = vector.bytes('Msg').subarray(0, vector.count('Mlen'))
        const expected = vector.bytes('Mac')
        const mac = firmware.cmac(vector.bytes('Key'), message)?.subarray(0, expected.length)
        if (!vector.has('Result')) return compare('MAC', mac, expected)
        const right = mac !== undefined && Buffer.compare(mac, expected) === 0
        return expectVerdict('MAC', right, /^P/.test(vector.text('Result')))
      })
      yield { primitive: 'AES-CMAC', where: vector.where, outcome }
    }
  },
}
