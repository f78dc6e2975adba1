import { readFileSync, statfsSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, type as system } from 'node:os'

/** Names of the file systems that a state folder is likely to be on, by the magic number of statfs(2). */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61267: 'ext4',
  16914836: 'tmpfs',
  2435016766: 'btrfs',
  1481003842: 'xfs',
  2035054128: 'overlay',
}

function fileSystem(folder: string): string {
  const { type } = statfsSync(folder)
  return FILE_SYSTEMS[type] ?? `file system 0x${type.toString(16)}`
}

/** The processor's name; machines of one model differ, so the family and model numbers go with it where Linux tells them. */
function processor(): string {
  const name = cpus()[0]?.model.trim() || 'unknown processor'
  try {
    const info = readFileSync('/proc/cpuinfo', 'utf8')
    const [family, model] = ['cpu family', 'model'].map(
      (field) => info.match(new RegExp(`^${field}\\s*: (\\d+)$`, 'm'))?.[1],
    )
    return family && model ? `${name} (family ${family}, model ${model})` : name
  } catch {
    return name
  }
}

/** The machine in one line: what the numbers depend on. `folder` is where state folders are made. */
export function machineLine(folder: string): string {
  const [load = 0] = loadavg()
  return [
    processor(),
    `${availableParallelism()} cores`,
    `load ${load.toFixed(1)}`,
    `Node ${process.versions.node}`,
    `V8 ${process.versions.v8}`,
    `OpenSSL ${process.versions.openssl}`,
    `${system()} ${release()}`,
    fileSystem(folder),
  ].join(', ')
}
