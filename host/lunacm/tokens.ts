/** One word of a command line. */
export interface Token {
  readonly text: string
  /** It was in double quotes: always a value, never an option name. */
  readonly quoted: boolean
  /** Position in the line, quotes included. */
  readonly start: number
  readonly end: number
}

/** Splits a line at white space; double quotes hold words together. An open quote runs to the end of the line. */
export function tokenize(line: string): { tokens: Token[]; openQuote: boolean } {
  const tokens: Token[] = []
  let at = 0
  while (at < line.length) {
    if (/\s/.test(line.charAt(at))) {
      at++
      continue
    }
    const start = at
    if (line.charAt(at) === '"') {
      const close = line.indexOf('"', at + 1)
      const end = close < 0 ? line.length : close + 1
      tokens.push({ text: line.slice(at + 1, close < 0 ? line.length : close), quoted: true, start, end })
      if (close < 0) return { tokens, openQuote: true }
      at = end
    } else {
      while (at < line.length && !/\s/.test(line.charAt(at))) at++
      tokens.push({ text: line.slice(start, at), quoted: false, start, end: at })
    }
  }
  return { tokens, openQuote: false }
}
