import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CKA_LABEL, CKO_PRIVATE_KEY } from '../../assembly/protocol.js'
import { attribute } from '../../host/client/index.js'
import {
  asOfficer,
  importItems,
  type KeyItem,
  proveRestored,
  readKeyFile,
  runDemo,
  useLab,
  writeProof,
} from '../../host/lab/index.js'
import { CHALLENGE, Collector, failure, fixtureItems, newLab, temporaryFolder } from './support.js'

const test = suite('demo')

/** The lines that `openssl dgst` prints for each name of a proof folder. */
function opensslVerdicts(dir: string, names: readonly string[]): string[] {
  return names.map((name) => {
    const files = ['-verify', `${name}.pub.pem`, '-signature', `${name}.sig`, `${name}.msg`]
    return execFileSync('openssl', ['dgst', '-sha256', ...files], { cwd: dir, encoding: 'utf8', stdio: 'pipe' }).trim()
  })
}

test('the package’s keys come back, all of them, and openssl agrees', async () => {
  const stateDir = join(temporaryFolder(), 'state')
  const transcript = new Collector()
  const steps: string[] = []
  const proofs = await runDemo(await fixtureItems(), { stateDir, transcript, onProgress: (line) => steps.push(line) })
  assert.is(proofs.length, 29)
  for (const { object, matches, how } of proofs) assert.ok(matches, `${object.kind} ${object.label}: ${how}`)
  assert.is(steps.at(-1), 'imported 29 objects from 20 files')
  assert.is(transcript.text.split('\n').filter((line) => line === 'Command Result : No Error').length, 16)
  assert.not.match(transcript.text, CHALLENGE)

  const dir = join(temporaryFolder(), 'proof')
  const names = await writeProof(dir, proofs)
  assert.is(names.length, 9)
  assert.is(readdirSync(dir).length, 27)
  assert.equal(new Set(opensslVerdicts(dir, names)), new Set(['Verified OK']))

  // The lab that was made stays, with the backup and both partitions.
  await useLab(stateDir, { all: true }, async (lab) => {
    const objects = async (hsm: string) => (await lab.hsm(hsm).console.partitions.list()).map((one) => one.objects)
    assert.equal([await objects('network'), await objects('restore'), await objects('backup')], [[29], [29], [29]])
  })
})

test('it is the restored keys that sign: the public keys are the originals’, written by openssl', async () => {
  const dir = temporaryFolder()
  const run = (...args: readonly string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' })
  run('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', 'mine.pem')
  run('pkey', '-in', 'mine.pem', '-pubout', '-out', 'mine.expected')
  const proofs = await runDemo(await readKeyFile(join(dir, 'mine.pem')), { transcript: new Collector() })
  await writeProof(dir, proofs)
  assert.is(readFileSync(join(dir, 'mine.pub.pem'), 'utf8'), readFileSync(join(dir, 'mine.expected'), 'utf8'))
  assert.equal(opensslVerdicts(dir, ['mine']), ['Verified OK'])
  writeFileSync(join(dir, 'mine.msg'), 'something else')
  assert.throws(() => opensslVerdicts(dir, ['mine']))
})

test('keys of one name do not overwrite each other’s proof, and no name leads out of the folder', async () => {
  const [key] = (await fixtureItems()).filter(({ label, kind }) => label === 'tls-p256' && kind === 'private key')
  if (key?.kind !== 'private key') throw new Error('the fixture is gone')
  const items: KeyItem[] = [key, { ...key, source: 'other' }, { ...key, source: 'third', label: '../x y' }]
  const stateDir = await newLab()
  await useLab(stateDir, {}, (lab) =>
    asOfficer(lab, 1, CHALLENGE, async (end) => {
      const dir = join(temporaryFolder(), 'proof')
      const names = await writeProof(dir, await proveRestored(end, await importItems(end, items)))
      assert.equal(names, ['tls-p256', 'tls-p256-2', '.._x_y'])
      assert.equal(new Set(opensslVerdicts(dir, names)), new Set(['Verified OK']))
    }),
  )
})

test('what is missing, renamed or another key does not match', async () => {
  const items = (await fixtureItems()).filter(({ kind }) => kind !== 'certificate')
  const stateDir = await newLab()
  await useLab(stateDir, {}, (lab) =>
    asOfficer(lab, 1, CHALLENGE, async (end) => {
      const imported = await importItems(end, items)
      const { client, session } = end
      const find = (label: string, kind: string) => {
        const found = imported.find((object) => object.label === label && object.kind === kind)
        if (!found) throw new Error(`${label} was not imported`)
        return found
      }
      await client.objects.destroy(session, [find('root-p521', 'private key').handle])
      await client.objects.set(session, find('web-256', 'secret key').handle, [attribute.text(CKA_LABEL, 'renamed')])
      // Each object is compared with another file than the one that it came from.
      const swapped = imported.map((object) => {
        const others = imported.filter(({ item, kind }) => {
          const sameUse =
            item.kind !== 'secret key' || object.item.kind !== 'secret key' || item.use === object.item.use
          return kind === object.kind && sameUse && item !== object.item && typeOf(item) === typeOf(object.item)
        })
        const [other] = others
        return other ? { ...object, item: { ...other.item, label: object.item.label } } : object
      })
      const verdicts = await proveRestored(end, swapped)
      const changed = verdicts.filter(({ object }, index) => object.item !== imported[index]?.item)
      assert.ok(changed.length > 15, `${changed.length} objects were swapped`)
      for (const { object, matches } of changed) assert.not.ok(matches, `${object.kind} ${object.label}`)

      const failed = (await proveRestored(end, imported)).filter(({ matches }) => !matches)
      assert.equal(
        failed.map(({ object, how }) => [object.label, object.kind, how]),
        [
          ['root-p521', 'private key', 'not there'],
          ['web-256', 'secret key', 'has another label'],
        ],
      )
      const left = await client.objects.list(session, [attribute.ulong(0, CKO_PRIVATE_KEY)])
      assert.is(left.length, 8)
    }),
  )
})

/** Keys of one type and size can stand for each other in a comparison. */
function typeOf(item: KeyItem): string {
  if (item.kind === 'certificate') return 'certificate'
  if (item.kind === 'secret key') return `${item.use}`
  return String(item.key.asymmetricKeyType)
}

test('a folder that holds a lab already is left alone', async () => {
  const stateDir = await newLab()
  const error = await failure(runDemo(await fixtureItems(), { stateDir, transcript: new Collector() }))
  assert.is(error.code, 'LAB_EXISTS')
})

test.run()
