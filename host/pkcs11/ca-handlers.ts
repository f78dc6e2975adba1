// The vendor's extension over TokenClient: what the token has is real, what the real HSM would refuse here is refused the same way.

import { caCalls } from './ca-calls.js'
import { firmware } from './general.js'
import { type Handler, on, onSession } from './handlers.js'

export const caHandlers: readonly Handler[] = [
  on(caCalls.getFirmwareVersion, async (app, id): Promise<[number, number, number]> => {
    const { major, minor, patch } = firmware(await app.clientOf(await app.presentSlot(id)).status())
    return [major, minor, patch]
  }),
  onSession(caCalls.getSessionInfo, async (session): Promise<[number, number, number, number]> => {
    const { access } = session.client
    const { role } = await session.client.sessionInfo(session.token)
    return [Number(access >> 32n), Number(access & 0xffffffffn), session.slot.partition, role === undefined ? 0 : 1]
  }),
]
