/** What vectors are counted under. */
export const PRIMITIVES = [
  'AES-ECB',
  'AES-CBC',
  'AES-CTR',
  'AES-KW',
  'AES-KWP',
  'AES-GCM',
  'AES-CCM',
  'AES-CMAC',
  'SHA-1',
  'SHA-2',
  'MD5',
  'HMAC',
  'KBKDF',
  'PBKDF2',
  'HKDF',
  'HMAC_DRBG',
  'EC-KEY',
  'ECDH',
  'ECDSA',
  'RSA-PKCS1',
  'RSA-PSS',
  'RSA-OAEP',
  'TDES',
  'CAST-128',
  'SEED',
  'RC4',
  /** What the firmware does not have: never run. */
  'OTHER',
] as const
export type Primitive = (typeof PRIMITIVES)[number]

export type Outcome =
  | { readonly kind: 'passed' }
  | { readonly kind: 'failed'; readonly why: string }
  | { readonly kind: 'not applicable'; readonly why: string }

/** One vector that was dealt with. */
export interface Result {
  readonly primitive: Primitive
  /** Where it stands: a line, or the number of a test. */
  readonly where: string
  readonly outcome: Outcome
}

export const PASSED: Outcome = { kind: 'passed' }
export const failed = (why: string): Outcome => ({ kind: 'failed', why })
export const notApplicable = (why: string): Outcome => ({ kind: 'not applicable', why })

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const LONG = 64

function shortened(text: string): string {
  return text.length > LONG ? `${text.slice(0, LONG)}… (${text.length / 2} bytes)` : text || 'nothing'
}

/** Passed where the bytes are those expected; undefined = the firmware refused. */
export function compare(what: string, actual: Uint8Array | undefined, expected: Uint8Array): Outcome {
  if (actual === undefined) return failed(`${what}: refused`)
  const [is, should] = [hex(actual), hex(expected)]
  return is === should ? PASSED : failed(`${what} is ${shortened(is)}, not ${shortened(should)}`)
}

/** Passed where the firmware refused. */
export function expectRefusal(what: string, actual: Uint8Array | boolean | undefined): Outcome {
  return actual === undefined || actual === false ? PASSED : failed(`${what}: accepted what must be refused`)
}

/** Passed where a check came out as it must. */
export function expectVerdict(what: string, actual: boolean, expected: boolean): Outcome {
  if (actual === expected) return PASSED
  return failed(expected ? `${what}: refused` : `${what}: accepted what must be refused`)
}

/** The first that did not pass; later ones are not made. */
export function all(...steps: readonly (() => Outcome)[]): Outcome {
  for (const step of steps) {
    const outcome = step()
    if (outcome.kind !== 'passed') return outcome
  }
  return PASSED
}
