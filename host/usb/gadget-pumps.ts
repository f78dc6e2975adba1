import type { Enabled } from './enabled.js'
import type { GadgetFile } from './gadget-file.js'
import { NO_DATA, type Urb, type UrbPort, type UrbStatus } from './urb.js'

// What moves between an endpoint's file and the device model while a host has the endpoint enabled.

export interface Pump {
  readonly model: UrbPort
  readonly file: Pick<GadgetFile, 'isReading' | 'next' | 'took' | 'read' | 'write'>
  /** The model's address of the endpoint. */
  readonly address: number
  readonly packetSize: number
  /**
   * Bytes of one transfer, a whole number of packets at any speed; ROOM unless given. FunctionFS does not say how much a host asks
   * for, so that a transfer ends with a short packet or with these: a device whose transfers may end otherwise is given its packets
   * one by one.
   */
  readonly room?: number | undefined
  /** Over when the endpoint is no longer enabled, or enabled anew. */
  readonly enabled: Enabled
}

export const ROOM = 65_536
const EMPTY = new Uint8Array(0)
const WRONG_WAY = Uint8Array.of(0)
const EINTR = 4
const [OUT_ENDPOINT, CLEAR_FEATURE, ENDPOINT_HALT] = [0x02, 1, 0]
/** After these the device is not the host's any more; after all other failures the host is told by a halt. */
const ENDINGS: ReadonlySet<UrbStatus> = new Set(['gone', 'reset', 'absent'])

/** From the host to the model. Resolves when the endpoint is no longer enabled; a call that is under way then goes on. */
export async function pumpOut(pump: Pump): Promise<void> {
  const { model, file, address, enabled, room = ROOM } = pump
  let isHalted = false
  // One of the time before: it has ended then with that time, or else what it brings is of this.
  let isOld = file.isReading
  for (;;) {
    const answer = await enabled.until(file.next(room))
    if (!answer) return
    file.took()
    const wasOld = isOld
    isOld = false
    if ('errno' in answer) {
      if (wasOld || answer.errno === EINTR) continue
      return
    }
    // The controller takes nothing while the endpoint is halted, and does not say when the host clears that.
    if (isHalted) await enabled.submit(model, clearHalt(address))
    isHalted = false
    const { status } = await enabled.submit(model, { endpoint: address, data: answer.data, length: 0 })
    if (ENDINGS.has(status)) return
    if (status !== 'ok') {
      isHalted = true
      await enabled.until(file.write(WRONG_WAY))
    }
  }
}

function clearHalt(address: number): Urb {
  const setup = { requestType: OUT_ENDPOINT, request: CLEAR_FEATURE, value: ENDPOINT_HALT, index: address, length: 0 }
  return { endpoint: 0, setup, data: NO_DATA, length: 0 }
}

/** From the model to the host. Resolves as that does. */
export async function pumpIn(pump: Pump): Promise<void> {
  const { model, file, address, packetSize, enabled, room = ROOM } = pump
  for (;;) {
    const { status, data } = await enabled.submit(model, { endpoint: address, data: NO_DATA, length: room })
    if (ENDINGS.has(status)) return
    if (status !== 'ok') {
      await enabled.until(file.read(1))
      // The halt at the controller goes when the host clears it; what the model sends until then waits there.
      await enabled.submit(model, clearHalt(address))
      continue
    }
    let answer = await enabled.until(file.write(data))
    // A transfer that was shorter than it might have been ended with a short packet, be it an empty one.
    const endsEven = data.length > 0 && data.length < room && data.length % packetSize === 0
    if (answer && !('errno' in answer) && endsEven) answer = await enabled.until(file.write(EMPTY))
    if (!answer || 'errno' in answer) return
  }
}
