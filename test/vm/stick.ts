// QEMU's usb-storage as the guest has it, and as it has it through the bridge.
import { mkdirSync, readdirSync, readlinkSync } from 'node:fs'
import { output } from './support.js'

export { check, found, output, until } from './support.js'

export const IDS = '46f4:0001'
export const MOUNT = '/run/stick'

/** The disk whose USB device hangs on a controller of this name. */
export function disk(controller: string): string | undefined {
  return readdirSync('/sys/block').find((name) => name.startsWith('sd') && place(name).includes(controller))
}

/** Empty where it has gone meanwhile. */
function place(name: string): string {
  try {
    return readlinkSync(`/sys/block/${name}`)
  } catch {
    return ''
  }
}

/** @returns what was said; empty = it is mounted */
export function mount(name: string, ...options: string[]): Promise<string> {
  mkdirSync(MOUNT, { recursive: true })
  return output('mount', '-t', 'ext2', ...options, `/dev/${name}`, MOUNT)
}
