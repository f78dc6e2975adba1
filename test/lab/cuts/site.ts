// A workstation, an appliance, a Backup HSM and a PED, each at the end of a cable that can be pulled.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import {
  ApplianceService,
  asOfficer,
  atWorkstation,
  Borrowers,
  importItems,
  Lab,
  lentFolder,
  PedServer,
  useLab,
} from '../../../host/lab/index.js'
import { PipeIo, Shell } from '../../../host/lunacm/index.js'
import { addServer, ClientConfig, createClientCertificate, Registry } from '../../../host/ntls/index.js'
import { CHALLENGE, Collector, fixtureItems, newLab, temporaryFolder } from '../support.js'
import { CutLink } from './cut-link.js'

export const LINKS = ['ntls', 'backup', 'ped'] as const
export type LinkName = (typeof LINKS)[number]

export interface Session {
  readonly transcript: string
  readonly code: number
  /** What was said of the links. */
  readonly notices: readonly string[]
}

export class Site {
  private constructor(
    readonly links: Readonly<Record<LinkName, CutLink>>,
    /** UIDs of the objects in the source partition. */
    readonly objects: ReadonlySet<string>,
    private readonly config: string,
    private readonly end: () => Promise<void>,
  ) {}

  static async open(): Promise<Site> {
    const stateDir = await newLab()
    const objects = await useLab(stateDir, {}, (lab) =>
      asOfficer(lab, 1, CHALLENGE, async (client) =>
        importItems(
          client,
          (await fixtureItems()).filter(({ source }) => !/rsa-[34]/.test(source)),
        ),
      ),
    )
    const source = await Lab.open(stateDir, { serve: { kind: 'network' } })
    const target = await Lab.open(stateDir, { serve: { kind: 'backup' } })
    const listen = { host: '127.0.0.1', port: 0 }
    const appliance = await ApplianceService.start(source, { listen })
    const borrowers = await Borrowers.open(stateDir)
    const lender = await ApplianceService.lend(target, { listen })
    const ped = await PedServer.start(stateDir, { port: 0, idleSeconds: 1800 })
    const links = {
      ntls: await CutLink.listen(appliance.state.port),
      backup: await CutLink.listen(lender.state.port),
      ped: await CutLink.listen(ped.status().port),
    }
    const config = await client(stateDir, links, borrowers)
    return new Site(links, new Set(objects.map(({ ouid }) => ouid)), config, async () => {
      for (const name of LINKS) await links[name].close()
      await appliance.close()
      await lender.close()
      await ped.close()
      await source.close()
      await target.close()
    })
  }

  /** Runs lunacm at a workstation that has nothing but its cables. */
  async lunacm(commands: readonly string[]): Promise<Session> {
    const output = new Collector()
    const notices: string[] = []
    const io = new PipeIo(Readable.from([`${commands.join('\n')}\n`]), output)
    const options = { ntls: this.config, onLink: (line: string) => notices.push(line) }
    const code = await atWorkstation(join(temporaryFolder(), 'none'), options, (slots, { persona }) =>
      new Shell({ slots, persona, io }).run(),
    )
    return { transcript: output.text, code, notices }
  }

  /** What `ped connect` takes for the PED behind its cable. */
  get pedAddress(): string {
    return `-ip 127.0.0.1 -port ${this.links.ped.port}`
  }

  close(): Promise<void> {
    return this.end()
  }
}

async function client(
  stateDir: string,
  links: Readonly<Record<LinkName, CutLink>>,
  borrowers: Borrowers,
): Promise<string> {
  const dir = temporaryFolder()
  const config = ClientConfig.load(dir)
  const { certificate } = await createClientCertificate(config, 'localhost')
  addServer(config, { host: '127.0.0.1', port: links.ntls.port }, join(stateDir, 'server.pem'))
  addServer(config, { host: 'localhost', port: links.backup.port }, join(lentFolder(stateDir), 'server.pem'))
  borrowers.register('desk', certificate)
  const registry = new Registry(stateDir)
  registry.register('desk', readFileSync(certificate, 'utf8'))
  registry.assign('desk', '500409014')
  return dir
}
