// Restoring linear memory alone does not restore a module: AssemblyScript keeps top-level variables in wasm globals.
// So that a snapshot can read and set them, every mutable global gets an export under a reserved name.
import binaryen from 'assemblyscript/binaryen'

const RESERVED = '__global_'

/**
 * Exports the mutable globals of a module as `__global_N`, N being the global's index in the module.
 * @param {Uint8Array} wasm
 * @returns {{wasm: Uint8Array, names: string[]}} the new module and the names, ascending
 */
export function exportMutableGlobals(wasm) {
  const module = binaryen.readBinary(wasm)
  try {
    // The compiler leaves no note of the features it used; all of them means: keep every instruction as it is.
    module.setFeatures(binaryen.Features.All)
    const names = []
    for (let index = 0; index < module.getNumGlobals(); index++) {
      const global = binaryen.getGlobalInfo(module.getGlobalByIndex(index))
      if (!global.mutable || global.module) continue
      const name = `${RESERVED}${index}`
      module.addGlobalExport(global.name, name)
      names.push(name)
    }
    const linked = module.emitBinary()
    if (!WebAssembly.validate(linked)) throw new Error('the module with its globals exported is not valid')
    return { wasm: linked, names }
  } finally {
    module.dispose()
  }
}
