import { join } from 'node:path'
import { hsmNamed, lockLab } from './lab.js'
import { type LabHsm, readLabFile } from './lab-file.js'

/** Works on one HSM of a lab that nobody uses meanwhile. */
export async function inLab<Result>(
  stateDir: string,
  name: string,
  work: (hsm: LabHsm, dir: string) => Promise<Result>,
): Promise<Result> {
  const lock = await lockLab(stateDir)
  try {
    const hsm = hsmNamed(readLabFile(stateDir), name)
    return await work(hsm, join(stateDir, hsm.folder))
  } finally {
    await lock.release()
  }
}
