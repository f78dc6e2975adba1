// The board's peripherals: the only imports of the firmware (SPEC.md §1). Every source of chance or time is one of these.

export declare function flash_size(): i32

export declare function flash_read(offset: u32, target: usize, length: i32): void

/** Clears bits only: new = old AND data. */
export declare function flash_program(offset: u32, source: usize, length: i32): void

export declare function flash_erase(sector: i32): void

/** Returns once everything before it, peripherals included, is durable. */
export declare function flash_sync(): void

export declare function mono_get(): i64

export declare function mono_inc(): i64

export declare function battery_read(region: i32, target: usize, capacity: i32): i32

export declare function battery_write(region: i32, source: usize, length: i32): void

export declare function battery_zeroize(region: i32): void

export declare function split_read(target: usize): i32

export declare function split_write(source: usize): void

export declare function trng(target: usize, length: i32): i32

/** Seconds since 1970, 0 = not set. */
export declare function rtc(): i64

/** Milliseconds since power-up. */
export declare function uptime(): i64

export declare function ped_line(): i32

export declare function tamper_line(): i32

/** Length of the result, or minus a PERIPHERAL status. */
export declare function pka(op: i32, input: usize, inputLength: i32, output: usize, capacity: i32): i32
