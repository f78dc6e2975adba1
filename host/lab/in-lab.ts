import { join } from 'node:path'
import { hsmNamed } from './lab.js'
import { type LabHsm, readLabFile } from './lab-file.js'

/** Works on the folder of one HSM of a lab, whose own lock keeps others away. @throws LabError LAB_MISSING, LAB_HSM_UNKNOWN */
export async function inLab<Result>(
  stateDir: string,
  name: string,
  work: (hsm: LabHsm, dir: string) => Promise<Result>,
): Promise<Result> {
  const hsm = hsmNamed(readLabFile(stateDir), name)
  return work(hsm, join(stateDir, hsm.folder))
}
