import type { Token } from '../board/index.js'
import type { Card } from '../ntls/index.js'
import type { LabLatency } from './lab-file.js'

const KILOBYTE = 1024

/**
 * The token's command port, as slow as a device of that latency. Commands wait side by side: a real one that works on
 * one thing at a time is slower still.
 */
export function withLatency(token: Token, { command = 0, kilobyte = 0 }: LabLatency): Card {
  const wait = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time))
  return {
    closed: token.closed,
    async exchange(frame) {
      const answer = await token.exchange(frame)
      await wait(command + (kilobyte * (frame.length + answer.length)) / KILOBYTE)
      return answer
    },
  }
}
