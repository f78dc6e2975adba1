// Health tests of the raw TRNG bytes (SP 800-90B §4.4): repetition count and adaptive proportion, at power-up and then
// over everything that is read. A sample is a byte and is credited with 4 bits of min-entropy, half of what an ideal
// source has; a false alarm has a chance of 2^-30 per sample (repetition) or window (proportion) at that entropy, and
// none worth counting for an ideal source.

/** Bytes to test at power-up before any is used (§4.3, item 4). */
export const TRNG_STARTUP = 1024
/** Repetition count cutoff: 1 + ceil(30 / 4). */
export const TRNG_REPETITION_CUTOFF: u32 = 9
/** Adaptive proportion: window for samples that are not binary, and 1 + critbinom(512, 2^-4, 1 - 2^-30). */
export const TRNG_WINDOW: u32 = 512
export const TRNG_PROPORTION_CUTOFF: u32 = 71

@unmanaged
class Health {
  /** 1 once a test failed, until the reset. */
  failed: u32
  /** The last sample and how often it came in a row; 0 = no sample yet. */
  last: u32
  repeated: u32
  /** First sample of the window, how often it came, and how many samples the window has. */
  first: u32
  matched: u32
  seen: u32
}

const STATE: usize = memory.data(32, 16)

/** Forgets everything, a failure included: power-up. */
export function trngHealthReset(): void {
  memory.fill(STATE, 0, offsetof<Health>())
}

/** Tests `n` bytes at `p` as the continuation of all before. False from the first failure to the next reset. */
export function trngHealth(p: usize, n: i32): bool {
  const h = changetype<Health>(STATE)
  for (let i = 0; i < n; i++) {
    const sample: u32 = load<u8>(p + i)
    h.repeated = h.repeated > 0 && sample === h.last ? h.repeated + 1 : 1
    h.last = sample
    if (h.repeated >= TRNG_REPETITION_CUTOFF) h.failed = 1
    if (h.seen === 0) {
      h.first = sample
      h.matched = 0
    }
    if (sample === h.first) h.matched += 1
    h.seen = h.seen + 1 === TRNG_WINDOW ? 0 : h.seen + 1
    if (h.matched >= TRNG_PROPORTION_CUTOFF) h.failed = 1
  }
  return h.failed === 0
}
