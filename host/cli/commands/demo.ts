import { fileURLToPath } from 'node:url'
import {
  type DemoDigests,
  LabError,
  makeFolders,
  type ObjectProof,
  PROFILES,
  removeEmpty,
  runDemo,
  writeProof,
} from '../../lab/index.js'
import { refusePositionals, stateFolder, UsageError } from '../command-line.js'
import { defineCommand } from '../define-command.js'
import { passphrases, readFiles } from './import.js'

/** In the package, beside dist. */
const FIXTURES = fileURLToPath(new URL('../../../../fixtures/keys', import.meta.url))

export const demo = defineCommand({
  name: 'demo',
  summary: 'Back up, restore and prove, from beginning to end',
  help: `Usage: moonlet demo [options]

Makes a lab, imports keys into a Network HSM, backs its partition up to a Backup
HSM, restores the backup to a second Network HSM, and compares every restored
object with the file it came from: private keys by signatures that the original
public key verifies, secret keys by use, all else byte by byte.

The two LunaCM sessions and the comparison are on standard output, the rest on
standard error. The last line is 'verified: N of N restored objects match'; the
exit code is 0 only where all do.

Options:
  --import PATH           your own keys instead of the package's test keys: a
                          file or a folder, may be given again
  --proof DIR             write NAME.msg, NAME.sig and NAME.pub.pem for every
                          private key, signed by the restored one, to check with
                          openssl dgst -sha256 -verify NAME.pub.pem \\
                            -signature NAME.sig NAME.msg
  --passphrase-file FILE  passphrase of encrypted keys; asked for at a terminal
  --seed TEXT             make all that is random follow from TEXT, and let time
                          stand still: then the SHA-256 of every flash image and
                          of all frames is printed, the same in every run
  --profile VERSION       firmware: ${Object.keys(PROFILES).join(', ')}
  --state DIR             keep the lab in this folder (default: a temporary one)
  --debug                 show the stack of an error
  -h, --help              show this help
`,
  options: {
    import: { type: 'string', multiple: true },
    proof: { type: 'string' },
    'passphrase-file': { type: 'string' },
    profile: { type: 'string' },
    seed: { type: 'string' },
  },
  async run({ values, positionals }, io) {
    refusePositionals(positionals)
    if (values.proof === '') throw new UsageError("Option '--proof' needs a folder")
    const ask = passphrases(values['passphrase-file'], io)
    const items = await readFiles(values.import ?? [FIXTURES], ask, (error) => {
      throw error
    })
    if (items.length === 0) throw new LabError('IMPORT_READ', 'there is nothing to import')
    let digests: DemoDigests | undefined
    // Before the work of minutes, not after it, where a folder cannot be had.
    const folders = values.proof === undefined ? [] : await makeFolders(values.proof)
    const proofs = await runDemo(items, {
      stateDir: values.state === undefined ? undefined : stateFolder(values.state, io.env),
      profile: values.profile,
      transcript: io.stdout,
      seed: values.seed,
      onDigests: (result) => {
        digests = result
      },
      onProgress: (line) => io.stderr.write(`${line}\n`),
      signal: io.signal,
    }).catch(async (error) => {
      await removeEmpty(folders)
      throw error
    })
    if (values.proof !== undefined) {
      const names = await writeProof(values.proof, proofs)
      io.stderr.write(`${names.length} signatures written to ${values.proof}\n`)
    }
    for (const proof of proofs) io.stdout.write(`${proofLine(proof)}\n`)
    if (values.seed !== undefined && digests) io.stdout.write(`${digestLines(digests).join('\n')}\n`)
    const matching = proofs.filter(({ matches }) => matches).length
    io.stdout.write(`verified: ${matching} of ${proofs.length} restored objects match\n`)
    return matching === proofs.length ? 0 : 1
  },
})

function digestLines({ images, transcript }: DemoDigests): string[] {
  const line = (what: string, sha256: string): string => `sha256 ${sha256}  ${what}`
  return [
    ...images.map(({ hsm, sha256 }) => line(`flash image of ${hsm}`, sha256)),
    line(`${transcript.frames} frames on ${transcript.cables} cables`, transcript.sha256),
  ]
}

function proofLine({ object: { kind, label }, matches, how }: ObjectProof): string {
  return `${matches ? 'ok    ' : 'FAILED'} ${kind.padEnd(12)} ${label.padEnd(20)} ${how}`
}
