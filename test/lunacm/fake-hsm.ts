// Answers of an imagined HSM, enough to print every command's lines. What a token decides is tested against the real
// firmware; here only what the shell reads, asks and prints.
import * as protocol from '../../assembly/protocol.js'
import { Writer } from '../../host/client/index.js'
import { type Request, TokenSide } from '../client/token-side.js'

export interface FakeObject {
  readonly handle: number
  readonly objectClass: number
  readonly label?: string
  readonly clone?: number
}

export interface FakePartition {
  readonly id: number
  label: string
  readonly serial: bigint
  readonly legacy: boolean
  hasDomain: boolean
  objects: FakeObject[]
  policies: [id: number, capability: number, value: number][]
  /** New handles that clones get, in order; counted on from 19 when used up. */
  newHandles: number[]
  total: bigint
}

export interface FakeOptions {
  readonly serial: bigint
  readonly label: string
  readonly model: number
  readonly auth: number
  readonly profile?: number
  readonly partitions?: FakePartition[]
}

export function fakePartition(fields: Partial<FakePartition> & { id: number; label: string }): FakePartition {
  const policies: [number, number, number][] = [
    [protocol.POLICY_PRIVATE_CLONING, 1, 1],
    [protocol.POLICY_SECRET_CLONING, 1, 1],
    [protocol.POLICY_ACTIVATION, 0, 0],
  ]
  return {
    serial: 500409014n,
    legacy: false,
    hasDomain: true,
    objects: [],
    policies,
    newHandles: [],
    total: 1_000_000n,
    ...fields,
  }
}

const OBJECT_SIZE = 300

/** One imagined HSM: `log` has every command with its texts, `refuse` makes a command answer a return code. */
export class FakeHsm {
  readonly token: TokenSide
  readonly log: string[] = []
  readonly refuse = new Map<number, number>()
  readonly partitions: FakePartition[]
  activated = false
  challenge = false
  pedId: number = protocol.PED_ID_LOCAL
  free = 10_000_000n
  state: number = protocol.STATE_FUNCTIONAL
  /** Why it is in its error state. */
  error = 0
  /** What it was made as cannot be read. */
  damaged = false
  /** Codes the target answers per source handle. */
  readonly failing = new Map<number, number>()
  readonly #options: FakeOptions
  readonly #roles = new Map<number, number>()

  constructor(options: FakeOptions) {
    this.#options = options
    this.partitions = options.partitions ?? []
    this.token = new TokenSide(options.serial)
    for (const [command, handler] of this.#handlers()) {
      this.token.on(command, (request) => {
        const dead = this.state === protocol.STATE_ERROR && command !== protocol.CMD_STATUS
        return this.refuse.get(command) ?? (dead ? protocol.RC_ERROR_STATE : handler(request))
      })
    }
  }

  /** Who is logged in on a partition. */
  role(partition: number): number | undefined {
    return this.#roles.get(partition)
  }

  partition(id: number): FakePartition {
    const found = this.partitions.find((one) => one.id === id)
    if (!found) throw new Error(`no partition ${id}`)
    return found
  }

  // Sessions are their partitions: session = partition + 100.
  #of(request: Request): FakePartition {
    return this.partition(request.session - 100)
  }

  #handlers(): Map<number, (request: Request) => Writer | number> {
    const { serial, model, auth, label } = this.#options
    const profile = this.#options.profile ?? protocol.PROFILE_6_27_0
    const say = (text: string) => {
      this.log.push(text)
      return protocol.RC_OK
    }
    return new Map<number, (request: Request) => Writer | number>([
      [
        protocol.CMD_STATUS,
        () => {
          if (this.damaged) {
            const writer = new Writer().u8(this.state).u32(this.error).u32(protocol.STATUS_PARTITION_SO).u64(0n)
            return writer.u32(0x5a5a5a5a).u32(0).u8(protocol.AUTH_PASSWORD).text('')
          }
          const backup = model === protocol.MODEL_BACKUP ? protocol.STATUS_BACKUP : 0
          const ped = auth === protocol.AUTH_PED ? protocol.STATUS_PED : 0
          const functional = this.state === protocol.STATE_FUNCTIONAL
          const made = functional ? protocol.STATUS_INITIALIZED | protocol.STATUS_NON_FIPS : 0
          const recent = profile >= protocol.PROFILE_7_0_3 ? protocol.STATUS_GENERATION_7 : 0
          const flags = backup | ped | recent | made
          const writer = new Writer().u8(this.state).u32(this.error).u32(flags).u64(serial)
          return writer.u32(model).u32(profile).u8(auth).text(label)
        },
      ],
      [protocol.CMD_SESSION_OPEN, ({ body }) => new Writer().u32(body.u32() + 100)],
      [
        protocol.CMD_SESSION_CLOSE,
        ({ session }) => {
          // The log-in ends with the last session on the partition, and this one has but one.
          this.#roles.delete(session - 100)
          return 0
        },
      ],
      [
        protocol.CMD_SESSION_INFO,
        ({ session }) => {
          const partition = session - 100
          return new Writer()
            .u32(partition)
            .u8(1)
            .u8(this.#roles.get(partition) ?? protocol.ROLE_NONE)
        },
      ],
      [
        protocol.CMD_HSM_INFO,
        () => {
          const writer = new Writer().text(label).u64(serial).u32(model).u32(profile).u8(auth).u8(this.state)
          writer
            .u32(1)
            .u8(3)
            .u8(1)
            .u64(16_252_928n)
            .u64(16_252_928n - this.free)
            .u64(this.free)
          return writer.u32(20).u32(this.partitions.length).u64(1000n).u64(0n)
        },
      ],
      [
        protocol.CMD_HSM_POLICIES,
        () =>
          policies([
            [protocol.HSM_POLICY_CLONING, 1, 1],
            [protocol.HSM_POLICY_NON_FIPS, 1, 0],
          ]),
      ],
      [protocol.CMD_HSM_SET_POLICY, ({ body }) => say(`hsm policy ${body.u16()}=${body.u32()}`)],
      [protocol.CMD_HSM_INIT, ({ body }) => say(`hsm init ${[body.text(), body.text(), body.text()].join('|')}`)],
      [protocol.CMD_HSM_FACTORY_RESET, () => say('factory reset')],
      [
        protocol.CMD_PARTITION_LIST,
        () => this.partitions.reduce((writer, one) => info(writer, one), new Writer().u16(this.partitions.length)),
      ],
      [protocol.CMD_PARTITION_INFO, ({ body }) => info(new Writer(), this.partition(body.u32()))],
      [protocol.CMD_PARTITION_POLICIES, ({ body }) => policies(this.partition(body.u32()).policies)],
      [
        protocol.CMD_PARTITION_SET_POLICY,
        ({ body }) => say(`partition ${body.u32()} policy ${body.u16()}=${body.u32()}`),
      ],
      [
        protocol.CMD_PARTITION_CREATE,
        ({ body }) => {
          const legacy = body.u8() === 1
          const name = body.text()
          body.u64()
          say(`create ${name} ${body.text()}`)
          const id = this.partitions.length + 1
          this.partitions.push(
            fakePartition({ id, label: name, legacy, hasDomain: false, serial: serial + BigInt(id) }),
          )
          return new Writer().u32(id).u64(serial + BigInt(id))
        },
      ],
      [protocol.CMD_PARTITION_DELETE, ({ body }) => say(`delete ${body.u32()}`)],
      [
        protocol.CMD_PARTITION_INIT,
        ({ body }) => say(`partition init ${[body.text(), body.text(), body.text()].join('|')}`),
      ],
      [protocol.CMD_PARTITION_RESIZE, ({ body }) => say(`resize ${body.u32()} ${body.u64()}`)],
      [
        protocol.CMD_PARTITION_CLEAR,
        (request) => {
          const { objects } = this.#of(request)
          say('clear')
          return new Writer().u32(objects.splice(0).length)
        },
      ],
      [
        protocol.CMD_PARTITION_SET_DOMAIN,
        (request) => {
          say(`domain ${request.body.text()}`)
          this.#of(request).hasDomain = true
          return 0
        },
      ],
      [
        protocol.CMD_ROLE_LOGIN,
        ({ session, body }) => {
          const role = body.u8()
          say(`login ${role} ${body.text()}`)
          this.#roles.set(session - 100, role)
          return new Writer().u8(0)
        },
      ],
      [
        protocol.CMD_ROLE_LOGOUT,
        ({ session }) => {
          this.#roles.delete(session - 100)
          return say('logout')
        },
      ],
      [
        protocol.CMD_ROLE_INFO,
        ({ body }) => {
          const role = body.u8()
          const officer = role === protocol.ROLE_CRYPTO_OFFICER
          const flags =
            protocol.ROLE_INITIALIZED |
            (officer && this.activated ? protocol.ROLE_ACTIVATED : 0) |
            (officer && this.challenge ? protocol.ROLE_HAS_CHALLENGE : 0)
          const secondary = officer && this.challenge ? protocol.ROLE_AUTH_PASSWORD : protocol.ROLE_AUTH_NONE
          const none = role === protocol.ROLE_CRYPTO_USER
          return new Writer()
            .u32(none ? 0 : flags)
            .u8(10)
            .u8(protocol.ROLE_AUTH_PED)
            .u8(secondary)
        },
      ],
      [protocol.CMD_ROLE_INIT, ({ body }) => say(`role init ${body.u8()} ${body.text()}`)],
      [protocol.CMD_ROLE_CHANGE_SECRET, ({ body }) => say(`change ${body.u8()} ${body.text()} ${body.text()}`)],
      [protocol.CMD_ROLE_CREATE_CHALLENGE, ({ body }) => say(`challenge ${body.u8()} ${body.text()}`)],
      [protocol.CMD_ROLE_DEACTIVATE, ({ body }) => say(`deactivate ${body.u8()}`)],
      [
        protocol.CMD_PED_GET,
        () =>
          new Writer()
            .u16(this.pedId)
            .u8(this.pedId === 0 ? 0 : protocol.PED_LINE_REMOTE)
            .u8(1),
      ],
      [
        protocol.CMD_PED_CONNECT,
        () => {
          this.pedId = protocol.PED_ID_REMOTE
          return 0
        },
      ],
      [
        protocol.CMD_PED_DISCONNECT,
        () => {
          this.pedId = protocol.PED_ID_LOCAL
          return 0
        },
      ],
      [protocol.CMD_PED_VECTOR_INIT, () => say('vector')],
      [
        protocol.CMD_OBJECT_LIST,
        (request) => {
          const { objects } = this.#of(request)
          const writer = new Writer().u32(0).u16(objects.length)
          for (const { handle, objectClass, clone } of objects) {
            writer.u32(handle).fixed(ouid(handle), 12).u32(objectClass).u32(0).u32(protocol.BIT_TOKEN)
            writer.u32(OBJECT_SIZE).u32(clone ?? 0)
          }
          return writer
        },
      ],
      [
        protocol.CMD_OBJECT_GET,
        (request) => {
          const handle = request.body.u32()
          const label = this.#of(request).objects.find((one) => one.handle === handle)?.label ?? ''
          return new Writer().u16(1).u32(protocol.CKA_LABEL).u32(0).text(label)
        },
      ],
      [
        protocol.CMD_MECHANISM_LIST,
        () => new Writer().u16(2).u32(0x80000171).u32(1).u32(2).u32(0).u32(0).u32(1).u32(2).u32(0),
      ],
      ...this.#cloning(),
    ])
  }

  #cloning(): [number, (request: Request) => Writer | number][] {
    return [
      [protocol.CMD_CLONE_SOURCE_INIT, () => new Writer().text('M1')],
      [protocol.CMD_CLONE_TARGET_INIT, () => new Writer().text('M2')],
      [protocol.CMD_CLONE_SOURCE_HELLO, () => 0],
      [
        protocol.CMD_CLONE_SOURCE_BATCH,
        (request) => {
          request.body.u8()
          const handles = request.body.rows((row) => row.u32())
          const writer = new Writer().u16(handles.length)
          for (const _ of handles) writer.u32(0)
          return writer.text(JSON.stringify(handles))
        },
      ],
      [
        protocol.CMD_CLONE_TARGET_BATCH,
        (request) => {
          request.body.u8()
          const handles: number[] = JSON.parse(request.body.text())
          const partition = this.#of(request)
          const rows = handles.map((handle) => {
            const code = this.failing.get(handle) ?? 0
            const newHandle = partition.newHandles.shift() ?? partition.objects.length + 19
            if (code === 0) partition.objects.push({ handle: newHandle, objectClass: protocol.CKO_DATA })
            return { handle, code, newHandle }
          })
          return new Writer().text(JSON.stringify(rows))
        },
      ],
      [
        protocol.CMD_CLONE_SOURCE_RESULT,
        ({ body }) => {
          const rows: { handle: number; code: number; newHandle: number }[] = JSON.parse(body.text())
          const writer = new Writer().u16(rows.length)
          for (const { handle, code, newHandle } of rows) writer.u32(handle).u32(code).u32(newHandle)
          return writer
        },
      ],
      [protocol.CMD_CLONE_SOURCE_CLOSE, () => new Writer().text('M5')],
      [protocol.CMD_CLONE_TARGET_CLOSE, () => 0],
    ]
  }
}

export function ouid(handle: number): Uint8Array {
  const bytes = new Uint8Array(12).fill(0x41)
  new DataView(bytes.buffer).setUint32(8, handle)
  return bytes
}

function info(writer: Writer, one: FakePartition): Writer {
  const flags =
    protocol.PARTITION_INITIALIZED |
    (one.legacy ? protocol.PARTITION_LEGACY : 0) |
    (one.hasDomain ? protocol.PARTITION_HAS_DOMAIN : 0)
  const used = BigInt(one.objects.length * OBJECT_SIZE)
  writer.u32(one.id).u64(one.serial).u32(flags).text(one.label)
  return writer
    .u64(one.total)
    .u64(used)
    .u32(one.objects.length)
    .u8(one.hasDomain ? 1 : 0)
}

function policies(rows: readonly (readonly [number, number, number])[]): Writer {
  const writer = new Writer().u16(rows.length)
  const destructive = protocol.POLICY_OFF_TO_ON_DESTRUCTIVE
  for (const [id, capability, value] of rows) writer.u16(id).u8(destructive).u32(capability).u32(value)
  return writer
}
