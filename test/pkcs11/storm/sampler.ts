// Loaded into the door's process before it starts: tells its heap, swept, whenever it is asked by a signal.
process.on('SIGUSR2', () => {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  process.stderr.write(`heap ${heapUsed + external}\n`)
})
