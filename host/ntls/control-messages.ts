// What goes over the appliance's control socket: JSON documents, one a line, requests and answers told apart by their id.

import type { Socket } from 'node:net'
import { MAX_FRAME } from '../../assembly/protocol.js'

/** Of the socket in the appliance's folder. */
export const CONTROL_SOCKET = 'control'
/** Bytes of a line: the longest command frame in base64, and some words. */
export const LINE_MAX = Math.ceil(MAX_FRAME / 3) * 4 + 4096
/** Requests of one connection that may be under way. */
export const PENDING_MAX = 64

export interface ControlRequest {
  readonly id: number
  readonly ask: 'state' | 'exchange' | 'connect-ped' | 'disconnect-ped' | 'restart' | 'stop'
  /** Name of the HSM; left out where the request is not about one. */
  readonly hsm?: string | undefined
  /** A command frame in base64. */
  readonly frame?: string | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
}

/** The service as it runs. */
export interface ControlState {
  readonly process: number
  readonly host: string
  readonly port: number
  readonly connections: number
  /** Where PED servers may call the appliance; left out where they may not. */
  readonly peds?: { readonly host: string; readonly port: number } | undefined
  readonly hsms: readonly ControlHsm[]
}

/** An HSM that the service has switched on. */
export interface ControlHsm {
  readonly name: string
  /** Decimal. */
  readonly serial: string
}

export interface ControlAnswer {
  readonly id: number
  readonly frame?: string | undefined
  readonly state?: ControlState | undefined
  readonly error?: { readonly code: string; readonly message: string } | undefined
}

type Fields = ReadonlyMap<string, unknown>

/** @throws Error where the line is no such document */
export function readRequest(line: string): ControlRequest {
  const fields = fieldsOf(line)
  const ask = ASKS.find((known) => known === fields.get('ask'))
  const id = numberIn(fields, 'id')
  if (ask === undefined || id === undefined) throw new Error('it asks for nothing that is known')
  return {
    id,
    ask,
    hsm: textIn(fields, 'hsm'),
    frame: textIn(fields, 'frame'),
    host: textIn(fields, 'host'),
    port: numberIn(fields, 'port'),
  }
}

const ASKS = ['state', 'exchange', 'connect-ped', 'disconnect-ped', 'restart', 'stop'] as const

/** @throws Error where the line is no such document */
export function readAnswer(line: string): ControlAnswer {
  const fields = fieldsOf(line)
  const id = numberIn(fields, 'id')
  if (id === undefined) throw new Error('it answers nothing')
  const [state, error] = [objectIn(fields, 'state'), objectIn(fields, 'error')]
  const hsms = state?.get('hsms')
  const peds = state && objectIn(state, 'peds')
  return {
    id,
    frame: textIn(fields, 'frame'),
    state: state && {
      process: numberIn(state, 'process') ?? 0,
      host: textIn(state, 'host') ?? '',
      port: numberIn(state, 'port') ?? 0,
      connections: numberIn(state, 'connections') ?? 0,
      ...(peds ? { peds: { host: textIn(peds, 'host') ?? '', port: numberIn(peds, 'port') ?? 0 } } : {}),
      hsms: Array.isArray(hsms) ? hsms.flatMap(hsmIn) : [],
    },
    error: error && { code: textIn(error, 'code') ?? 'CONTROL_FAILED', message: textIn(error, 'message') ?? '' },
  }
}

function hsmIn(value: unknown): ControlHsm[] {
  const fields = asFields(value)
  const [name, serial] = [fields && textIn(fields, 'name'), fields && textIn(fields, 'serial')]
  return name === undefined || serial === undefined || !/^\d{1,20}$/.test(serial) ? [] : [{ name, serial }]
}

function fieldsOf(line: string): Fields {
  const fields = asFields(JSON.parse(line))
  if (!fields) throw new Error('it is no object')
  return fields
}

function asFields(value: unknown): Fields | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return new Map<string, unknown>(Object.entries(value))
}

const objectIn = (fields: Fields, name: string): Fields | undefined => asFields(fields.get(name))

function textIn(fields: Fields, name: string): string | undefined {
  const value = fields.get(name)
  return typeof value === 'string' ? value : undefined
}

function numberIn(fields: Fields, name: string): number | undefined {
  const value = fields.get(name)
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

/** Calls `take` with each whole line that comes; a line that is too long, or that `take` throws at, ends the connection. */
export function readLines(socket: Socket, take: (line: string) => void): void {
  let parts: Buffer[] = []
  let length = 0
  socket.on('data', (chunk: Buffer) => {
    let rest = chunk
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      parts.push(rest.subarray(0, end))
      rest = rest.subarray(end + 1)
      const line = Buffer.concat(parts).toString('utf8')
      parts = []
      length = 0
      try {
        if (line.length > LINE_MAX) throw new Error('the line is too long')
        take(line)
      } catch {
        socket.destroy()
        return
      }
    }
    parts.push(rest)
    length += rest.length
    if (length > LINE_MAX) socket.destroy()
  })
}

export function writeLine(socket: Socket, message: ControlRequest | ControlAnswer): void {
  if (socket.writable) socket.write(`${JSON.stringify(message)}\n`)
}
