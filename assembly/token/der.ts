// The little DER that private keys need (X.690): definite lengths of at most two bytes, shortest form.

let end: usize = 0
let content: usize = 0
let contentLength: i32 = 0

/** Content of the last element read. */
export function derContent(): usize {
  return content
}

export function derLength(): i32 {
  return contentLength
}

/** Reads the element with this tag at `p`, inside `limit`; the address behind it, 0 = not there. */
export function derRead(p: usize, limit: usize, tag: i32): usize {
  if (p + 2 > limit || load<u8>(p) !== <u8>tag) return 0
  let n = <u32>load<u8>(p + 1)
  let head: usize = 2
  if (n === 0x81) {
    if (p + 3 > limit) return 0
    n = <u32>load<u8>(p + 2)
    if (n < 0x80) return 0
    head = 3
  } else if (n === 0x82) {
    if (p + 4 > limit) return 0
    n = ((<u32>load<u8>(p + 2)) << 8) | <u32>load<u8>(p + 3)
    if (n < 0x100) return 0
    head = 4
  } else if (n > 0x7f) return 0
  if (<usize>n > limit - p - head) return 0
  content = p + head
  contentLength = <i32>n
  end = content + <usize>n
  return end
}

/** A non-negative INTEGER without its sign byte. */
export function derUnsigned(p: usize, limit: usize): usize {
  const next = derRead(p, limit, 0x02)
  if (next === 0 || contentLength === 0 || (load<u8>(content) & 0x80) !== 0) return 0
  if (load<u8>(content) === 0 && contentLength > 1) {
    if ((load<u8>(content + 1) & 0x80) === 0) return 0
    content++
    contentLength--
  }
  return next
}

// ---- writing, from the end towards the front: lengths are then known ---------------------------------------------------

let at: usize = 0
let stop: usize = 0

export function derBegin(limit: usize): void {
  at = limit
  stop = limit
}

export function derStart(): usize {
  return at
}

export function derTotal(): i32 {
  return <i32>(stop - at)
}

export function derPut(p: usize, n: i32): void {
  at -= <usize>n
  memory.copy(at, p, n)
}

export function derByte(v: i32): void {
  at--
  store<u8>(at, <u8>v)
}

/** Wraps everything written since `mark` (an earlier `derStart`). */
export function derWrap(tag: i32, mark: usize): void {
  const n = <i32>(mark - at)
  if (n > 0xff) {
    derByte(n & 0xff)
    derByte(n >> 8)
    derByte(0x82)
  } else {
    derByte(n)
    if (n > 0x7f) derByte(0x81)
  }
  derByte(tag)
}

export function derPutUnsigned(p: usize, n: i32): void {
  const mark = at
  let from = p
  let left = n
  while (left > 1 && load<u8>(from) === 0) {
    from++
    left--
  }
  derPut(from, left)
  if ((load<u8>(from) & 0x80) !== 0) derByte(0)
  derWrap(0x02, mark)
}
