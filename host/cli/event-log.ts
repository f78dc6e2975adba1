import { closeSync, openSync, writeSync } from 'node:fs'
import { LabError } from '../lab/index.js'
import { UsageError } from './command-line.js'

/** Something that happened: its name, and what belongs to it. Nothing in it is secret. */
export interface LoggedEvent {
  readonly event: string
  readonly [field: string]: unknown
}

/** From what there is most of to what matters most. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Events that say that something is wrong; and those that only a search for a fault needs. All others are `info`. */
const LEVELS: Readonly<Record<string, LogLevel>> = {
  fault: 'warn',
  refused: 'warn',
  'remote-refused': 'warn',
  'remote-idle': 'warn',
  'ped-gone': 'warn',
  'call-failed': 'warn',
  conflict: 'warn',
  noise: 'warn',
  alert: 'warn',
  limited: 'warn',
  unfit: 'warn',
  failed: 'error',
  question: 'debug',
  request: 'debug',
  answer: 'debug',
}

export const levelOf = ({ event }: LoggedEvent): LogLevel => LEVELS[event] ?? 'info'

/** @param text of `--log-level`; `info` where it was not given. @throws UsageError */
export function readLogLevel(text: string | undefined): LogLevel {
  if (text === undefined) return 'info'
  const level = LOG_LEVELS.find((one) => one === text)
  if (level) return level
  throw new UsageError(`Option '--log-level' takes error, warn, info or debug, not '${text}'`)
}

/** Writes events of a level and those above it: a JSON object in each line, with its time and level. */
export function eventWriter(least: LogLevel, write: (line: string) => void): (event: LoggedEvent) => void {
  return (event) => {
    const level = levelOf(event)
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(least)) return
    write(`${JSON.stringify({ time: new Date().toISOString(), level, ...event })}\n`)
  }
}

/** A log of events in a file. */
export interface EventLog {
  write(event: LoggedEvent): void
  close(): void
}

/** @param path appended to; undefined = no log. @throws LabError LAB_IO */
export function openEventLog(path: string | undefined, least: LogLevel): EventLog {
  if (path === undefined) return { write: () => undefined, close: () => undefined }
  let fd: number
  try {
    fd = openSync(path, 'a', 0o600)
  } catch (cause) {
    throw new LabError('LAB_IO', `the log ${path} cannot be written`, { cause })
  }
  return { write: eventWriter(least, (line) => writeSync(fd, line)), close: () => closeSync(fd) }
}
