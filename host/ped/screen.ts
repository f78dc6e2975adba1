import type { PedKind } from './kinds.js'

export const LCD_LINES = 8
export const LCD_COLUMNS = 23

const SLOT = 'SLOT 01'

/** Text from elsewhere, such as a partition label: only what the display has, so that no label steers a terminal. */
export const displayable = (text: string) => text.replace(/[^\x20-\x7e]/gu, '?')

/** Exactly LCD_LINES lines, each cut at LCD_COLUMNS. */
export function lcd(lines: readonly string[]): string[] {
  return Array.from({ length: LCD_LINES }, (_, i) => displayable(lines[i] ?? '').slice(0, LCD_COLUMNS))
}

/** The display as a terminal shows it: LCD_LINES rows in a frame. */
export function drawn(lines: readonly string[]): string[] {
  const edge = `+${'-'.repeat(LCD_COLUMNS + 2)}+`
  return [edge, ...lcd(lines).map((line) => `| ${line.padEnd(LCD_COLUMNS)} |`), edge]
}

export const idle = (remote: boolean) => [remote ? 'Remote PED mode' : 'SCP mode', 'Awaiting command...']
export const notConnected = ['PED', 'Not connected']

/** What one request of the HSM is about. */
export interface Topic {
  readonly kind: PedKind
  readonly making: boolean
  /** Whose secret, as the HSM says. */
  readonly subject: string
}

const heading = ({ kind, making, subject }: Topic) => [
  SLOT,
  making ? kind.making : kind.reading,
  ...(subject ? [subject] : []),
]

/** `place` = which key of how many, where a keyset is split. */
export const insertKey = (topic: Topic, place?: { readonly number: number; readonly of: number }) => [
  ...heading(topic),
  'Insert a',
  topic.kind.title,
  `PED Key (${topic.kind.colour}).`,
  'Press ENTER.',
  ...(place ? [`Key ${place.number} of ${place.of}`] : []),
]
export const mValue = (topic: Topic) => [...heading(topic), 'M value? (1-16)', '>01']
export const nValue = (topic: Topic, m: number) => [
  ...heading(topic),
  'N value? (M-16)',
  `>${String(m).padStart(2, '0')}`,
]
export const reuse = (topic: Topic) => [...heading(topic), 'Would you like to', 'reuse an existing', 'keyset? (Y/N)']
export const overwrite = (topic: Topic, found: PedKind) => [
  ...heading(topic),
  '**** WARNING!! ****',
  'This PED Key is for',
  found.title,
  'Overwrite? (YES/NO)',
]
export const enterPin = (topic: Topic) => [...heading(topic), 'Enter PED PIN:']
export const newPin = (topic: Topic) => [...heading(topic), 'Enter new PED PIN:']
export const confirmPin = (topic: Topic) => [...heading(topic), 'Confirm new PED PIN:']
export const duplicate = (topic: Topic) => [...heading(topic), 'Are you duplicating', 'this keyset? (Y/N)']

/** Lines for a text that the HSM wants read, or undefined where it does not fit on the display. */
export function show(text: string): string[] | undefined {
  const rows = displayable(text).match(new RegExp(`.{1,${LCD_COLUMNS}}`, 'g')) ?? []
  const lines = [SLOT, ...rows, 'Press ENTER.']
  return lines.length <= LCD_LINES ? lines : undefined
}
