// Loaded into every test process by the runner, which hears of it on descriptor 3. On SIGUSR2 it says what keeps the process alive and ends it.
// A signal handler does not keep a process alive itself, so a file that ends in order never notices.
import { closeSync, writeSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

process.on('SIGUSR2', () => {
  const open = process.getActiveResourcesInfo().filter((name) => name !== 'PipeWrap')
  process.stderr.write(`still open: ${open.join(', ') || 'nothing (a promise that never settles?)'}\n`, () =>
    process.exit(1),
  )
})

// Not told to whoever loads this by hand, nor twice by threads of the file.
if (isMainThread && process.env.MOONLET_RUNNER === String(process.ppid)) {
  writeSync(3, '.')
  closeSync(3)
}
