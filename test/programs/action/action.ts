// A composite action, carried out as its runner does: inputs, steps, the files by which steps hand on what later ones read.

import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { readYaml, type Yaml, type YamlMap } from './yaml.js'

export interface ActionRun {
  /** What the steps after the action have in their environment. */
  readonly env: NodeJS.ProcessEnv
  readonly outputs: Readonly<Record<string, string>>
  /** What the log must not show. */
  readonly masks: readonly string[]
}

export interface RunActionOptions {
  /** Folder with action.yml. */
  readonly folder: string
  /** Folder for what the runner keeps: command files, $RUNNER_TEMP. */
  readonly work: string
  /** Where the job has its checkout. */
  readonly workspace: string
  readonly inputs?: Readonly<Record<string, string>>
  readonly env: NodeJS.ProcessEnv
  /** An action that is used by this one: it is somebody else's, so only what it would leave behind is checked. @throws Error */
  readonly uses: (name: string, inputs: Readonly<Record<string, string>>, env: NodeJS.ProcessEnv) => void
  readonly log?: (text: string) => void
}

const map = (value: Yaml | undefined): YamlMap => {
  if (value === undefined || value === '') return {}
  if (typeof value === 'string' || Array.isArray(value)) throw new Error(`a map was wanted, not ${String(value)}`)
  // What is neither a word nor a list.
  return Object.fromEntries(Object.entries(value))
}

const text = (value: Yaml | undefined): string | undefined => {
  if (value === undefined || typeof value === 'string') return value
  throw new Error('a word was wanted')
}

/** The words of a map. */
const words = (value: Yaml | undefined, fill: (word: string) => string): Record<string, string> =>
  Object.fromEntries(Object.entries(map(value)).map(([key, word]) => [key, fill(text(word) ?? '')]))

/** Environment and outputs as steps write them: `NAME=value`, or `NAME<<END`, lines, `END`. */
export function readCommandFile(content: string): Record<string, string> {
  const values: Record<string, string> = {}
  const lines = content.split('\n')
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? ''
    if (line === '') continue
    const [, long, end] = /^([^=<]+)<<(.+)$/.exec(line) ?? []
    const [, name, value] = /^([^=]+)=(.*)$/.exec(line) ?? []
    if (long !== undefined) {
      const until = lines.indexOf(end ?? '', at + 1)
      if (until < 0) throw new Error(`"${line}" has no end`)
      values[long] = lines.slice(at + 1, until).join('\n')
      at = until
    } else if (name !== undefined) values[name] = value ?? ''
    else throw new Error(`"${line}" sets nothing`)
  }
  return values
}

/** @throws Error where a step fails, or the file has what this runner does not know */
export function runAction(options: RunActionOptions): ActionRun {
  const { folder, work, workspace, log = () => undefined } = options
  const action = map(readYaml(readFileSync(join(folder, 'action.yml'), 'utf8')))
  const declared = map(action.inputs)
  const unknown = Object.keys(options.inputs ?? {}).find((name) => !(name in declared))
  if (unknown !== undefined) throw new Error(`the action has no input "${unknown}"`)
  const inputs = Object.fromEntries(
    Object.entries(declared).map(([name, input]) => [name, options.inputs?.[name] ?? text(map(input).default) ?? '']),
  )
  const runs = map(action.runs)
  if (runs.using !== 'composite' || !Array.isArray(runs.steps)) throw new Error('the action is not composite')
  const outputs = new Map<string, Record<string, string>>()
  const fill = (value: string): string =>
    value.replace(/\$\{\{ *([\w.-]+) *\}\}/g, (_, path: string) => {
      const [kind, name = '', , output = ''] = path.split('.')
      if (kind === 'inputs' && name in inputs) return inputs[name] ?? ''
      if (kind === 'steps' && outputs.has(name)) return outputs.get(name)?.[output] ?? ''
      throw new Error(`the expression ${path} is not known`)
    })
  const temp = join(work, 'temp')
  mkdirSync(temp, { recursive: true })
  const masks: string[] = []
  let env: NodeJS.ProcessEnv = {
    ...options.env,
    CI: 'true',
    GITHUB_ACTIONS: 'true',
    GITHUB_WORKSPACE: workspace,
    RUNNER_TEMP: temp,
    RUNNER_OS: 'Linux',
  }
  for (const [index, item] of runs.steps.entries()) {
    const step = map(item)
    const uses = text(step.uses)
    if (uses !== undefined) {
      options.uses(uses, words(step.with, fill), env)
      continue
    }
    const name = text(step.name) ?? `step ${index + 1}`
    if (step.shell !== 'bash') throw new Error(`${name}: a step of an action names its shell`)
    log(`==> ${name}\n`)
    const files = ['GITHUB_ENV', 'GITHUB_PATH', 'GITHUB_OUTPUT', 'GITHUB_STEP_SUMMARY'].map((variable) => {
      const path = join(work, `${index}-${variable}`)
      writeFileSync(path, '')
      return [variable, path] as const
    })
    const script = join(work, `${index}.sh`)
    writeFileSync(script, fill(text(step.run) ?? ''))
    // The runner's own call of bash.
    const ran = spawnSync('bash', ['--noprofile', '--norc', '-e', '-o', 'pipefail', script], {
      cwd: workspace,
      env: { ...env, ...words(step.env, fill), ...Object.fromEntries(files), GITHUB_ACTION_PATH: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    })
    for (const line of ran.stdout.split('\n')) {
      if (line.startsWith('::add-mask::')) masks.push(line.slice('::add-mask::'.length))
      else if (line !== '') log(`${line}\n`)
    }
    if (ran.status !== 0) throw new Error(`${name} has failed: code ${ran.status}\n${ran.stderr}`)
    const [set, path, output] = files.map(([, file]) => readFileSync(file, 'utf8'))
    const added = (path ?? '').split('\n').filter((line) => line !== '')
    env = { ...env, ...readCommandFile(set ?? '') }
    env.PATH = [...added.reverse(), env.PATH ?? ''].join(delimiter)
    const id = text(step.id)
    if (id !== undefined) outputs.set(id, readCommandFile(output ?? ''))
  }
  const results = Object.fromEntries(
    Object.entries(map(action.outputs)).map(([name, output]) => [name, fill(text(map(output).value) ?? '')]),
  )
  return { env, outputs: results, masks }
}
