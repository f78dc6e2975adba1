// A workstation, an appliance, a Backup HSM and a PED, each at the end of a cable that can be pulled.

import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import {
  ApplianceService,
  asOfficer,
  importItems,
  Lab,
  PedServer,
  UsbService,
  useLab,
} from '../../../host/lab/index.js'
import { PipeIo, Shell } from '../../../host/lunacm/index.js'
import { addServer, ClientConfig, createClientCertificate, Registry } from '../../../host/ntls/index.js'
import { CHALLENGE, Collector, fixtureItems, newLab, temporaryFolder } from '../support.js'
import { CutLink } from './cut-link.js'

export const LINKS = ['ntls', 'usb', 'ped'] as const
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
    private readonly station: string,
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
    // The workstation is another computer: it has its PED keys, and nothing runs there.
    const station = join(temporaryFolder(), 'station')
    cpSync(stateDir, station, { recursive: true })
    const source = await Lab.open(stateDir, { serve: { kind: 'network' } })
    const target = await Lab.open(stateDir, { serve: { kind: 'backup' } })
    const listen = { host: '127.0.0.1', port: 0 }
    const appliance = await ApplianceService.start(source, { listen })
    const usb = await UsbService.start(target, listen)
    const ped = await PedServer.start(stateDir, { port: 0, idleSeconds: 1800 })
    const links = {
      ntls: await CutLink.listen(appliance.state.port),
      usb: await CutLink.listen(usb.port),
      ped: await CutLink.listen(ped.status().port),
    }
    const config = await client(stateDir, links)
    return new Site(links, new Set(objects.map(({ ouid }) => ouid)), station, config, async () => {
      for (const name of LINKS) await links[name].close()
      await appliance.close()
      await usb.close()
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
    const code = await useLab(
      this.station,
      {
        ntls: this.config,
        usb: [{ host: '127.0.0.1', port: this.links.usb.port }],
        onLink: (line) => notices.push(line),
      },
      (slots) => new Shell({ slots, persona: 'A', io }).run(),
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

async function client(stateDir: string, links: Readonly<Record<LinkName, CutLink>>): Promise<string> {
  const dir = temporaryFolder()
  const config = ClientConfig.load(dir)
  const { certificate } = await createClientCertificate(config, 'localhost')
  addServer(config, { host: '127.0.0.1', port: links.ntls.port }, join(stateDir, 'server.pem'))
  const registry = new Registry(stateDir)
  registry.register('desk', readFileSync(certificate, 'utf8'))
  registry.assign('desk', '500409014')
  return dir
}
