// What programs in the guest have in common.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)
/** Milliseconds between looks at a kernel that has no event for us. */
const LOOK = 200

export function check(holds: boolean, what: string): void {
  process.stdout.write(`${holds ? 'ok    ' : 'FAILED'} ${what}\n`)
  if (!holds) process.exitCode = 1
}

/** What a program says, whether it succeeds or not. */
export async function output(program: string, ...args: string[]): Promise<string> {
  try {
    const { stdout, stderr } = await run(program, args)
    return stdout + stderr
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Waits for the kernel; the guest's time limit ends what never comes. */
export async function found<Found>(look: () => Found | undefined | Promise<Found | undefined>): Promise<Found> {
  for (;;) {
    const one = await look()
    if (one !== undefined) return one
    await new Promise((resolve) => setTimeout(resolve, LOOK))
  }
}

/** The same for what is or is not. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  await found(async () => ((await holds()) ? true : undefined))
}

/** Whether the kernel has our device. */
export const shows = async (): Promise<boolean> => (await output('lsusb')).includes('1209:4c48')

/** A line of `lsusb -v` that finds something wrong. */
export const COMPLAINT = /.*(missing|can't|cannot|couldn't|error|invalid|warning|unrecognized|junk|too short|!).*/i

/** `lsusb -v` of our device. @param usbVersion as it is printed */
export async function checkDescriptors(usbVersion: string): Promise<void> {
  const verbose = await output('lsusb', '-v', '-d', '1209:4c48')
  const lines = [`bcdUSB               ${usbVersion}`, 'iSerial                 3 700101', 'bNumEndpoints           3']
  for (const line of lines) check(verbose.includes(line), `lsusb -v: ${line}`)
  const complaint = COMPLAINT.exec(verbose)
  check(complaint === null, `lsusb -v has no complaint${complaint ? `: ${complaint[0].trim()}` : ''}`)
}
