import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { readDevice, readText } from './configuration.js'
import { DESCRIPTOR } from './descriptors.js'
import { UsbError } from './errors.js'
import { type DescriptorsOf, describeFunction } from './functionfs.js'
import { REQUEST_MICROSOFT_1 } from './microsoft.js'

// A gadget as Linux has it: a tree of folders and attributes below configfs, and a FunctionFS that is mounted beside it
// (Documentation/usb/gadget_configfs.rst, functionfs.rst).

/** Where Linux has what a gadget is made of; others only in tests. */
export interface GadgetRoots {
  readonly gadgets: string
  readonly controllers: string
  /** Folder of the mount points. */
  readonly mounts: string
  /** Runs `mount` and `umount`. */
  readonly run: (program: 'mount' | 'umount', args: readonly string[]) => void
}

export const LINUX: GadgetRoots = {
  gadgets: '/sys/kernel/config/usb_gadget',
  controllers: '/sys/class/udc',
  mounts: '/run/moonlet-gadgets',
  run: (program, args) => {
    execFileSync(program, args, { stdio: 'pipe' })
  },
}

const PREFIX = 'moonlet-'
const LANGUAGE = 'strings/0x409'
const CONFIGURATION = 'configs/c.1'
/** What Windows asks for, of the configuration that is linked there. */
const WINDOWS = 'os_desc'
const WINDOWS_LINK = `${WINDOWS}/c.1`
/** Classes of a device whose functions have several interfaces (USB ECN "Interface Association Descriptors"). */
const SEVERAL = { deviceClass: 0xef, deviceSubclass: 2, deviceProtocol: 1 } as const

const failed = (what: string, cause: unknown): UsbError =>
  new UsbError('GADGET_IO', `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })

const missing = (what: string): UsbError => new UsbError('GADGET_UNAVAILABLE', `no USB gadget here: ${what}`)

/** Whether we may make gadgets; in a test everybody may. */
export const isRoot = (roots: GadgetRoots): boolean => roots !== LINUX || process.getuid?.() === 0

/** The USB device controllers of this computer. @throws UsbError GADGET_UNAVAILABLE where there can be no gadget */
export function controllersOf({ gadgets, controllers }: GadgetRoots, root: boolean): string[] {
  if (!root) throw missing('it takes root')
  if (!existsSync(gadgets)) {
    const how = "'modprobe libcomposite' and 'mount -t configfs none /sys/kernel/config'"
    throw missing(`${gadgets} is not there (${how}; Linux with CONFIG_USB_CONFIGFS_F_FS)`)
  }
  const found = existsSync(controllers) ? readdirSync(controllers).sort() : []
  if (found.length > 0) return found
  throw missing('this computer has no USB device controller (UDC); dummy_hcd is one without hardware')
}

export interface GadgetShape {
  /** A serial port (CDC-ACM) is a second function, which the kernel carries out. */
  readonly withSerial?: boolean | undefined
  /** Not ours: Windows is not told what its driver is. */
  readonly isForeign?: boolean | undefined
  /** Its packets are those of full speed, whatever the controller can do. */
  readonly isSlow?: boolean | undefined
}

/** Characters of a serial number that are part of a gadget's name: Linux takes 40, with the function's own. */
const NAMED = 20

/** One gadget's tree. */
export class GadgetTree {
  readonly mount: string
  readonly #path: string
  readonly #function: string
  /** The kernel's own serial port. */
  readonly #serial: string

  constructor(
    private readonly roots: GadgetRoots,
    readonly name: string,
  ) {
    this.#path = join(roots.gadgets, name)
    this.#function = `ffs.${name}`
    this.#serial = `acm.${name}`
    this.mount = join(roots.mounts, name)
  }

  /** The tree of a device, by its serial number; that of one that is not ours by its ids, too. */
  static of(roots: GadgetRoots, descriptorOf: DescriptorsOf, { isForeign = false }: GadgetShape = {}): GadgetTree {
    const device = readDevice(descriptorOf(DESCRIPTOR.device, 0) ?? new Uint8Array(0))
    const serialNumber = textOf(descriptorOf, device.serialNumber)
    const ids = isForeign ? [device.vendorId, device.productId].map((id) => `${digits(id)}-`).join('') : ''
    return new GadgetTree(roots, `${PREFIX}${ids}${serialNumber.replace(/[^\w-]/g, '_').slice(0, NAMED)}`)
  }

  /** Trees that are there, this program's or left by another. */
  static all(roots: GadgetRoots): GadgetTree[] {
    if (!existsSync(roots.gadgets)) return []
    return readdirSync(roots.gadgets)
      .filter((name) => name.startsWith(PREFIX))
      .sort()
      .map((name) => new GadgetTree(roots, name))
  }

  /** The controller that it is bound to; empty = none. */
  get controller(): string {
    return readFileSync(join(this.#path, 'UDC'), 'utf8').trim()
  }

  /** This end of the gadget's serial port. @throws UsbError GADGET_IO where it has none */
  get serialPath(): string {
    try {
      return `/dev/ttyGS${readFileSync(join(this.#path, 'functions', this.#serial, 'port_num'), 'utf8').trim()}`
    } catch (cause) {
      throw failed(`the gadget ${this.name} has no serial port`, cause)
    }
  }

  /** @throws UsbError GADGET_BUSY where there is such a tree, GADGET_IO */
  build(
    descriptorOf: DescriptorsOf,
    { withSerial = false, isForeign = false, isSlow = false }: GadgetShape = {},
  ): void {
    if (existsSync(this.#path)) {
      const how = "another process has it, or one was killed: 'moonlet usb gadget --cleanup' removes what is left of it"
      throw new UsbError('GADGET_BUSY', `there is a gadget ${this.#path} already; ${how}`)
    }
    const own = readDevice(descriptorOf(DESCRIPTOR.device, 0) ?? new Uint8Array(0))
    const device = withSerial ? { ...own, ...SEVERAL } : own
    const { attributes, power } = describeFunction(descriptorOf, !isForeign)
    const text = (index: number): string => textOf(descriptorOf, index)
    const hex = (value: number): string => `0x${digits(value)}`
    try {
      this.#folder('')
      if (isSlow) this.#write('max_speed', 'full-speed')
      this.#write('idVendor', hex(device.vendorId))
      this.#write('idProduct', hex(device.productId))
      this.#write('bcdDevice', hex(device.deviceVersion))
      this.#write('bDeviceClass', hex(device.deviceClass))
      this.#write('bDeviceSubClass', hex(device.deviceSubclass))
      this.#write('bDeviceProtocol', hex(device.deviceProtocol))
      this.#folder(LANGUAGE)
      this.#write(`${LANGUAGE}/manufacturer`, text(device.manufacturer))
      this.#write(`${LANGUAGE}/product`, text(device.product))
      this.#write(`${LANGUAGE}/serialnumber`, text(device.serialNumber))
      this.#folder(CONFIGURATION)
      this.#write(`${CONFIGURATION}/bmAttributes`, hex(attributes))
      this.#write(`${CONFIGURATION}/MaxPower`, String(2 * power))
      // In the order in which the interfaces are numbered.
      for (const name of withSerial ? [this.#function, this.#serial] : [this.#function]) {
        this.#functionFolder(name)
        symlinkSync(join(this.#path, 'functions', name), join(this.#path, CONFIGURATION, name))
      }
      if (!isForeign) this.#tellWindows()
      mkdirSync(this.mount, { recursive: true, mode: 0o700 })
      this.roots.run('mount', ['-t', 'functionfs', this.name, this.mount])
    } catch (cause) {
      this.remove()
      if (cause instanceof UsbError) throw cause
      throw failed(`the gadget ${this.name} cannot be made`, cause)
    }
  }

  /** Plugs it in. @throws UsbError GADGET_IO */
  bind(controller: string): void {
    try {
      this.#write('UDC', controller)
    } catch (cause) {
      throw failed(`the gadget ${this.name} cannot be bound to ${controller}`, cause)
    }
  }

  /** Pulls it out; nothing to do where it is. */
  unbind(): void {
    try {
      this.#write('UDC', '\n')
    } catch {
      // It was not bound.
    }
  }

  /** Removes what there is of it, whatever that is. False = some of it is in use. */
  remove(): boolean {
    this.unbind()
    attempt(() => this.roots.run('umount', [this.mount]))
    attempt(() => rmdirSync(this.mount))
    attempt(() => unlinkSync(join(this.#path, WINDOWS_LINK)))
    const functions = [this.#function, this.#serial]
    for (const name of functions) attempt(() => unlinkSync(join(this.#path, CONFIGURATION, name)))
    for (const folder of [...functions.map((name) => `functions/${name}`), CONFIGURATION, LANGUAGE, '']) {
      attempt(() => rmdirSync(join(this.#path, folder)))
    }
    return !existsSync(this.#path)
  }

  /** The kernel makes it, if it has that function. */
  #functionFolder(name: string): void {
    try {
      this.#folder(`functions/${name}`)
    } catch (cause) {
      const isUnknown = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
      if (!isUnknown) throw cause
      throw missing(
        name === this.#serial
          ? "its kernel has no serial function ('modprobe usb_f_acm'; Linux with CONFIG_USB_CONFIGFS_ACM)"
          : "its kernel has no FunctionFS ('modprobe usb_f_fs'; Linux with CONFIG_USB_CONFIGFS_F_FS)",
      )
    }
  }

  #tellWindows(): void {
    this.#folder(WINDOWS)
    this.#write(`${WINDOWS}/b_vendor_code`, `0x${digits(REQUEST_MICROSOFT_1)}`)
    this.#write(`${WINDOWS}/qw_sign`, 'MSFT100')
    this.#write(`${WINDOWS}/use`, '1')
    symlinkSync(join(this.#path, CONFIGURATION), join(this.#path, WINDOWS_LINK))
  }

  #folder(name: string): void {
    mkdirSync(join(this.#path, name), { recursive: true })
  }

  #write(attribute: string, value: string): void {
    writeFileSync(join(this.#path, attribute), value)
  }
}

const digits = (value: number): string => value.toString(16).padStart(4, '0')

function textOf(descriptorOf: DescriptorsOf, index: number): string {
  const descriptor = index === 0 ? undefined : descriptorOf(DESCRIPTOR.string, index)
  return descriptor ? readText(descriptor) : ''
}

function attempt(step: () => void): void {
  try {
    step()
  } catch {
    // It was not there, or it is in use, and then what holds it is still there in the end.
  }
}

/**
 * Removes gadgets whose process is gone; answers their names. One that is bound to a controller is somebody's and stays.
 * @throws UsbError GADGET_BUSY where one cannot be removed, GADGET_UNAVAILABLE
 */
export function cleanUp(roots: GadgetRoots = LINUX): string[] {
  if (!isRoot(roots)) throw missing('it takes root')
  const left = GadgetTree.all(roots).filter(({ controller }) => controller === '')
  for (const tree of left) {
    if (!tree.remove()) throw new UsbError('GADGET_BUSY', `the gadget ${tree.name} is in use and stays`)
  }
  return left.map(({ name }) => name)
}
