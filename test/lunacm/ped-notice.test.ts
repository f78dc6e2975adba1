// "Please attend to the PED." stands where the PED asks, and nowhere else: both are counted, command by command.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { type Io, Shell } from '../../host/lunacm/index.js'
import { RealLab } from './real-lab.js'

const test = suite('lunacm and the notice to go to the PED')

const NOTICE = 'Please attend to the PED.'

/** What a command did: said that the PED asks, and whether it asked. */
interface Step {
  readonly line: string
  readonly printed: string[]
  questions: number
}

/** Lines in; after each of them what was printed, and how often the PED had asked. */
class CountingIo implements Io {
  readonly interactive = false
  readonly steps: Step[] = []
  readonly #lines: string[]

  constructor(
    lines: readonly string[],
    private readonly lab: RealLab,
  ) {
    this.#lines = [...lines]
  }

  print(line: string): void {
    this.steps.at(-1)?.printed.push(line.trim())
  }

  async command(): Promise<string | undefined> {
    const { questions } = this.lab.desk
    const last = this.steps.at(-1)
    if (last) last.questions = questions - last.questions
    const line = this.#lines.shift()
    if (line !== undefined) this.steps.push({ line, printed: [], questions })
    return line
  }

  async ask(): Promise<string | undefined> {
    return this.#lines.shift()
  }

  close(): void {}
}

type Expected = 'asks' | 'asks nothing'

/** Runs the lines in one shell; each has the notice where the PED asked, and only there. */
async function follow(lab: RealLab, cases: readonly (readonly [line: string, expected: Expected])[]): Promise<void> {
  const io = new CountingIo(
    cases.map(([line]) => line),
    lab,
  )
  await new Shell({ slots: lab, persona: 'A', io }).run()
  assert.is(io.steps.length, cases.length)
  for (const [index, { line, printed, questions }] of io.steps.entries()) {
    const shown = `${line}\n${printed.join('\n')}`
    assert.is(questions > 0 ? 'asks' : 'asks nothing', cases[index]?.[1], shown)
    assert.is(printed.includes(NOTICE), questions > 0, shown)
  }
}

async function withLab(profile: number, work: (lab: RealLab) => Promise<void>): Promise<void> {
  const lab = await RealLab.make({ auth: protocol.AUTH_PED, profile })
  try {
    await work(lab)
  } finally {
    lab.close()
  }
}

test('6.27: partitions, roles, log-ins, a container', () =>
  withLab(protocol.PROFILE_6_27_0, (lab) =>
    follow(lab, [
      ['hsm init -label card -force', 'asks'],
      ['partition create -label P', 'asks nothing'],
      ['srk enable', 'asks nothing'],
      ['role login -name so', 'asks'],
      ['role login -name so', 'asks nothing'],
      ['partition create -slot 1', 'asks nothing'],
      ['partition create -label P', 'asks'],
      ['partition create -label P', 'asks nothing'],
      ['hsm init -label card2 -force', 'asks nothing'],
      ['partition create -slot 1', 'asks nothing'],
      ['role init -name au', 'asks nothing'],
      ['role logout', 'asks nothing'],
      ['role init -name au', 'asks'],
      ['role setdomain -name au', 'asks nothing'],
      ['role login -name au', 'asks'],
      ['role setdomain -name au', 'asks'],
      ['role setdomain -name au', 'asks nothing'],
      ['slot set slot 1', 'asks nothing'],
      ['partition init -label one -force', 'asks'],
      ['partition init -label one -force', 'asks nothing'],
      ['role login -name co', 'asks nothing'],
      ['role init -name co', 'asks nothing'],
      ['role login -name po', 'asks'],
      ['role init -name cu', 'asks nothing'],
      ['role init -name co', 'asks'],
      ['role init -name co', 'asks nothing'],
      ['role createchallenge -name cu', 'asks nothing'],
      ['role createchallenge -name co', 'asks'],
      ['role createchallenge -name co -challengesecret challenge1', 'asks nothing'],
      ['role createchallenge -name po', 'asks nothing'],
      ['partition changepolicy -policy 22,20 -value 1,2', 'asks nothing'],
      ['role changepw -name co -force -oldpw challenge1 -newpw challenge2', 'asks nothing'],
      ['role changepw -name po', 'asks'],
      ['role resetpw -name cu', 'asks nothing'],
      ['role resetpw -name co', 'asks'],
      ['partition domainadd -domainlabel d -domainped', 'asks nothing'],
      ['role logout', 'asks nothing'],
      ['role login -name co -password challenge1', 'asks'],
      ['role createchallenge -name co', 'asks nothing'],
      ['role init -name cu', 'asks'],
      ['role logout', 'asks nothing'],
      ['role login -name co -password wrong-one', 'asks nothing'],
      ['role login -name co -password wrong-one', 'asks nothing'],
      // Locked now, and no longer activated.
      ['role login -name co -password challenge1', 'asks nothing'],
      ['role login -name cu', 'asks'],
      ['partition init -label one -force', 'asks nothing'],
    ]),
  ))

test('a Backup HSM', () =>
  withLab(protocol.PROFILE_6_27_0, (lab) =>
    follow(lab, [
      ['slot set slot 9', 'asks nothing'],
      ['hsm init -label Backup -force', 'asks'],
      ['partition init -label P -force', 'asks nothing'],
      ['role init -name co', 'asks nothing'],
      ['role createchallenge -name co', 'asks nothing'],
      ['partition create -label P', 'asks nothing'],
      ['role login -name so', 'asks'],
      ['partition create -label P', 'asks'],
      ['partition archive contents -slot 9 -partition P', 'asks'],
      ['partition archive contents -slot 9 -partition Q', 'asks nothing'],
      ['partition archive delete -slot 9 -partition P -force', 'asks nothing'],
    ]),
  ))

test('7.8: another domain, and a secret that the Partition SO may not reset', () =>
  withLab(protocol.PROFILE_7_8_0, (lab) =>
    follow(lab, [
      ['hsm init -label card -force', 'asks'],
      ['role login -name so', 'asks'],
      ['partition create -slot 1', 'asks nothing'],
      ['slot set slot 1', 'asks nothing'],
      ['partition init -label one -force', 'asks'],
      ['partition domainadd -domainlabel second -domain text', 'asks nothing'],
      ['partition domainadd -domainlabel second -domainped', 'asks nothing'],
      ['role login -name po', 'asks'],
      ['partition domainadd -domainlabel second -domain text', 'asks nothing'],
      ['partition domainadd -domainlabel third -domainped', 'asks'],
      ['role init -name co', 'asks'],
      ['role resetpw -name co', 'asks nothing'],
      ['role createchallenge -name co -challengesecret challenge1', 'asks nothing'],
    ]),
  ))

test.run()
