import * as protocol from '../../assembly/protocol.js'
import { type Attribute, Writer } from './codec.js'
import { type CommandPort, nothing } from './command-port.js'

/** A row of OBJECT_LIST. */
export interface ObjectRow {
  readonly handle: number
  /** 12 bytes, kept by clones. */
  readonly ouid: Uint8Array
  /** CKO_… */
  readonly objectClass: number
  /** CKK_…, UNAVAILABLE for objects that are no keys. */
  readonly keyType: number
  readonly bits: number
  /** Bytes of storage. */
  readonly size: number
  /** Return code that cloning it would answer, RC_OK = it may be cloned. */
  readonly clone: number
}

/** What OBJECT_GET answers for one attribute: a value, or the return code why not. */
export interface AttributeAnswer {
  readonly type: number
  readonly code: number
  readonly value: Uint8Array
}

export interface KeyPair {
  readonly publicKey: number
  readonly privateKey: number
}

/** Rows asked for at once by `list`. */
const PAGE = 256

/** Attributes whose value the token gives only in a sealed frame. */
const SECRET_VALUES: ReadonlySet<number> = new Set([
  protocol.CKA_VALUE,
  protocol.CKA_PRIVATE_EXPONENT,
  protocol.CKA_PRIME_1,
  protocol.CKA_PRIME_2,
  protocol.CKA_EXPONENT_1,
  protocol.CKA_EXPONENT_2,
  protocol.CKA_COEFFICIENT,
])

/** Commands on the objects of the session's partition. */
export class ObjectCommands {
  readonly #port: CommandPort

  constructor(port: CommandPort) {
    this.#port = port
  }

  /**
   * One page in the firmware's own order; `next` is the cursor of the following one, 0 = there is none. A page may be empty although
   * others follow.
   */
  page(
    session: number,
    template: readonly Attribute[] = [],
    cursor = 0,
    limit = PAGE,
  ): Promise<{ next: number; rows: ObjectRow[] }> {
    const body = new Writer().u32(cursor).u16(limit).attributes(template)
    return this.#port.call(protocol.CMD_OBJECT_LIST, session, body, (reader) => ({
      next: reader.u32(),
      rows: reader.rows((row) => ({
        handle: row.u32(),
        ouid: row.fixed(12),
        objectClass: row.u32(),
        keyType: row.u32(),
        bits: row.u32(),
        size: row.u32(),
        clone: row.u32(),
      })),
    }))
  }

  /** All objects that match the template. One that others add or destroy meanwhile may be there or not, but none comes twice. */
  async list(session: number, template: readonly Attribute[] = []): Promise<ObjectRow[]> {
    const rows = new Map<number, ObjectRow>()
    let cursor = 0
    do {
      const page = await this.page(session, template, cursor)
      for (const row of page.rows) rows.set(row.handle, row)
      cursor = page.next
    } while (cursor !== 0)
    return [...rows.values()]
  }

  create(session: number, attributes: readonly Attribute[]): Promise<number> {
    const body = new Writer().attributes(attributes)
    return this.#port.call(protocol.CMD_OBJECT_CREATE, session, body, (reader) => reader.u32())
  }

  generate(session: number, mechanism: number, attributes: readonly Attribute[]): Promise<number> {
    const body = new Writer().u32(mechanism).attributes(attributes)
    return this.#port.call(protocol.CMD_OBJECT_GENERATE, session, body, (reader) => reader.u32())
  }

  generatePair(
    session: number,
    mechanism: number,
    publicAttributes: readonly Attribute[],
    privateAttributes: readonly Attribute[],
  ): Promise<KeyPair> {
    const body = new Writer().u32(mechanism).attributes(publicAttributes).attributes(privateAttributes)
    return this.#port.call(protocol.CMD_OBJECT_GENERATE_PAIR, session, body, (reader) => ({
      publicKey: reader.u32(),
      privateKey: reader.u32(),
    }))
  }

  /** One answer per type asked for, in that order. */
  get(session: number, handle: number, types: readonly number[]): Promise<AttributeAnswer[]> {
    const body = new Writer().u32(handle).u16(types.length)
    for (const type of types) body.u32(type)
    const sealed = types.some((type) => SECRET_VALUES.has(type))
    return this.#port.call(
      protocol.CMD_OBJECT_GET,
      session,
      body,
      (reader) => reader.rows((row) => ({ type: row.u32(), code: row.u32(), value: row.bytes() })),
      { sealed },
    )
  }

  set(session: number, handle: number, attributes: readonly Attribute[]): Promise<void> {
    const body = new Writer().u32(handle).attributes(attributes)
    return this.#port.call(protocol.CMD_OBJECT_SET, session, body, nothing)
  }

  /** Answers the handle of a copy that has these attributes changed. */
  copy(session: number, handle: number, attributes: readonly Attribute[] = []): Promise<number> {
    const body = new Writer().u32(handle).attributes(attributes)
    return this.#port.call(protocol.CMD_OBJECT_COPY, session, body, (reader) => reader.u32())
  }

  /** How often a key counts as used: raised by, or set to a number. */
  count(session: number, handle: number, how: number, value: number): Promise<void> {
    const body = new Writer().u32(handle).u8(how).u32(value)
    return this.#port.call(protocol.CMD_OBJECT_COUNT, session, body, nothing)
  }

  /** One return code per handle. */
  destroy(session: number, handles: readonly number[]): Promise<number[]> {
    const body = new Writer().u16(handles.length)
    for (const handle of handles) body.u32(handle)
    return this.#port.call(protocol.CMD_OBJECT_DESTROY, session, body, (reader) => reader.rows((row) => row.u32()))
  }
}
