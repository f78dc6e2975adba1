// One file of FunctionFS in a thread of its own: every call waits in the kernel until the host or the controller ends it, and the
// few threads that Node has for files would all be taken.
import { readSync, writeSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'

export type FileOrder =
  | { readonly order: 'read'; readonly fd: number; readonly length: number }
  | { readonly order: 'write'; readonly fd: number; readonly data: Uint8Array }
  | { readonly order: 'stop' }

/** What a call answered; `errno` is positive. */
export type FileAnswer = { readonly data: Uint8Array<ArrayBuffer> } | { readonly errno: number }

const port = parentPort

function call(order: Exclude<FileOrder, { order: 'stop' }>): FileAnswer {
  const { fd } = order
  try {
    if (order.order === 'write') {
      writeSync(fd, order.data, 0, order.data.length, null)
      return { data: new Uint8Array(0) }
    }
    const room = new Uint8Array(order.length)
    return { data: room.slice(0, readSync(fd, room, 0, room.length, null)) }
  } catch (error) {
    const errno = error instanceof Error && 'errno' in error ? error.errno : undefined
    return { errno: typeof errno === 'number' ? Math.abs(errno) : -1 }
  }
}

if (port) {
  port.on('message', (order: FileOrder) => {
    if (order.order === 'stop') port.close()
    else port.postMessage(call(order))
  })
}
