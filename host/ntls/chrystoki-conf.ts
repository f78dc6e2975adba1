// The client's configuration file in the vendor's syntax: `Section = {`, `Key = value;`, `}`. What nobody changes stays as it was, byte for byte.

export type ChrystokiErrorCode =
  /** The text is not of this syntax; the message has the line. */
  | 'CONF_SYNTAX'
  /** What was asked for is there twice; the message has the second line. */
  | 'CONF_AMBIGUOUS'
  /** A name or value that the syntax has no room for. */
  | 'CONF_VALUE'

/** What is wrong with a configuration file; `line` counts from 1, undefined where it is about a value that is not in the file yet. */
export class ChrystokiError extends Error {
  override readonly name = 'ChrystokiError'
  constructor(
    readonly code: ChrystokiErrorCode,
    message: string,
    readonly line?: number,
  ) {
    super(line === undefined ? message : `line ${line}: ${message}`)
  }
}

/** `before` is all since the last token: white space and comments. Strings hold one byte per character. */
interface Entry {
  before: string
  readonly key: string
  /** The equals sign and the spaces around it. */
  readonly equals: string
  value: string
  /** Spaces and the semicolon. */
  readonly end: string
  readonly line: number
}

interface Section {
  readonly before: string
  readonly name: string
  /** From the name to the brace, inclusive. */
  readonly opening: string
  readonly entries: Entry[]
  /** White space and comments before the closing brace. */
  ending: string
  readonly line: number
}

const INDENT = '   '
/** White space and comments; a comment begins with # and ends with its line. */
const TRIVIA = /(?:[ \r\n]|#[^\n]*)*/y
const NAME = /[^={};#\r\n]*/y
const OPENING = / *= *(?:\r?\n *)?\{/y
const EQUALS = / *= */y
const VALUE = /[^;{}\r\n]*/y

/** A configuration, as it was read and as far as it was changed. */
export class ChrystokiConf {
  readonly #sections: Section[]
  #tail: string

  private constructor(sections: Section[], tail: string) {
    this.#sections = sections
    this.#tail = tail
  }

  /** Reads the bytes of a file. @throws ChrystokiError CONF_SYNTAX */
  static parse(bytes: Uint8Array): ChrystokiConf {
    // One character per byte: what is no UTF-8 survives too.
    const { sections, tail } = new Scanner(Buffer.from(bytes).toString('latin1')).document()
    return new ChrystokiConf(sections, tail)
  }

  toBytes(): Buffer {
    const sections = this.#sections.map(({ before, name, opening, entries, ending }) => {
      const lines = entries.map((entry) => `${entry.before}${entry.key}${entry.equals}${entry.value}${entry.end}`)
      return `${before}${name}${opening}${lines.join('')}${ending}}`
    })
    return Buffer.from(`${sections.join('')}${this.#tail}`, 'latin1')
  }

  /** The value of a key; undefined = it is not there. @throws ChrystokiError CONF_AMBIGUOUS */
  get(section: string, key: string): string | undefined {
    const entry = this.#entry(this.#section(section), key)
    return entry && toText(entry.value)
  }

  /** All keys of a section with their values, in their order. @throws ChrystokiError CONF_AMBIGUOUS */
  entries(section: string): { readonly key: string; readonly value: string; readonly line: number }[] {
    const found = this.#section(section)
    return (found?.entries ?? []).map(({ key, value, line }) => ({ key: toText(key), value: toText(value), line }))
  }

  /** Changes a value in its place, or adds the key at the end of its section, the section at the end of the file. @throws ChrystokiError CONF_VALUE, CONF_AMBIGUOUS */
  set(section: string, key: string, value: string): void {
    const bytes = checkedValue(value)
    const name = checkedName(section)
    const found = this.#section(section)
    const entry = this.#entry(found, key)
    if (entry) entry.value = bytes
    else addEntry(found ?? this.#addSection(name), { key: checkedName(key), value: bytes }, this.#newline())
  }

  /** Takes a key out of its section, if it is there. @throws ChrystokiError CONF_AMBIGUOUS */
  remove(section: string, key: string): void {
    const found = this.#section(section)
    const entry = this.#entry(found, key)
    if (found && entry) removeEntry(found, entry)
  }

  #section(section: string): Section | undefined {
    const name = toBytes(section)
    const [first, second] = this.#sections.filter((one) => one.name === name)
    if (second) throw new ChrystokiError('CONF_AMBIGUOUS', `section "${section}" is there twice`, second.line)
    return first
  }

  #entry(section: Section | undefined, key: string): Entry | undefined {
    const name = toBytes(key)
    const [first, second] = section?.entries.filter((one) => one.key === name) ?? []
    if (second) throw new ChrystokiError('CONF_AMBIGUOUS', `"${key}" is there twice in its section`, second.line)
    return first
  }

  #addSection(name: string): Section {
    const newline = this.#newline()
    const isFirst = this.#sections.length === 0 && this.#tail === ''
    const gap = isFirst ? '' : this.#tail.endsWith('\n') ? newline : `${newline}${newline}`
    const before = `${this.#tail}${gap}`
    const section: Section = { before, name, opening: ' = {', entries: [], ending: newline, line: 0 }
    this.#sections.push(section)
    this.#tail = newline
    return section
  }

  /** As the file ends its lines. */
  #newline(): string {
    return this.toBytes().includes('\r\n') ? '\r\n' : '\n'
  }
}

function addEntry(section: Section, { key, value }: { key: string; value: string }, newline: string): void {
  const last = section.entries.at(-1)
  const equals = last?.equals ?? ' = '
  const stop = section.ending.indexOf('\n')
  const indent = last?.before.includes('\n') ? last.before.slice(last.before.lastIndexOf('\n') + 1) : INDENT
  const entry = { key, equals, value, end: ';', line: 0 }
  if (stop < 0) {
    // The closing brace stands in the line of the last key, or of the opening one.
    const ownLine = !last || last.before.includes('\n')
    section.entries.push({ ...entry, before: ownLine ? `${newline}${indent}` : ' ' })
    if (!last) section.ending = newline
    return
  }
  // A comment in the line of the last key stays there.
  const at = section.ending.charAt(stop - 1) === '\r' ? stop - 1 : stop
  section.entries.push({ ...entry, before: `${section.ending.slice(0, at)}${newline}${indent}` })
  section.ending = section.ending.slice(at)
}

function removeEntry(section: Section, entry: Entry): void {
  const index = section.entries.indexOf(entry)
  section.entries.splice(index, 1)
  const next = section.entries[index]
  const behind = next ? next.before : section.ending
  // Comments above it stay; one behind it in its line may speak of what follows, and stays too.
  const newline = entry.before.lastIndexOf('\n')
  const cut = entry.before.charAt(newline - 1) === '\r' ? newline - 1 : newline
  const kept = newline < 0 ? behind : behind.includes('\n') ? `${entry.before.slice(0, cut)}${behind}` : entry.before
  if (next) next.before = kept
  else section.ending = kept
}

const toBytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')
const toText = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('utf8')
/** Spaces only: other white space of JavaScript may be half a character here. */
const trimEnd = (text: string): string => text.replace(/ +$/, '')

const isControl = (text: string): boolean => [...text].some((one) => one < ' ' || one === '\u007f')

/** @throws ChrystokiError CONF_VALUE */
function checkedValue(value: string): string {
  if (isControl(value) || /[;{}]/.test(value) || /^ | $/.test(value)) {
    throw new ChrystokiError('CONF_VALUE', `${JSON.stringify(value)} cannot be a value of a configuration file`)
  }
  return toBytes(value)
}

/** @throws ChrystokiError CONF_VALUE */
function checkedName(name: string): string {
  if (name === '' || isControl(name) || /[;{}=#]/.test(name) || /^ | $/.test(name)) {
    throw new ChrystokiError('CONF_VALUE', `${JSON.stringify(name)} cannot be a name in a configuration file`)
  }
  return toBytes(name)
}

class Scanner {
  #at = 0

  constructor(private readonly text: string) {
    const bad = [...text].findIndex((one) => (one < ' ' && one !== '\n' && one !== '\r') || one === '\u007f')
    if (bad < 0) return
    const what = text.charAt(bad) === '\t' ? 'a TAB, which the client does not take: use spaces' : 'a control character'
    throw new ChrystokiError('CONF_SYNTAX', what, this.#lineOf(bad))
  }

  document(): { sections: Section[]; tail: string } {
    const sections: Section[] = []
    for (;;) {
      const before = this.#take(TRIVIA)
      if (this.#at === this.text.length) return { sections, tail: before }
      sections.push(this.#section(before))
    }
  }

  #section(before: string): Section {
    const line = this.#lineOf(this.#at)
    const name = this.#name()
    if (name === '') throw this.#error(`the name of a section was expected, not '${this.#next()}'`)
    const opening = this.#take(OPENING)
    if (opening === '') throw this.#error(`'= {' was expected behind the section's name "${toText(name)}"`)
    const entries: Entry[] = []
    for (;;) {
      const between = this.#take(TRIVIA)
      if (this.#next() === '}') {
        this.#at++
        return { before, name, opening, entries, ending: between, line }
      }
      if (this.#at === this.text.length) throw this.#error(`section "${toText(name)}" of line ${line} is not closed`)
      entries.push(this.#entry(between))
    }
  }

  #entry(before: string): Entry {
    const line = this.#lineOf(this.#at)
    const key = this.#name()
    if (key === '') throw this.#error(`a key was expected, not '${this.#next()}'`)
    const equals = this.#take(EQUALS)
    if (equals === '') throw this.#error(`'=' was expected behind "${toText(key)}"`)
    const value = trimEnd(this.#peek(VALUE))
    this.#at += value.length
    const spaces = this.#take(/ */y)
    if (this.#next() !== ';') throw this.#error(`the value of "${toText(key)}" has no ';' behind it`)
    this.#at++
    return { before, key, equals, value, end: `${spaces};`, line }
  }

  #name(): string {
    const name = trimEnd(this.#peek(NAME))
    this.#at += name.length
    return name
  }

  #peek(pattern: RegExp): string {
    pattern.lastIndex = this.#at
    return pattern.exec(this.text)?.[0] ?? ''
  }

  #take(pattern: RegExp): string {
    const taken = this.#peek(pattern)
    this.#at += taken.length
    return taken
  }

  #next(): string {
    return this.text.charAt(this.#at)
  }

  #error(message: string): ChrystokiError {
    return new ChrystokiError('CONF_SYNTAX', message, this.#lineOf(this.#at))
  }

  #lineOf(at: number): number {
    return this.text.slice(0, at).split('\n').length
  }
}
