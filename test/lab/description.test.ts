// The lab file: what is wrong with it is said with the line.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LabError, parseDescription, planOf, STANDARD_LAB, standardPlan } from '../../host/lab/index.js'

const test = suite('lab file')

const SMALL = `[[hsm]]
name = "net"
kind = "network"
partitions = ["one", "two"]

[[hsm]]
name = "bak"
kind = "backup"

[[workstation]]
name = "desk"
slots = [
  { slot = 1, hsm = "net" },
  { slot = 2, hsm = "bak" },
]
`

function refusal(content: string): string {
  try {
    parseDescription(content, 'lab.toml')
  } catch (error) {
    if (error instanceof LabError && error.code === 'LAB_FILE_INVALID') return error.message
    throw error
  }
  throw new Error('it was taken')
}

test('the example is the lab of moonlet init', () => {
  const { hsms, views } = planOf(parseDescription(STANDARD_LAB, 'example'))
  const standard = standardPlan()
  assert.equal(hsms, standard.hsms)
  const slots = views.map((view) => view.slots.map(({ slot, hsm, shows }) => ({ slot, hsm, shows })))
  assert.equal(slots, [standard.views[0]?.slots])
})

test('every commented line of the example is one that may be there', () => {
  const all = STANDARD_LAB.replace(/^\[usb\][\s\S]*?(?=# \[rbs\])/m, '').replace(/^# (?=\[rbs\]|[a-z-]+ = )/gm, '')
  assert.is.not(all, STANDARD_LAB)
  const { hsm, ped, appliance, rbs, seed } = parseDescription(all, 'example')
  assert.equal(hsm[0]?.latency, { command: 2.5, kilobyte: 0.1 })
  assert.is(hsm[0]?.['power-cut'], 2000)
  assert.is(ped?.idle, 1800)
  assert.is(rbs?.listen, '127.0.0.1:1793')
  assert.is(appliance?.['key-log'], 'keys.log')
  assert.is(seed, 'any text')
})

test('several partitions; serial numbers that nobody chose differ', () => {
  const more = `${SMALL}\n[[hsm]]\nname = "net2"\nkind = "network"\npartitions = ["three"]\n`
  const { hsms, views } = planOf(parseDescription(more, 'lab.toml'))
  assert.equal(
    hsms.map(({ name, record }) => [name, record.serial]),
    [
      ['net', 500409n],
      ['bak', 700101n],
      ['net2', 500410n],
    ],
  )
  assert.equal(views[0]?.slots[1], { slot: 2, hsm: 'bak', shows: 'admin' })
})

const WRONG: readonly (readonly [string, string, RegExp])[] = [
  ['kind = "network"', 'kind = "usb"', /^lab\.toml, line 3: hsm\[0\]\.kind must be one of network, pcie, backup$/],
  ['kind = "backup"\n', '', /^lab\.toml, line 6: hsm\[1\]\.kind must be one of/],
  ['kind = "backup"', 'kind = "backup"\nserail = 5', /^lab\.toml, line 9: hsm\[1\]\.serail is not a known field$/],
  [
    'kind = "backup"',
    'kind = "backup"\npartitions = ["x"]',
    /^lab\.toml, line 9: hsm\[1\]\.partitions must be left out/,
  ],
  ['name = "bak"', 'name = "net"', /^lab\.toml, line 7: hsm\[1\]\.name is there twice: net$/],
  ['"one", "two"', '"one", "one"', /^lab\.toml, line 4: hsm\[0\]\.partitions\[1\] is there twice/],
  [
    'slot = 2, hsm = "bak"',
    'slot = 1, hsm = "bak"',
    /^lab\.toml, line 14: workstation\[0\]\.slots\[1\]\.slot is there twice: 1$/,
  ],
  ['hsm = "bak" }', 'hsm = "nothing" }', /^lab\.toml, line 14: .*\.hsm names no HSM of this lab: nothing$/],
  ['hsm = "net" }', 'hsm = "net", partition = "three" }', /^lab\.toml, line 13: .* names no partition of net: three$/],
  ['name = "desk"', 'name = "des\nk"', /^lab\.toml, line 11, column \d+: this is no TOML/],
  ['[[hsm]]\nname = "bak"', '[[hsm]\nname = "bak"', /^lab\.toml, line [67], column \d+: this is no TOML/],
  ['name = "bak"', 'name = "../bak"', /^lab\.toml, line 7: hsm\[1\]\.name must be a name/],
  ['[[workstation]]', '[rbs]\nlisten = "1793"\n[[workstation]]', /^lab\.toml, line 11: rbs\.listen must be HOST:PORT/],
  [
    '[[workstation]]',
    '[ped]\nidle = 0\n[[workstation]]',
    /^lab\.toml, line 11: ped\.idle must be a whole number from 1 to/,
  ],
]

for (const [is, becomes, says] of WRONG) {
  test(`refused with its line: ${becomes.trim() || `without ${is.trim()}`}`, () => {
    assert.match(refusal(SMALL.replace(is, becomes)), says)
  })
}

test('a service without an HSM for it, an empty lab, and a document that is no lab are refused', () => {
  const lone = SMALL.replace(/\[\[hsm\]\]\nname = "bak"\nkind = "backup"\n/, '').replace(/ *\{ slot = 2.*\n/, '')
  assert.match(refusal(`${lone}\n[rbs]\n`), /line \d+: rbs has no Backup HSM to lend out$/)
  assert.match(refusal(''), /^lab\.toml, line 1: hsm must be a list$/)
  assert.match(refusal('hsm = []\nworkstation = []\n'), /^lab\.toml, line 1: hsm must hold at least one HSM$/)
})

test('two HSMs of one serial number are refused', () => {
  const twins = SMALL.replace('name = "net"', 'name = "net"\nserial = 9').replace(
    'name = "bak"',
    'name = "bak"\nserial = 9',
  )
  assert.throws(() => planOf(parseDescription(twins, 'lab.toml')), /"bak" has the serial number of another one: 9/)
})

test.run()
