import type { Firmware } from './firmware.js'
import type { NistFile } from './nist-text.js'
import type { PublicKeys } from './public-key.js'
import type { Result } from './result.js'

/** What vectors run through. */
export interface Modules {
  readonly firmware: Firmware
  readonly publicKeys: PublicKeys
}

/** One kind of NIST file. */
export interface Family {
  /** By what the file holds, by its name only where that does not say enough. */
  matches(file: NistFile): boolean
  results(file: NistFile, modules: Modules): Iterable<Result>
}
