// The text files of NIST's validation programs (.rsp, .txt, .fax): `name = value` lines in blocks between empty lines, [section]
// lines, # comments. What a block does not repeat it takes from blocks before it that hold no vector, and from its section.
import { VectorError } from './errors.js'
import { hexBytes, hexInteger } from './numbers.js'

interface Field {
  readonly name: string
  readonly value: string
}

interface Block {
  readonly line: number
  readonly fields: readonly Field[]
  /** A line with the word FAIL: what is asked for must be refused. */
  readonly fails: boolean
  /** The section lines without an assignment that stand before it and behind other data. */
  readonly titles: readonly string[]
  readonly settings: ReadonlyMap<string, string>
}

/** One vector with what it takes from before it. Every getter complains with the place where a field is missing or wrong. */
export class Vector {
  constructor(
    private readonly path: string,
    private readonly block: Block,
    private readonly inherited: ReadonlyMap<string, string>,
  ) {}

  get where(): string {
    return `line ${this.block.line}`
  }

  /** The last section line without an assignment (`ENCRYPT`, `P-256,SHA-1`) that is like this. */
  section(pattern: RegExp): RegExpExecArray | undefined {
    return this.block.titles.reduce<RegExpExecArray | undefined>(
      (last, title) => pattern.exec(title) ?? last,
      undefined,
    )
  }

  get fails(): boolean {
    return this.block.fails
  }

  find(name: string): string | undefined {
    const own = this.block.fields.find((field) => field.name === name)
    return own?.value ?? this.inherited.get(name) ?? this.block.settings.get(name)
  }

  has(name: string): boolean {
    return this.find(name) !== undefined
  }

  text(name: string): string {
    const value = this.find(name)
    if (value === undefined) throw this.#wrong(`no ${name}`)
    return value
  }

  bytes(name: string): Uint8Array {
    return this.#hex(name, this.text(name))
  }

  /** The same for a value that was written as a number: the first digit is missing where it would be a zero. */
  numberBytes(name: string): Uint8Array {
    const digits = this.text(name)
    return this.#hex(name, digits.length % 2 === 1 ? `0${digits}` : digits)
  }

  /** Every value of a name that one block uses more than once, in order. */
  allBytes(name: string): Uint8Array[] {
    return this.block.fields.filter((field) => field.name === name).map(({ value }) => this.#hex(name, value))
  }

  /** A number in hexadecimal. */
  integer(name: string): bigint {
    return hexInteger(this.text(name)) ?? this.#throw(`${name} is no number in hexadecimal`)
  }

  /** A number in decimal. */
  count(name: string): number {
    const value = this.text(name)
    return /^\d+$/.test(value) ? Number(value) : this.#throw(`${name} is no number: ${value}`)
  }

  #hex(name: string, value: string): Uint8Array {
    return hexBytes(value) ?? this.#throw(`${name} is not in hexadecimal`)
  }

  #wrong(what: string): VectorError {
    return new VectorError('VECTORS_FIELD', `${this.path}:${this.block.line}: ${what}`)
  }

  #throw(what: string): never {
    throw this.#wrong(what)
  }
}

/** A file of such text. */
export class NistFile {
  /** All comments, and what stands before the first line of data. */
  readonly comments: string
  readonly #blocks: readonly Block[]
  readonly #strange: { readonly line: number; readonly text: string } | undefined

  constructor(
    readonly path: string,
    content: string,
  ) {
    const { comments, blocks, strange } = parse(content)
    this.comments = comments.join('\n')
    this.#blocks = blocks
    this.#strange = strange
  }

  /** Whether all these names stand before an equals sign somewhere. */
  hasFields(...names: readonly string[]): boolean {
    return names.every((name) =>
      this.#blocks.some(({ fields, settings }) => settings.has(name) || fields.some((field) => field.name === name)),
    )
  }

  /** Whether some section line without an assignment is like this. */
  hasSection(pattern: RegExp): boolean {
    return this.#blocks.some(({ titles }) => titles.some((title) => pattern.test(title)))
  }

  /** Complains about the first line that is none of this format. */
  checkSyntax(): void {
    if (this.#strange === undefined) return
    const { line, text } = this.#strange
    throw new VectorError('VECTORS_SYNTAX', `${this.path}:${line}: not a line of a NIST file: ${text.slice(0, 60)}`)
  }

  /**
   * Every block with one of these fields, as a vector; with no name given, every block. `carried` are fields that hold for the
   * vectors behind one that has them too.
   */
  *vectors(names: readonly string[] = [], carried: readonly string[] = []): Generator<Vector> {
    const inherited = new Map<string, string>()
    for (const block of this.#blocks) {
      const marked = names.length === 0 || block.fields.some(({ name }) => names.includes(name))
      for (const { name, value } of block.fields) if (!marked || carried.includes(name)) inherited.set(name, value)
      if (marked) yield new Vector(this.path, block, inherited)
    }
  }
}

/** Assignments of a section line, `Alen = 0, Plen = 0`; undefined where it is a title. */
function assignments(text: string): Field[] | undefined {
  const parts = text.split(',').map((part) => /^\s*([A-Za-z]\w*)\s*=\s*(\S+)\s*$/.exec(part))
  const fields = parts.map((match) => ({ name: match?.[1] ?? '', value: match?.[2] ?? '' }))
  return parts.includes(null) ? undefined : fields
}

function parse(content: string) {
  const comments: string[] = []
  const blocks: Block[] = []
  let strange: { line: number; text: string } | undefined
  let titles: readonly string[] = []
  let dataSince = false
  let settings: ReadonlyMap<string, string> = new Map()
  let open: { line: number; fields: Field[]; fails: boolean } | undefined

  const close = () => {
    if (open === undefined) return
    blocks.push({ ...open, titles, settings })
    dataSince = true
    open = undefined
  }

  content.split(/\r?\n/).forEach((raw, index) => {
    const line = index + 1
    const text = raw.trim()
    if (text === '') {
      close()
    } else if (text.startsWith('#')) {
      comments.push(text.slice(1).trim())
    } else if (/^\s/.test(raw) || text.startsWith('**') || !/\w/.test(text)) {
      // Intermediate values, which some files show indented or under a line with asterisks; lines of mere signs.
    } else if (text.startsWith('[')) {
      close()
      const inside = text.replace(/^\[\s*/, '').replace(/\s*\]$/, '')
      const assigned = assignments(inside)
      if (assigned === undefined) {
        titles = dataSince ? [inside] : [...titles, inside]
        dataSince = false
      } else settings = new Map([...settings, ...assigned.map(({ name, value }): [string, string] => [name, value])])
    } else {
      const [, name, value] = /^([A-Za-z][\w ]*?)\s*=\s*(.*)$/.exec(text) ?? []
      if (name !== undefined && value !== undefined) {
        open ??= { line, fields: [], fails: false }
        open.fields.push({ name, value })
      } else if (text === 'FAIL') {
        open ??= { line, fields: [], fails: false }
        open.fails = true
      } else {
        strange ??= { line, text }
      }
    }
  })
  close()
  return { comments, blocks, strange }
}
