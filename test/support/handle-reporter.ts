// Loaded into every test process by the runner. On SIGUSR2 it says what keeps the process alive and ends it.
// A signal handler does not keep a process alive itself, so a file that ends in order never notices.
process.on('SIGUSR2', () => {
  const open = process.getActiveResourcesInfo().filter((name) => name !== 'PipeWrap')
  process.stderr.write(`still open: ${open.join(', ') || 'nothing (a promise that never settles?)'}\n`, () =>
    process.exit(1),
  )
})
