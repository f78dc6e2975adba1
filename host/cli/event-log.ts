import { closeSync, openSync, writeSync } from 'node:fs'
import { LabError } from '../lab/index.js'

/** Something that happened: its name, and what belongs to it. Nothing in it is secret. */
export interface LoggedEvent {
  readonly event: string
}

export const LOG_LEVELS = ['debug', 'info', 'warning', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Events that say that something is wrong; and those that only a search for a fault needs. All others are `info`. */
const LEVELS: Readonly<Record<string, LogLevel>> = {
  fault: 'warning',
  'remote-refused': 'warning',
  'remote-idle': 'warning',
  conflict: 'warning',
  noise: 'warning',
  question: 'debug',
  request: 'debug',
}

/** A log of events: a JSON object in each line, with its time and level. */
export interface EventLog {
  write(event: LoggedEvent): void
  close(): void
}

/** @param path appended to; undefined = no log. @throws LabError LAB_IO */
export function openEventLog(path: string | undefined, least: LogLevel = 'debug'): EventLog {
  if (path === undefined) return { write: () => undefined, close: () => undefined }
  let fd: number
  try {
    fd = openSync(path, 'a', 0o600)
  } catch (cause) {
    throw new LabError('LAB_IO', `the log ${path} cannot be written`, { cause })
  }
  return {
    write(event) {
      const level = LEVELS[event.event] ?? 'info'
      if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(least)) return
      writeSync(fd, `${JSON.stringify({ time: new Date().toISOString(), level, ...event })}\n`)
    },
    close: () => closeSync(fd),
  }
}
