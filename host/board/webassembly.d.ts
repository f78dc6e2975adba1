// Globals of Node that @types/node 20 leaves to the DOM library, which this project does not load.

type BufferSource = ArrayBufferView | ArrayBuffer

declare namespace WebAssembly {
  class Module {
    constructor(bytes: BufferSource)
  }
  class Instance {
    readonly exports: Record<string, unknown>
  }
  class Memory {
    readonly buffer: ArrayBuffer
  }
  class Global {
    value: number | bigint
  }
  class Table {
    readonly length: number
  }
}
