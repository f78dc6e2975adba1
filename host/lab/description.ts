// The lab file: one commented TOML document that says what a lab is made of, what runs of it, and how it misbehaves.

import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { LabError, messageOf } from './errors.js'
import {
  type Check,
  fail,
  listOf,
  object,
  oneOf,
  optional,
  text,
  textLike,
  wholeNumber,
  yesOrNo,
} from './json-check.js'
import { checkLatency, type HsmKind, type LabLatency, name, slotNumber } from './lab-file.js'
import { PROFILES } from './plan.js'
import { readToml } from './toml-lines.js'

export interface DescribedHsm {
  readonly name: string
  readonly kind: HsmKind
  readonly label?: string | undefined
  readonly serial?: number | undefined
  readonly firmware?: string | undefined
  /** Labels. */
  readonly partitions?: readonly string[] | undefined
  /** Files and folders of keys that are put into its first partition when it is made. */
  readonly import?: readonly string[] | undefined
  readonly latency?: LabLatency | undefined
  readonly 'power-cut'?: number | undefined
}

export interface DescribedSlot {
  readonly slot: number
  readonly hsm: string
  /** Label; left out for an HSM's first partition, and for a Backup HSM. */
  readonly partition?: string | undefined
  /** The HSM itself, of a PCIe HSM. */
  readonly admin?: boolean | undefined
}

export interface DescribedWorkstation {
  readonly name: string
  /** Generation of its client software. */
  readonly client?: '6' | '7' | undefined
  /** Whether it is registered where it has partitions; true unless given. */
  readonly register?: boolean | undefined
  readonly slots: readonly DescribedSlot[]
}

/** What is served, and where; left out = it does not run. */
export interface DescribedService {
  /** HOST:PORT, port 0 = any free one. */
  readonly listen?: string | undefined
  readonly 'key-log'?: string | undefined
}

/** The appliance, which PED servers may call, too. */
export interface DescribedAppliance extends DescribedService {
  readonly 'ped-listen'?: string | undefined
}

/** The PKCS#11 door of a workstation. */
export interface DescribedPkcs11 {
  /** Path of the socket. */
  readonly listen?: string | undefined
  /** The lab's first unless given. */
  readonly workstation?: string | undefined
  /** It has the Backup HSMs that are plugged in by USB, too; false unless given. */
  readonly backup?: boolean | undefined
}

export interface DescribedPed {
  /** The PED is in a process of its own; false unless given. */
  readonly apart?: boolean | undefined
  readonly listen?: string | undefined
  /** Hosts by which `ped connect` means this one. */
  readonly addresses?: readonly string[] | undefined
  readonly rules?: string | undefined
  readonly idle?: number | undefined
}

export interface LabDescription {
  /** State folder. */
  readonly state?: string | undefined
  readonly challenge?: string | undefined
  readonly seed?: string | undefined
  readonly hsm: readonly DescribedHsm[]
  readonly workstation: readonly DescribedWorkstation[]
  readonly appliance?: DescribedAppliance | undefined
  readonly rbs?: DescribedService | undefined
  readonly usb?: { readonly listen?: string | undefined } | undefined
  readonly ped?: DescribedPed | undefined
  readonly pkcs11?: DescribedPkcs11 | undefined
}

/** A lab file that was read. */
export interface LabSource {
  readonly description: LabDescription
  readonly content: string
  /** The folder from which its paths are seen. */
  readonly folder: string
}

const label = textLike(/^[^\p{Cc}]{1,64}$/u, 'a label of 1 to 64 characters')
const listen = textLike(/^(\[[0-9A-Fa-f:.]+\]|[^:\s]+):\d{1,5}$/, 'HOST:PORT, such as "127.0.0.1:1792"')
const service: Check<DescribedService> = object({ listen: optional(listen), 'key-log': optional(text) })
const SERIAL_MAX = 999_999_999

const checkFields: Check<LabDescription> = object({
  state: optional(text),
  challenge: optional(text),
  seed: optional(text),
  hsm: listOf(
    object({
      name,
      kind: oneOf('network', 'pcie', 'backup'),
      label: optional(label),
      serial: optional(wholeNumber(1, SERIAL_MAX)),
      firmware: optional(oneOf(...Object.keys(PROFILES))),
      partitions: optional(listOf(label)),
      import: optional(listOf(text)),
      latency: optional(checkLatency),
      'power-cut': optional(wholeNumber(1, Number.MAX_SAFE_INTEGER)),
    }),
  ),
  workstation: listOf(
    object({
      name,
      client: optional(oneOf('6', '7')),
      register: optional(yesOrNo),
      slots: listOf(object({ slot: slotNumber, hsm: text, partition: optional(label), admin: optional(yesOrNo) })),
    }),
  ),
  appliance: optional(object({ listen: optional(listen), 'ped-listen': optional(listen), 'key-log': optional(text) })),
  rbs: optional(service),
  usb: optional(object({ listen: optional(listen) })),
  ped: optional(
    object({
      listen: optional(listen),
      addresses: optional(listOf(text)),
      rules: optional(text),
      idle: optional(wholeNumber(1, 99_999)),
      apart: optional(yesOrNo),
    }),
  ),
  pkcs11: optional(object({ listen: optional(text), workstation: optional(name), backup: optional(yesOrNo) })),
})

/** What no field alone can tell. */
const checkDescription: Check<LabDescription> = (value, path) => {
  const description = checkFields(value, path)
  const { hsm: hsms, workstation, appliance, rbs, usb, ped, pkcs11 } = description
  if (hsms.length === 0) fail('hsm', 'must hold at least one HSM')
  if (workstation.length === 0) fail('workstation', 'must hold at least one workstation')
  unlike(
    hsms.map((one) => one.name),
    (i) => `hsm[${i}].name`,
  )
  unlike(
    workstation.map((one) => one.name),
    (i) => `workstation[${i}].name`,
  )
  for (const [i, hsm] of hsms.entries()) checkHsm(hsm, `hsm[${i}]`)
  for (const [i, { slots }] of workstation.entries()) {
    unlike(
      slots.map(({ slot }) => slot),
      (j) => `workstation[${i}].slots[${j}].slot`,
    )
    for (const [j, slot] of slots.entries()) checkSlot(slot, `workstation[${i}].slots[${j}]`, hsms)
  }
  if (appliance && hsms.every(({ kind }) => kind !== 'network')) fail('appliance', 'has no Network HSM to serve')
  const noBackup = hsms.every(({ kind }) => kind !== 'backup')
  if (rbs && noBackup) fail('rbs', 'has no Backup HSM to lend out')
  if (usb && noBackup) fail('usb', 'has no Backup HSM to serve')
  if (rbs && usb) fail('rbs', 'and usb cannot both have the Backup HSMs')
  if (ped?.apart && ped.listen === undefined) fail('ped.apart', 'needs a pedserver: ped.listen')
  const at = pkcs11?.workstation
  if (at !== undefined && workstation.every((one) => one.name !== at)) {
    fail('pkcs11.workstation', `names no workstation of this lab: ${at}`)
  }
  return description
}

function unlike(values: readonly (string | number)[], path: (index: number) => string): void {
  for (const [index, value] of values.entries()) {
    if (values.indexOf(value) !== index) fail(path(index), `is there twice: ${value}`)
  }
}

function checkHsm({ kind, partitions = [], import: keys = [] }: DescribedHsm, path: string): void {
  unlike(partitions, (i) => `${path}.partitions[${i}]`)
  if (kind === 'backup' && partitions.length > 0) {
    fail(`${path}.partitions`, 'must be left out: a Backup HSM gets its partitions by backups')
  }
  if (keys.length > 0 && partitions.length === 0) fail(`${path}.import`, 'needs a partition to put the keys into')
}

function checkSlot(
  { hsm: named, partition, admin = false }: DescribedSlot,
  path: string,
  hsms: readonly DescribedHsm[],
): void {
  const hsm = hsms.find((one) => one.name === named) ?? fail(`${path}.hsm`, `names no HSM of this lab: ${named}`)
  const { kind, partitions = [] } = hsm
  if (admin && kind !== 'pcie') fail(`${path}.admin`, 'is for PCIe HSMs: the others show what they show')
  if (partition !== undefined && (admin || kind === 'backup'))
    fail(`${path}.partition`, 'must be left out: the slot shows the HSM itself')
  if (partition !== undefined && !partitions.includes(partition))
    fail(`${path}.partition`, `names no partition of ${named}: ${partition}`)
  if (partition === undefined && !admin && kind !== 'backup' && partitions.length === 0) {
    fail(`${path}.hsm`, `has no partition to show: ${named}`)
  }
}

/** What `moonlet up` takes where there is no lab file: the seed page's lab, each part as a process. */
export const STANDARD_LAB = `# A lab. 'moonlet up FILE' makes it and starts it; every line but the HSMs and the workstations may be left out.

# state = "lab"                  # folder of the lab, seen from here
# challenge = "Crypto0fficer"    # of the Crypto Officers
# seed = "any text"              # the same lab every time, for tests

[[hsm]]
name = "network"
kind = "network"                 # network, pcie or backup
label = "Network"
serial = 500409
firmware = "6.27.0"              # ${Object.keys(PROFILES).join(', ')}
partitions = ["SA52_P1"]
# import = ["keys"]              # files and folders of keys, into the first partition
# latency = { command = 2.5, kilobyte = 0.1 }   # milliseconds on top of each command
# power-cut = 2000               # the power goes at this operation on flash, after each start

[[hsm]]
name = "backup"
kind = "backup"
label = "Backup"
serial = 700101
firmware = "6.27.0"

[[workstation]]
name = "lunacm-6"
client = "6"                     # generation of LunaCM: 6 or 7
# register = false               # leave 'client register' and 'vtl' to you
slots = [
  { slot = 1, hsm = "network", partition = "SA52_P1" },
  { slot = 2, hsm = "backup" },
]

# Each of these is a process of its own. Without [appliance] or [usb], lunacm switches those HSMs on by itself;
# without [ped], the PED is where the HSM is.
[appliance]
listen = "127.0.0.1:1792"
# ped-listen = "127.0.0.1:9697"  # where PED servers may call it
# key-log = "keys.log"           # secrets of the TLS connections, for Wireshark

[usb]                            # the Backup HSMs as USB devices, by USB/IP
listen = "127.0.0.1:3240"

# [rbs]                          # instead of [usb]: lent out over the network, by TLS
# listen = "127.0.0.1:1793"

[ped]
listen = "127.0.0.1:1503"
# addresses = ["192.20.10.190"]  # what 'ped connect ip' may call it
# rules = "operator.json"        # how its person answers, before the lab's own rules
# idle = 1800                    # seconds
# apart = true                   # the PED in a process of its own, 'moonlet ped'

[pkcs11]                         # the slots for PKCS#11 programs: 'moonlet env'
# listen = "socket"              # path of its socket, instead of pkcs11/socket in the state folder
# workstation = "lunacm-6"       # whose slots: the first one's unless given
# backup = true                  # the Backup HSM, too: one program at a time has a USB device, and lunacm wants it
`

/** @param source names the text in errors. @throws LabError LAB_FILE_INVALID with the line of what is wrong */
export function parseDescription(content: string, source: string): LabDescription {
  return readToml(content, source, checkDescription)
}

/** Reads a lab file; its paths, seen from its own folder, come out absolute. @throws LabError LAB_FILE_INVALID, LAB_IO */
export function readDescription(path: string): LabSource {
  let content: string
  try {
    content = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new LabError('LAB_IO', `the lab file ${path} cannot be read: ${messageOf(cause)}`, { cause })
  }
  const folder = dirname(resolve(path))
  return { description: seenFrom(folder, parseDescription(content, path)), content, folder }
}

/** The description with its paths absolute. */
export function seenFrom(folder: string, { state, hsm, appliance, rbs, ped, pkcs11, ...rest }: LabDescription) {
  const from = (file: string): string => resolve(folder, file)
  const here = <Service extends DescribedService>(service: Service): Service => {
    const log = service['key-log']
    return { ...service, ...(log === undefined ? {} : { 'key-log': from(log) }) }
  }
  const description: LabDescription = {
    ...rest,
    ...(state === undefined ? {} : { state: from(state) }),
    hsm: hsm.map((one) => ({ ...one, ...(one.import ? { import: one.import.map(from) } : {}) })),
    ...(appliance ? { appliance: here(appliance) } : {}),
    ...(rbs ? { rbs: here(rbs) } : {}),
    ...(ped ? { ped: { ...ped, ...(ped.rules === undefined ? {} : { rules: from(ped.rules) }) } } : {}),
    ...(pkcs11
      ? { pkcs11: { ...pkcs11, ...(pkcs11.listen === undefined ? {} : { listen: from(pkcs11.listen) }) } }
      : {}),
  }
  return description
}
