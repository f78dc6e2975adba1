// cmu through its program: keys and certificates that openssl verifies.
// test-timeout: 400
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { cmu, moonlet, type RunOptions, temporaryFolder } from './support.js'

const test = suite('cmu')

const folder = temporaryFolder()
const state = join(temporaryFolder(), 'state')
const at = (name: string) => join(folder, name)
const openssl = (...args: readonly string[]): string =>
  execFileSync('openssl', args, { cwd: folder, stdio: 'pipe', encoding: 'utf8' })

/** A command with the officer's challenge; must succeed. */
async function does(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cmu([...args, '-password=Crypto0fficer', `--state=${state}`])
  assert.is(code, 0, `${stdout}${stderr}`)
  return stdout
}

async function fails(args: readonly string[], options?: RunOptions): Promise<{ code: number | null; stderr: string }> {
  const { code, stderr } = await cmu([...args, `--state=${state}`], options)
  assert.not.equal(code, 0)
  return { code, stderr }
}

async function pair(...options: readonly string[]): Promise<{ open: string; secret: string }> {
  const said = await does('generatekeypair', ...options)
  const form = /^\.\.\.The key pair was successfully generated -> public handle\((\d+)\), private handle\((\d+)\)\n$/
  const [, open, secret] = form.exec(said) ?? []
  if (open === undefined || secret === undefined) throw new Error(said)
  return { open, secret }
}

test.before(async () => {
  const { code, stderr } = await moonlet(['init', '--state', state])
  assert.is(code, 0, stderr)
})

test('an RSA pair: listed, its attributes, a self-signed certificate that openssl verifies, exported', async () => {
  const { open, secret } = await pair(
    ...['-modulusBits=2048', '-publicExponent=65537', '-labelPublic=web public', '-labelPrivate=web', '-id=0a0b'],
    ...['-sign=T', '-verify=1', '-encrypt=0', '-decrypt=F', '-wrap=0', '-unwrap=0'],
  )
  const listed = await does('list', '-class=private')
  assert.is(listed, `handle=${secret}\tlabel=web\n`)
  assert.match(await does('list', '-display=handle,class,keyType'), `handle=${open}\tclass=public\tkeyType=rsa`)
  const shown = await does('getattribute', `-handle=${secret}`, '-attributes=id,sign,decrypt,local,value')
  assert.is(shown, 'id=0a0b\nsign=true\ndecrypt=false\nlocal=true\nvalue=<sensitive>\n')
  const halves = [`-publichandle=${open}`, `-privatehandle=${secret}`]
  const dates = ['-startDate=20240101', '-endDate=20440101', '-serialNumber=0badcafe']
  const made = await does(
    'selfsigncertificate',
    ...halves,
    '-CN=web.test',
    '-O=Moonlet',
    '-C=DE',
    ...dates,
    '-label=web',
  )
  const [, handle = ''] =
    /^\.\.\.The certificate object was successfully created -> handle\((\d+)\)\n$/.exec(made) ?? []
  await does('export', `-handle=${handle}`, `-outputFile=${at('web.pem')}`)
  assert.match(openssl('verify', '-CAfile', 'web.pem', 'web.pem'), 'web.pem: OK')
  const facts = openssl('x509', '-in', 'web.pem', '-noout', '-subject', '-serial', '-dates')
  assert.match(facts, /C = DE, O = Moonlet, CN = web\.test/)
  assert.match(facts, 'serial=0BADCAFE')
  assert.match(facts, 'notBefore=Jan  1 00:00:00 2024 GMT')
  await does('export', `-handle=${handle}`, '-key', `-outputFile=${at('a.pem')}`)
  await does('export', `-handle=${open}`, `-outputFile=${at('b.pem')}`)
  assert.is(readFileSync(at('a.pem'), 'utf8'), readFileSync(at('b.pem'), 'utf8'))
  const id = await does('getattribute', `-handle=${handle}`, '-attributes=id,label')
  assert.is(id, 'id=0a0b\nlabel=web\n')
})

test('EC pairs: requests with each curve and hash, which openssl verifies', async () => {
  for (const [curve, hash] of [
    ['4', 'sha384withecdsa'],
    ['secp256k1', 'sha256withecdsa'],
  ] as const) {
    const { open, secret } = await pair('-keyType=ECDSA', `-curveType=${curve}`, `-label=ec ${curve}`)
    const halves = [`-publichandle=${open}`, `-privatehandle=${secret}`, `-${hash}`]
    await does('requestcertificate', ...halves, '-CN=ec.test', `-outputFile=${at('ec.csr')}`)
    openssl('req', '-in', 'ec.csr', '-verify', '-noout')
    if (curve === 'secp256k1') continue
    const made = await does('selfsigncertificate', ...halves, '-CN=ec.test')
    const [handle = ''] = /\d+/.exec(made) ?? []
    await does('export', `-handle=${handle}`, `-outputFile=${at('ec.pem')}`)
    assert.match(openssl('verify', '-CAfile', 'ec.pem', 'ec.pem'), 'ec.pem: OK')
  }
})

test('keys and certificates of files go in, under a name of one\u2019s own, and are changed and deleted', async () => {
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'in.key', '-subj', '/CN=in', '-out', 'in.pem')
  const keys = await does('importkey', '-PKCS8', `-in=${at('in.key')}`, '-label=brought')
  const [secret = '', open = ''] = keys.match(/\d+(?=\))/g) ?? []
  await does('import', `-inputFile=${at('in.pem')}`, '-label=brought')
  assert.is((await does('list', '-label=brought')).trim().split('\n').length, 3)
  await does(
    'requestcertificate',
    `-publichandle=${open}`,
    `-privatehandle=${secret}`,
    '-CN=x',
    `-outputFile=${at('x.csr')}`,
  )
  openssl('req', '-in', 'x.csr', '-verify', '-noout')
  assert.match((await fails(['importkey', `-in=${at('in.pem')}`, '-password=Crypto0fficer'])).stderr, 'CMU_FILE')
  await does('setattribute', `-handle=${secret}`, '-label=renamed', '-decrypt=0')
  const shown = await does('getattribute', `-handle=${secret}`, '-attributes=label,decrypt')
  assert.is(shown, 'label=renamed\ndecrypt=false\n')
  const answers = { input: 'Crypto0fficer\nn\n' }
  const kept = await fails(['delete', `-handle=${secret}`], answers)
  assert.match(kept.stderr, 'CMU_CANCELLED')
  await does('delete', `-handle=${secret}`, '-force')
  assert.is(await does('list', '-label=renamed'), '')
})

test('a password that was not given is asked for; the lines of wrong usage say what is wrong', async () => {
  const asked = await cmu(['list', '-class=secret', `--state=${state}`], { input: 'Crypto0fficer\n' })
  assert.is(asked.stdout, 'Please enter password for token in slot 1 : *******\n')
  assert.is(asked.code, 0)
  assert.match((await fails(['list', '-password=wrong'])).stderr, 'CKR_CHALLENGE_INCORRECT')
  for (const [line, why] of [
    [['make'], "There is no command 'make'"],
    [['list', '-colour=red'], "There is no option '-colour' here"],
    [['list', 'red'], "'red' is no option"],
    [['generatekeypair', '-keyType=ECDSA'], "Option '-curveType' is missing"],
    [['generatekeypair', '-sign=perhaps'], "Option '-sign' is 1 or 0"],
    [['getattribute', '-handle=1', '-attributes=colour'], "There is no attribute 'colour'"],
    [['requestcertificate', '-CN=x', '-sha1withrsa', '-outputFile=x'], "'-sha1withrsa': signatures are with"],
  ] as const) {
    const { code, stderr } = await fails(line)
    assert.is(code, 2, stderr)
    assert.match(stderr, why)
  }
  assert.match((await fails(['list', '-slot=77', '-password=x'])).stderr, 'CMU_SLOT')
  assert.match((await fails(['list'], { input: '' })).stderr, 'CMU_INPUT_ENDED')
})

test('halves of two pairs make no certificate', async () => {
  const [one, other] = [await pair('-label=one'), await pair('-label=other')]
  const args = [`-publichandle=${one.open}`, `-privatehandle=${other.secret}`, '-CN=x', '-password=Crypto0fficer']
  assert.match((await fails(['selfsigncertificate', ...args])).stderr, 'CMU_KEYS_DIFFER')
})

/** There is no lab here: what is wrong with the line is said all the same, and nothing is asked. */
test('a line is read to its end before the lab is looked for', async () => {
  const nowhere = `--state=${join(folder, 'nothing')}`
  const wrong: readonly (readonly [args: readonly string[], message: string])[] = [
    [['list', '-colour=red'], "There is no option '-colour' here"],
    [['list', '-slot=two'], "Option '-slot' is a number, not 'two'"],
    [['export', '-outputFile=x.pem'], "Option '-handle' is missing"],
    [['requestcertificate', '-publichandle=1', '-CN=x', '-outputFile=x.csr'], "Option '-privatehandle' is missing"],
  ]
  for (const [args, message] of wrong) {
    const { code, stdout, stderr } = await cmu([...args, nowhere])
    assert.is(code, 2, stderr)
    assert.is(stdout, '')
    assert.match(stderr, `cmu: USAGE: ${message}\n`)
  }
  assert.match((await cmu(['list', nowhere])).stderr, 'cmu: LAB_MISSING: ')
})

test.run()
