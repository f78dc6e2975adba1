/** Shells whose words we write. */
export const SHELLS = ['sh', 'fish', 'csh', 'powershell'] as const
export type Shell = (typeof SHELLS)[number]

/** A line that sets a variable for the shell and the programs that it starts, whatever characters the value has. */
export function assignment(shell: Shell, name: string, value: string): string {
  switch (shell) {
    case 'sh':
      return `export ${name}='${value.replaceAll("'", `'\\''`)}'`
    case 'fish':
      return `set -gx ${name} '${value.replace(/[\\']/g, '\\$&')}'`
    case 'csh':
      // A history event is looked for within quotes, too, and a line ends there unless it is escaped.
      // `eval` makes one line of them all: each ends in a semicolon.
      return `setenv ${name} '${value.replaceAll("'", `'\\''`).replace(/[!\n]/g, '\\$&')}';`
    case 'powershell':
      // Its typographic single quotes end a text just as the plain one does.
      return `$env:${name} = '${value.replace(/['\u2018-\u201b]/g, '$&$&')}'`
  }
}

/** A word for a Unix shell in a sentence: as it is where no shell would read more into it, in quotes where one would. */
export function shellWord(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word
  return /["$`\\!]/.test(word) ? `'${word.replaceAll("'", `'\\''`)}'` : `"${word}"`
}
