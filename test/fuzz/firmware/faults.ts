// Length checks that the fuzzer has to miss when they are gone: `npm run fuzz -- --fault NAME` compiles the firmware without one.

/** A check, as it stands in the sources exactly once, and what is left without it. */
export interface Fault {
  readonly name: string
  /** Path from the project's folder. */
  readonly file: string
  readonly check: string
  readonly without: string
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'body-end',
    file: 'assembly/commands/frame.ts',
    check: 'n < 0 || <usize>n > end - at',
    without: 'false',
  },
  {
    name: 'body-rest',
    file: 'assembly/commands/frame.ts',
    check: 'return !bad && at === end',
    without: 'return !bad',
  },
  {
    name: 'frame-length',
    file: 'assembly/commands/dispatch.ts',
    check: 'n <= <u32>MAX_BODY && n === <u32>(length - FRAME_HEADER)',
    without: 'true',
  },
  {
    name: 'sealed-length',
    file: 'assembly/commands/channel.ts',
    check: 'if (n < 0) return RC_CHANNEL_INVALID',
    without: '',
  },
  {
    name: 'random-most',
    file: 'assembly/commands/device.ts',
    check: 'n === 0 || n > RANDOM_MAX',
    without: 'n === 0',
  },
  {
    name: 'label-length',
    file: 'assembly/commands/partition.ts',
    check: 'legacy > 1 || labelLength > LABEL_MAX || (legacy',
    without: 'legacy > 1 || (legacy',
  },
  {
    name: 'list-end',
    file: 'assembly/token/attributes.ts',
    check: '<i64>type <= last || size > n - at - 8',
    without: '<i64>type <= last',
  },
  {
    name: 'list-order',
    file: 'assembly/token/attributes.ts',
    check: '<i64>type <= last || size > n - at - 8',
    without: 'size > n - at - 8',
  },
  {
    name: 'list-padding',
    file: 'assembly/token/attributes.ts',
    check: 'for (let i = end; i < next; i++) if (load<u8>(list + i) !== 0) return false',
    without: '',
  },
  {
    name: 'signature-length',
    file: 'assembly/commands/crypt-sign.ts',
    check: 'if (signatureLength !== k) return RC_SIGNATURE_LEN_RANGE',
    without: '',
  },
  {
    name: 'hello-length',
    file: 'assembly/cloning/handshake.ts',
    check: 'n < 1 || n > 8 || length !== M1_SIZE - 2 + 2 * n',
    without: 'n < 1 || n > 8',
  },
  {
    name: 'envelope-inner',
    file: 'assembly/cloning/envelope.ts',
    check: 'size > left || size - <u32>OVERHEAD !== load32be(at + 36)',
    without: 'size > left',
  },
  {
    name: 'envelope-end',
    file: 'assembly/cloning/envelope.ts',
    check: 'size < <u32>OVERHEAD || size > left || size',
    without: 'size < <u32>OVERHEAD || size',
  },
  {
    name: 'result-length',
    file: 'assembly/cloning/source.ts',
    check: 'length !== expectedLength || !obcFrameIs(m4, length, RESULT, s.firstNumber + 1)',
    without: '!obcFrameIs(m4, length, RESULT, s.firstNumber + 1)',
  },
  {
    name: 'ped-ack-length',
    file: 'assembly/ped/channel.ts',
    check: 'return length === PED_HEADER + ACK_BODY && pedFrameIs',
    without: 'return pedFrameIs',
  },
  {
    name: 'ped-frame-length',
    file: 'assembly/ped/channel.ts',
    check: 'return load32be(frame + 12) === <u32>(length - PED_HEADER)',
    without: 'return true',
  },
  {
    name: 'record-room',
    file: 'assembly/flash/mount.ts',
    check: 'length < RECORD_MIN || length > room || (length & 15) !== 0',
    without: 'length < RECORD_MIN',
  },
  {
    name: 'record-inner',
    file: 'assembly/flash/mount.ts',
    check: 'return plain <= length - 124 ? length : 0',
    without: 'return length',
  },
  {
    name: 'superblock-rows',
    file: 'assembly/flash/superblock.ts',
    check: 'if (rows === 0 || rows > <u32>MAX_PARTITIONS + 1) return 0',
    without: '',
  },
]
