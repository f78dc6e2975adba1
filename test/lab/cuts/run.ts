import { LINKS, type LinkName, type Session, Site } from './site.js'

/** A generator of numbers that its seed repeats: xorshift32. */
export class Numbers {
  #state: number

  constructor(seed: number) {
    // Zero would stay zero; neighbouring seeds begin far apart.
    this.#state = Math.imul(seed, 0x9e3779b1) >>> 0 || 1
  }

  below(limit: number): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) % limit
  }
}

export interface CutReport {
  readonly backups: number
  /** Backups that were complete although, or because, the cable was pulled too late for them. */
  readonly complete: number
  readonly failed: number
  /** Cables that were pulled. */
  readonly cuts: Readonly<Record<LinkName, number>>
  /** How the failing ones ended, and how many did. */
  readonly errors: ReadonlyMap<string, number>
}

const LOGIN = ['slot set slot 1', 'role login -name Crypto Officer -password Crypto0fficer']
const BACKUP = 'partition archive backup -slot 2 -partition SAbck1 -replace -force'
const RESTORE = 'partition archive restore -slot 2 -partition SAbck1 -replace -force'
const DELETE = 'partition archive delete -slot 2 -partition SAbck1 -force'
const CONTENTS = 'partition archive contents -slot 2 -partition SAbck1'
/** Of so many good backups one is restored, and every object of it found again. */
const RESTORE_EACH = 25

/**
 * Backs a partition up again and again; each time one of the cables is pulled at a random byte. Each backup has to end
 * complete or with an error, no object may be there in part or twice, and the next backup has to work.
 * @throws Error that says at which one, of which seed, what was wrong
 */
export async function cutBackups(
  { backups, seed }: { readonly backups: number; readonly seed: number },
  onProgress?: (done: number) => void,
): Promise<CutReport> {
  const site = await Site.open()
  const numbers = new Numbers(seed)
  const errors = new Map<string, number>()
  const cuts: Record<LinkName, number> = { ntls: 0, usb: 0, ped: 0 }
  let complete = 0
  try {
    const lengths = { fresh: await measure(site, true), old: await measure(site, false) }
    for (let i = 0; i < backups; i++) {
      const link = LINKS[numbers.below(LINKS.length)] ?? 'ntls'
      const kind = numbers.below(2) === 0 ? 'fresh' : 'old'
      const at = numbers.below(lengths[kind][link])
      try {
        site.links[link].start(at)
        const cut = await site.lunacm(backup(site, kind === 'fresh'))
        if (site.links[link].wasCut) cuts[link]++
        site.links[link].start()
        const ending = endingOf(cut, site.objects.size)
        if (ending === undefined) complete++
        else errors.set(ending, (errors.get(ending) ?? 0) + 1)
        await checkAfter(site, i % RESTORE_EACH === 0)
      } catch (cause) {
        const what = cause instanceof Error ? cause.message : String(cause)
        const which = `backup ${i} of seed ${seed}, ${link} cut at byte ${at}, ${kind} partition`
        throw new Error(`${which}: ${what}`, { cause })
      }
      onProgress?.(i + 1)
    }
  } finally {
    await site.close()
  }
  return { backups, complete, failed: backups - complete, cuts, errors }
}

const backup = (site: Site, fresh: boolean): string[] => [
  ...LOGIN,
  `ped connect ${site.pedAddress} -slot 2`,
  ...(fresh ? [DELETE] : []),
  BACKUP,
  'exit',
]

/** Bytes that an undisturbed backup moves over each cable. */
async function measure(site: Site, fresh: boolean): Promise<Record<LinkName, number>> {
  // The first time there is nothing to delete.
  if (fresh) await site.lunacm(backup(site, false))
  await site.lunacm(['slot set slot 2', 'ped disconnect -force', 'exit'])
  for (const name of LINKS) site.links[name].start()
  const session = await site.lunacm(backup(site, fresh))
  const ending = endingOf(session, site.objects.size)
  if (ending !== undefined) throw new Error(`undisturbed: ${ending}\n${session.transcript}`)
  await site.lunacm(['slot set slot 2', 'ped disconnect -force', 'exit'])
  return { ntls: site.links.ntls.passed, usb: site.links.usb.passed, ped: site.links.ped.passed }
}

/** Looks at what is there, over whole cables and with the PED connected anew, and backs up once more. */
async function checkAfter(site: Site, restores: boolean): Promise<void> {
  const count = site.objects.size
  const restore = restores ? [RESTORE, 'partition contents'] : []
  const { transcript, notices } = await site.lunacm([
    ...LOGIN,
    'ped disconnect -slot 2 -force',
    `ped connect ${site.pedAddress} -slot 2`,
    CONTENTS,
    BACKUP,
    CONTENTS,
    ...restore,
    'ped disconnect -slot 2 -force',
    'exit',
  ])
  const wrong = (what: string): Error => new Error(`${what}\n${transcript}\n${notices.join('\n')}`)
  const [, looked = '', next = '', after = '', , contents = ''] = transcript.split(/lunacm:> (?=partition )/)
  const uids = uidsIn(looked)
  if (new Set(uids).size !== uids.length) throw wrong('an object is there twice')
  if (uids.some((uid) => !site.objects.has(uid))) throw wrong('there is an object that nobody backed up')
  if (!next.includes('Backup Complete.')) throw wrong('the next backup is not complete')
  if (!isAll(uidsIn(after), site.objects))
    throw wrong(`the next backup has ${uidsIn(after).length} of ${count} objects`)
  if (restores && !isAll(uidsIn(contents), site.objects)) throw wrong('not all objects came back')
}

const isAll = (uids: readonly string[], all: ReadonlySet<string>): boolean =>
  uids.length === all.size && uids.every((uid) => all.has(uid))

const uidsIn = (transcript: string): string[] =>
  [...transcript.matchAll(/Object UID: +([0-9a-f]+)/gi)].map(([, uid = '']) => uid.toLowerCase())

/** How a backup ended that was not complete; undefined = it was. @throws Error where it says neither */
function endingOf({ transcript, code, notices }: Session, count: number): string | undefined {
  const said = `${count} objects have been backed up to partition SAbck1`
  if (transcript.includes('Backup Complete.') && transcript.includes(said)) return undefined
  const results = [...transcript.matchAll(/Command Result : (0x[0-9a-f]+ \(.*\))/gi)].map(([, result = '']) => result)
  if (code !== 1 || results.length === 0) throw new Error(`it ended without an error\n${transcript}`)
  const lost = notices.some((line) => !line.includes(' again;'))
  return `${lost ? 'not reached, then ' : ''}${results[0]}`
}
