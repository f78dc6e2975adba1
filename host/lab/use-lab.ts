import { LabError } from './errors.js'
import { Lab, type LabOptions } from './lab.js'

export interface UseLabOptions extends LabOptions {
  /** Aborting it closes the lab; what is under way then ends with it. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Opens a lab, works in it, closes it whatever happens.
 * @throws LabError LAB_CANCELLED once the signal is aborted; what `Lab.open` and the work throw
 */
export async function useLab<Result>(
  stateDir: string,
  options: UseLabOptions,
  work: (lab: Lab) => Promise<Result>,
): Promise<Result> {
  const { signal } = options
  const lab = await Lab.open(stateDir, options)
  try {
    return signal ? await unlessAborted(signal, () => work(lab)) : await work(lab)
  } finally {
    await lab.close()
  }
}

/** @throws LabError LAB_CANCELLED once the signal is aborted */
export async function unlessAborted<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
  const cancelled = new LabError('LAB_CANCELLED', 'given up')
  if (signal.aborted) throw cancelled
  let giveUp = (): void => undefined
  const aborted = new Promise<never>((_, reject) => {
    giveUp = () => reject(cancelled)
  })
  signal.addEventListener('abort', giveUp, { once: true })
  const working = work()
  // Where it is given up, nobody waits for it any more.
  working.catch(() => undefined)
  try {
    return await Promise.race([working, aborted])
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}
