import type { GadgetFile } from './gadget-file.js'
import { NO_DATA, outcome, type Urb, type UrbPort, type UrbResult } from './urb.js'

// What moves between an endpoint's file and the device model while a host has the endpoint enabled.

export interface Pump {
  readonly model: UrbPort
  readonly file: Pick<GadgetFile, 'read' | 'write'>
  /** The model's address of the endpoint. */
  readonly address: number
  readonly packetSize: number
  /** Resolves when the endpoint is no longer enabled. */
  readonly over: Promise<void>
}

/** Bytes of one read or write: a whole number of packets at any speed. */
const ROOM = 65_536
const EMPTY = new Uint8Array(0)
const WRONG_WAY = Uint8Array.of(0)
const EINTR = 4
const [OUT_ENDPOINT, CLEAR_FEATURE, ENDPOINT_HALT] = [0x02, 1, 0]

function submit({ model, over }: Pump, urb: Urb): Promise<UrbResult> {
  return new Promise((resolve) => {
    const cancel = model.submit(urb, resolve)
    over.then(() => {
      cancel()
      resolve(outcome('gone'))
    })
  })
}

/** From the host to the model. Resolves when the endpoint is no longer enabled. */
export async function pumpOut(pump: Pump): Promise<void> {
  const { file, address } = pump
  let isHalted = false
  for (;;) {
    const answer = await file.read(ROOM)
    if ('errno' in answer) {
      if (answer.errno === EINTR) continue
      return
    }
    // The controller takes nothing while the endpoint is halted, and does not say when the host clears that.
    if (isHalted) await submit(pump, clearHalt(address))
    isHalted = false
    const { status } = await submit(pump, { endpoint: address, data: answer.data, length: 0 })
    if (status === 'stall') {
      isHalted = true
      await file.write(WRONG_WAY)
    } else if (status !== 'ok') return
  }
}

function clearHalt(address: number): Urb {
  const setup = { requestType: OUT_ENDPOINT, request: CLEAR_FEATURE, value: ENDPOINT_HALT, index: address, length: 0 }
  return { endpoint: 0, setup, data: NO_DATA, length: 0 }
}

/** From the model to the host. Resolves when the endpoint is no longer enabled. */
export async function pumpIn(pump: Pump): Promise<void> {
  const { file, address, packetSize } = pump
  for (;;) {
    const { status, data } = await submit(pump, { endpoint: address, data: NO_DATA, length: ROOM })
    if (status !== 'ok') return
    let answer = await file.write(data)
    // A transfer that was shorter than it might have been ended with a short packet, be it an empty one.
    const endsEven = data.length > 0 && data.length < ROOM && data.length % packetSize === 0
    if (!('errno' in answer) && endsEven) answer = await file.write(EMPTY)
    if ('errno' in answer) return
  }
}
