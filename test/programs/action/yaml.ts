// As much of YAML as an action's file is written in: maps, lists, block scalars, plain and quoted words.

export type Yaml = string | readonly Yaml[] | YamlMap
export interface YamlMap {
  readonly [key: string]: Yaml
}

interface Line {
  readonly number: number
  readonly indent: number
  readonly text: string
}

/** @throws Error with the line of what is not of that kind */
export function readYaml(text: string): Yaml {
  const all = text.split('\n').map((line, index): Line => {
    const indent = line.length - line.trimStart().length
    return { number: index + 1, indent, text: line.slice(indent).trimEnd() }
  })
  const reader = new Reader(all)
  const value = reader.block(0)
  reader.end()
  return value
}

class Reader {
  #at = 0

  constructor(private readonly lines: readonly Line[]) {}

  end(): void {
    const line = this.#peek()
    if (line) throw new Error(`line ${line.number}: not understood: ${line.text}`)
  }

  /** A list or a map whose lines are indented so far at least. */
  block(least: number): Yaml {
    const first = this.#peek()
    if (!first || first.indent < least) return ''
    return first.text.startsWith('- ') ? this.#list(first.indent) : this.#map(first.indent)
  }

  #list(indent: number): Yaml[] {
    const items: Yaml[] = []
    for (let line = this.#peek(); line?.indent === indent && line.text.startsWith('- '); line = this.#peek()) {
      // What follows the dash is a line of its own, further in.
      const rest = { number: line.number, indent: indent + 2, text: line.text.slice(2) }
      if (/^[\w-]+:( |$)/.test(rest.text)) items.push(this.#map(rest.indent, rest))
      else {
        this.#at++
        items.push(word(rest))
      }
    }
    return items
  }

  #map(indent: number, start?: Line): YamlMap {
    const entries: [string, Yaml][] = []
    for (let line = start ?? this.#peek(); line?.indent === indent; line = this.#peek()) {
      const [, key, rest = ''] = /^([\w-]+):(?: +(.*))?$/.exec(line.text) ?? []
      if (key === undefined) throw new Error(`line ${line.number}: no key: ${line.text}`)
      this.#at++
      const value =
        rest === '|' ? this.#text(indent) : rest === '' ? this.block(indent + 1) : word({ ...line, text: rest })
      entries.push([key, value])
    }
    return Object.fromEntries(entries)
  }

  /** A block scalar: all lines that are further in than its key, less what its first line is in. */
  #text(outer: number): string {
    const lines: string[] = []
    let inner: number | undefined
    for (let line = this.lines[this.#at]; line && (line.text === '' || line.indent > outer); ) {
      if (line.text !== '') inner ??= line.indent
      lines.push(line.text === '' ? '' : ' '.repeat(line.indent - (inner ?? 0)) + line.text)
      line = this.lines[++this.#at]
    }
    return `${lines.join('\n').trimEnd()}\n`
  }

  /** The next line that says something. */
  #peek(): Line | undefined {
    let line = this.lines[this.#at]
    while (line && (line.text === '' || line.text.startsWith('#'))) line = this.lines[++this.#at]
    return line
  }
}

function word({ number, text }: Line): string {
  const [, single, double, plain] =
    /^(?:'((?:[^']|'')*)'|"([^"\\]*)"|([^'"|>[{&*!%@`#](?:[^#]|(?<=\S)#)*?))(?: +#.*)?$/.exec(text) ?? []
  const value = single?.replaceAll("''", "'") ?? double ?? plain
  if (value === undefined) throw new Error(`line ${number}: no word: ${text}`)
  return value
}
