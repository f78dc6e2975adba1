// What goes over sockets before a command is reached, and the texts that set it up: NTLS messages, the appliance's control lines,
// Chrystoki.conf, the lab file.
import * as protocol from '../../../assembly/protocol.js'
import { LabError, parseDescription, STANDARD_LAB } from '../../../host/lab/index.js'
import { readAnswer, readRequest } from '../../../host/ntls/control-messages.js'
import { MessageReader, readPedOrder, readPedOutcome, readWelcome, refusalOf } from '../../../host/ntls/framing.js'
import { ChrystokiConf, ChrystokiError, NtlsError } from '../../../host/ntls/index.js'
import { type Input, step } from '../engine/input.js'
import { mutate } from '../engine/mutate.js'
import { Random } from '../engine/random.js'
import { Finding, type Fuzzer, type Target, trial } from '../engine/target.js'

const fault = (where: string, what: string): never => {
  throw new Finding('network', where, what)
}

interface Kind {
  make(random: Random): Buffer
  check(bytes: Buffer, seed: number): void
}

// ---- NTLS messages (SPEC.md §10.1) ------------------------------------------------------------------------------------

const KINDS_MOST = 8
const MESSAGE_MOST = 4 + protocol.MAX_FRAME

function message(random: Random): Buffer {
  const body = random.bytes(random.pick([0, 1, 2, 3, 4, 5, 11, 16, 40, 300]))
  const head = Buffer.alloc(8)
  head.writeUInt32BE(4 + body.length)
  head.writeUInt8(random.between(1, KINDS_MOST), 4)
  head.writeUInt8(random.pick([0, 0, 1, 255]), 5)
  return Buffer.concat([head, body])
}

/** The messages of a stream by the specification, and whether what follows them is none. */
function messagesIn(stream: Buffer): { readonly messages: Buffer[]; readonly broken: boolean } {
  const messages: Buffer[] = []
  for (let at = 0; stream.length - at >= 8; ) {
    const length = stream.readUInt32BE(at)
    const kind = stream.readUInt8(at + 4)
    if (length < 4 || length > MESSAGE_MOST || kind < 1 || kind > KINDS_MOST || stream.readUInt16BE(at + 6) !== 0) {
      return { messages, broken: true }
    }
    if (stream.length - at < 4 + length) break
    messages.push(stream.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return { messages, broken: false }
}

const messages: Kind = {
  make(random) {
    const stream = Buffer.concat(Array.from({ length: random.between(1, 6) }, () => message(random)))
    return random.oneIn(3) ? stream : mutate(random, stream)
  },
  check(stream, seed) {
    const random = new Random(seed)
    const reader = new MessageReader()
    const got: Buffer[] = []
    let refused = false
    for (let at = 0; at < stream.length && !refused; ) {
      const piece = stream.subarray(at, at + random.pick([0, 1, 3, 7, 8, 9, 100, 70_000]))
      at += piece.length
      try {
        for (const one of reader.push(piece)) {
          got.push(Buffer.concat([Buffer.of(one.kind, one.hsm, 0, 0), one.body]))
          readBody(one)
        }
      } catch (error) {
        if (!(error instanceof NtlsError) || error.code !== 'NTLS_FRAMING') throw error
        refused = true
      }
    }
    const { messages: wanted, broken } = messagesIn(stream)
    if (refused !== broken)
      fault('NTLS framing', `refused ${refused}, by SPEC.md ${broken}: ${stream.toString('hex', 0, 80)}`)
    const same = got.every((one, i) => wanted[i]?.equals(one)) && (broken || got.length === wanted.length)
    if (!same) fault('NTLS messages', `${got.length} messages, by SPEC.md ${wanted.length}`)
  },
}

/** What a body says, whoever reads it. */
function readBody(one: { readonly kind: number; readonly hsm: number; readonly body: Buffer }): void {
  const order = readPedOrder(one)
  if (order?.to && Buffer.byteLength(order.to.host) === 0) fault('PED order', 'a host without a name')
  const outcome = readPedOutcome(one.body)
  if (outcome?.failure && outcome.failure.code === '') fault('PED outcome', 'a failure without a code')
  if (one.body.length === 2) refusalOf(one.body.readUInt16BE())
  try {
    const serials = readWelcome(one.body)
    if (one.body.length !== 3 + 8 * serials.length) fault('WELCOME', 'bytes that nobody reads')
  } catch (error) {
    if (!(error instanceof NtlsError)) throw error
  }
}

// ---- control lines (SPEC.md §10.2) ------------------------------------------------------------------------------------

const LINES = [
  { id: 1, ask: 'exchange', hsm: 'network', frame: 'AAAA' },
  { id: 2, ask: 'connect-ped', hsm: 'network', host: '127.0.0.1', port: 1503 },
  { id: 3, state: { process: 5, host: '127.0.0.1', port: 1792, connections: 2, hsms: [{ name: 'n', serial: '7' }] } },
  { id: 4, error: { code: 'CONTROL_HSM', message: 'none' } },
]

const control: Kind = {
  make: (random) => mutate(random, Buffer.from(JSON.stringify(random.pick(LINES)))),
  check(bytes) {
    const line = bytes.toString()
    for (const read of [readRequest, readAnswer]) {
      let got: { readonly id: number }
      try {
        got = read(line)
      } catch {
        continue
      }
      if (!Number.isSafeInteger(got.id) || got.id < 0) fault('control', `an id that is none: ${line.slice(0, 80)}`)
    }
  },
}

// ---- Chrystoki.conf (SPEC.md §10.3) -----------------------------------------------------------------------------------

const CONF = `# a remark
Luna = {
   DefaultTimeOut = 500000;
}
LunaSA Client = {
   ServerName00 = 127.0.0.1;
   ServerPort00 = 1792;
   Other =;
}
`

const conf: Kind = {
  make: (random) => mutate(random, Buffer.from(random.oneIn(2) ? CONF : CONF.replaceAll('\n', '\r\n'))),
  check(bytes) {
    try {
      const read = ChrystokiConf.parse(bytes)
      if (!read.toBytes().equals(bytes)) fault('Chrystoki.conf', 'read and written, it is another one')
      read.set('LunaSA Client', 'ServerName00', 'elsewhere')
      if (read.get('LunaSA Client', 'ServerName00') !== 'elsewhere')
        fault('Chrystoki.conf', 'a value that was set is not there')
      const again = ChrystokiConf.parse(read.toBytes())
      if (again.get('LunaSA Client', 'ServerName00') !== 'elsewhere')
        fault('Chrystoki.conf', 'a value that was set is not written')
    } catch (error) {
      if (!(error instanceof ChrystokiError)) throw error
    }
  },
}

// ---- the lab file (SPEC.md §10.4) -------------------------------------------------------------------------------------

const lab: Kind = {
  make: (random) => mutate(random, Buffer.from(STANDARD_LAB.replaceAll(/#.*$/gm, ''))),
  check(bytes) {
    try {
      const { hsm, workstation } = parseDescription(bytes.toString(), 'lab.toml')
      const names = new Set(hsm.map(({ name }) => name))
      if (names.size !== hsm.length) fault('lab file', 'two HSMs of one name')
      if (workstation.some(({ slots }) => slots.some((slot) => !names.has(slot.hsm))))
        fault('lab file', 'a slot of no HSM')
    } catch (error) {
      if (!(error instanceof LabError) || error.code !== 'LAB_FILE_INVALID') throw error
      if (!/^lab\.toml, line \d+/.test(error.message)) fault('lab file', `no line in: ${error.message}`)
    }
  },
}

const KINDS: readonly Kind[] = [messages, messages, control, conf, lab]

const network: Fuzzer = {
  generate(random: Random): Input {
    const kind = random.below(KINDS.length)
    return [step('bytes', [kind, random.u32()], (KINDS[kind] ?? messages).make(random))]
  },
  run(input: Input) {
    return trial((count) => {
      for (const {
        numbers: [kind = 0, seed = 0],
        bytes,
      } of input) {
        count()
        KINDS[kind % KINDS.length]?.check(bytes, seed)
      }
    })
  },
}

export const networkTarget: Target = {
  name: 'network',
  summary: 'NTLS messages, control lines, Chrystoki.conf, the lab file',
  usesFirmware: false,
  prepare: async () => network,
}
