import type { Row, RowSpec } from './bench.js'

/** Three significant digits and no exponent. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  const digits = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)))
  const text = value.toFixed(Math.max(0, 2 - digits))
  const [whole = '', fraction] = text.split('.')
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',')
  return fraction === undefined ? grouped : `${grouped}.${fraction}`
}

/** How far the rounds lie apart, in parts of the median. */
function spread({ ratio, min, max }: Row): string {
  if (ratio === null || min === null || max === null) return ''
  return `${Math.round((100 * (max - min)) / ratio)} %`
}

function target({ ratio, target: wanted }: RowSpec): string {
  if (wanted === undefined) return ratio === 'speed' ? 'more' : 'less'
  return `${ratio === 'speed' ? '>=' : '<='} ${wanted}`
}

const HEAD = ['id', 'ours', 'unit', 'baseline', 'against', 'ratio', 'min', 'max', 'spread', 'runs', 'wanted'] as const
const NUMBERS: ReadonlySet<string> = new Set(['ours', 'baseline', 'ratio', 'min', 'max', 'spread', 'runs'])

function cells(spec: RowSpec, row: Row): string[] {
  if (row.ratio === null)
    return [row.id, '', row.unit, '', row.baselineName, `not measured: ${row.notMeasured ?? 'unknown'}`]
  const numbers = [row.ratio, row.min, row.max].map((value) => (value === null ? '' : figure(value)))
  const [ours, baseline] = [row.ours, row.baseline].map((value) => (value === null ? '' : figure(value)))
  return [
    row.id,
    ours ?? '',
    row.unit,
    baseline ?? '',
    row.baselineName,
    ...numbers,
    spread(row),
    String(row.runs),
    target(spec),
  ]
}

/** The lines of the table, head first. A row that was not measured runs on over the columns of its numbers. */
export function tableLines(rows: readonly { readonly spec: RowSpec; readonly row: Row }[]): string[] {
  const body = rows.map(({ spec, row }) => cells(spec, row))
  const widths = HEAD.map((name, column) =>
    Math.max(
      name.length,
      ...body.filter((line) => line.length === HEAD.length).map((line) => line[column]?.length ?? 0),
    ),
  )
  // The columns before the ratio are filled in every row.
  for (let column = 0; column < 5; column++) {
    widths[column] = Math.max(widths[column] ?? 0, ...body.map((line) => line[column]?.length ?? 0))
  }
  const pad = (text: string, column: number): string => {
    const width = widths[column] ?? 0
    return NUMBERS.has(HEAD[column] ?? '') && !text.startsWith('not measured')
      ? text.padStart(width)
      : text.padEnd(width)
  }
  return [[...HEAD], ...body].map((line) => line.map(pad).join('  ').trimEnd())
}
