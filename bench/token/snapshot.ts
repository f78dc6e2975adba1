// A running token as a file: how long it takes to make one, and to set another token up from it.
import { openBoard, restoreBoard } from '../../host/board/index.js'
import { type Context, type Group, inMilliseconds, type RowSpec, type Samples } from '../harness/bench.js'
import { clockNow, interleave } from '../harness/rounds.js'
import { fill, RECORD_BYTES } from './objects.js'
import { Prepared } from './tokens.js'

const OBJECTS = 1000

const SNAPSHOT: RowSpec = {
  id: 'snapshot',
  unit: 'ms',
  baselineName: 'a copy of its memory',
  ratio: 'cost',
  what: `the snapshot file of a running board with ${OBJECTS} objects, against copying its linear memory`,
  present: inMilliseconds,
}

const FORK: RowSpec = {
  id: 'fork',
  unit: 'ms',
  baselineName: 'its folder opened',
  ratio: 'speed',
  what: `a board with ${OBJECTS} objects from its snapshot, in memory, to the moment it takes commands, against booting it from its folder, both on this thread`,
  present: inMilliseconds,
}

async function measure(context: Context): Promise<readonly [Samples, Samples]> {
  const token = await Prepared.make('hsm', RECORD_BYTES.aes256 * OBJECTS)
  await fill(token, 'aes256', OBJECTS)
  const dir = context.folder('token')
  token.save(dir)
  await token.officer.close()
  const running = await openBoard({ dir })
  const bytes = running.board.snapshot()
  const timed = async (work: () => unknown): Promise<number> => {
    const started = clockNow('wall')
    await work()
    return clockNow('wall') - started
  }
  const rounds = context.quick ? 5 : 15
  const taking = await interleave(
    { snapshot: () => timed(() => running.board.snapshot()), copy: () => timed(() => running.board.memoryImage()) },
    rounds,
  )
  await running.close()
  const restoring = await interleave(
    {
      async fork() {
        const started = clockNow('wall')
        const fork = await restoreBoard({ snapshot: bytes })
        const taken = clockNow('wall') - started
        await fork.close()
        return taken
      },
      async boot() {
        const started = clockNow('wall')
        const board = await openBoard({ dir })
        const taken = clockNow('wall') - started
        await board.close()
        return taken
      },
    },
    rounds,
  )
  const note = `${SNAPSHOT.id}: the file has ${bytes.length} bytes; whoever sees it has every key`
  return [taking.against('snapshot', 'copy', note), restoring.against('fork', 'boot')]
}

export const snapshots: Group = {
  rows: [SNAPSHOT, FORK],
  async measure(_wanted, context) {
    context.progress('snapshots')
    const [taking, restoring] = await measure(context)
    return new Map([
      [SNAPSHOT.id, taking],
      [FORK.id, restoring],
    ])
  },
}
