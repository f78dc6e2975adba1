// An appliance, a pedserver on another workstation, lunash: the PED found by the appliance, and the PED server that calls it.
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { moonlet, pedserver, Running, temporaryFolder } from './support.js'

const test = suite('a remote PED at a running appliance')

const state = join(temporaryFolder(), 'state')
/** The workstation's own state folder; the keys and what the person does are those of the lab. */
const office = join(temporaryFolder(), 'office')
const there = (...args: string[]) => [...args, '-state', office]
const seat = ['-keys', join(state, 'ped-keys'), '-rules', join(state, 'operator.json')]
let appliance: Running
let callPort = ''

const lunash = (...commands: string[]) => moonlet(['lunash', state], { input: `${commands.join('\n')}\n` })
const portIn = (text: string, pattern: RegExp) => pattern.exec(text)?.[1] ?? ''

test.before(async () => {
  const { code, stderr } = await moonlet(['init', '--state', state])
  assert.is(code, 0, stderr)
  appliance = new Running('moonlet', [
    ...['appliance', '--state', state, '--listen', '127.0.0.1:0', '--ped-listen', '127.0.0.1:0'],
    ...['--log-level', 'debug'],
  ])
  await appliance.sees('"event":"listening"')
  callPort = portIn(appliance.stdout, /"event":"listening-for-peds","host":"127\.0\.0\.1","port":(\d+)/)
})

test.after(async () => {
  await pedserver(there('-mode', 'stop', '-force'))
  appliance.child.kill('SIGTERM')
  await appliance.result
})

test('lunash connects the HSM to a pedserver, and a log-in asks the PED there', async () => {
  const made = await pedserver(there('-regen', '-commonname', 'office'))
  assert.is(made.code, 0, made.stderr)
  assert.is((await pedserver(there('-regen', '-commonname', 'again'))).code, 1)
  const started = await pedserver(there('-mode', 'start', '-port', '0', ...seat))
  assert.is(started.code, 0, started.stderr)
  const shown = await pedserver(there('-mode', 'show'))
  const port = portIn(shown.stdout, /Server Port: +(\d+)/)
  const connect = `hsm ped connect -ip 127.0.0.1 -port ${port}`
  const { code, stdout } = await lunash(
    connect,
    'hsm ped show',
    // The HSM has one remote PED; it stays.
    connect,
    'hsm login',
    'hsm ped disconnect',
    'hsm ped show',
  )
  assert.is(code, 1, stdout)
  assert.match(
    stdout,
    "'hsm ped connect' failed. (PED_IN_USE : The PED serves another HSM: disconnect it there first.)",
  )
  assert.match(stdout, "'hsm login' successful.")
  const used = [...stdout.matchAll(/PED in use: +(\S+) /g)].map(([, which]) => which)
  assert.equal(used, ['remote', 'local'])
  assert.match(appliance.stdout, '"event":"remote-connected"')
})

test('a pedserver that is registered calls the appliance; the HSM uses it by its name, once and again', async () => {
  const early = await pedserver(there('-mode', 'connect', '-name', 'net'))
  assert.is(early.code, 1)
  assert.match(early.stderr, 'PED_CALL_FAILED')
  const place = ['-name', 'net', '-ip', '127.0.0.1', '-port', callPort, '-certificate', join(state, 'server.pem')]
  assert.is((await pedserver(there('-appliance', 'register', ...place))).code, 0)
  assert.match(
    (await pedserver(there('-appliance', 'list'))).stdout,
    `net                              127.0.0.1, port`,
  )
  const stranger = await pedserver(there('-mode', 'connect', '-name', 'net'))
  assert.is(stranger.code, 1)
  assert.match(stranger.stderr, "this server's certificate is not registered there, or not valid")

  copyFileSync(join(office, 'pedserver', 'server.pem'), join(state, 'office.pem'))
  const registered = await lunash(
    'hsm ped server list',
    'hsm ped server register -certificate office.pem',
    'hsm ped server register -certificate office.pem',
    'hsm ped server list',
    'hsm ped connect -name office',
    'hsm ped connect -name nobody',
    'hsm ped connect',
  )
  assert.is(registered.code, 1)
  assert.match(registered.stdout, 'No PED servers are registered.')
  assert.match(registered.stdout, 'registered PED server 1: office')
  assert.match(registered.stdout, 'PED_SERVER_REGISTERED')
  assert.match(registered.stdout, `The PED server "office" is not connected: 'pedserver -mode connect' there.`)
  assert.match(registered.stdout, 'There is no PED server "nobody".')
  assert.match(registered.stdout, 'One of the options -ip and -name is required.')

  const called = await pedserver(there('-mode', 'connect', '-name', 'net'))
  assert.is(called.code, 0, called.stderr)
  assert.match((await pedserver(there('-mode', 'show'))).stdout, /Appliance net: +Connected/)
  for (let round = 0; round < 2; round++) {
    const { code, stdout } = await lunash('hsm ped connect -name office', 'hsm login', 'hsm ped disconnect')
    assert.is(code, 0, stdout)
    assert.match(stdout, "'hsm login' successful.")
  }
  // A pedserver that was ended and is started again calls it by itself, until it is told not to.
  const restart = async () => {
    assert.is((await pedserver(there('-mode', 'stop', '-force'))).code, 0)
    assert.is((await pedserver(there('-mode', 'start', '-port', '0', ...seat))).code, 0)
  }
  await restart()
  const after = await lunash('hsm ped connect -name office', 'hsm login', 'hsm ped disconnect')
  assert.is(after.code, 0, after.stdout)
  assert.is((await pedserver(there('-mode', 'disconnect', '-name', 'net'))).code, 0)
  await restart()
  assert.not.match((await pedserver(there('-mode', 'show'))).stdout, 'Appliance net')
  const gone = await lunash('hsm ped server delete -commonName office -force', 'hsm ped server list')
  assert.is(gone.code, 0, gone.stdout)
  assert.match(gone.stdout, 'No PED servers are registered.')
  assert.is((await pedserver(there('-mode', 'connect', '-name', 'net'))).code, 1)
  assert.is((await pedserver(there('-appliance', 'delete', '-name', 'net'))).code, 0)
  assert.match((await pedserver(there('-appliance', 'list'))).stdout, 'No appliances are registered.')
})

test('what the appliance logs is JSON with levels', () => {
  const lines = appliance.stdout
    .trim()
    .split('\n')
    .map((line): { level: string; event: string } => JSON.parse(line))
  const levelsOf = (event: string) => new Set(lines.filter((line) => line.event === event).map(({ level }) => level))
  assert.equal([...levelsOf('caller')], ['info'])
  assert.equal([...levelsOf('remote-refused')], ['warn'])
})

test.run()
