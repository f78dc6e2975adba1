import { connect } from 'node:net'
import { suite } from 'uvu'

const test = suite('sample')
test('says that it runs and waits', () => {
  const socket = connect(process.env.MOONLET_SAMPLE_SOCKET ?? '')
  return new Promise<void>((resolve) => socket.on('close', () => resolve()))
})
test.run()
