import type { OperatorRule } from './operator-rules.js'

/** Names of the keys in a box, one for each colour that the rules use. */
export interface KeyNames {
  readonly so: string
  readonly user: string
  readonly limited: string
  readonly domain: string
  readonly remote: string
  readonly recovery: string
  readonly audit: string
}

export const KEY_NAMES: KeyNames = {
  so: 'blue',
  user: 'black',
  limited: 'gray',
  domain: 'red',
  remote: 'orange',
  recovery: 'purple',
  audit: 'white',
}

/**
 * A person who works by the book of the seed page: presents the key that is asked for, writes a new secret only to a key
 * that is still blank, and reuses what a key holds in all other cases (the red key above all: without the source's domain
 * no backup works). No PIN, no split, no duplicates, nothing is overwritten but the purple key.
 */
export function defaultRules(names: KeyNames = KEY_NAMES): OperatorRule[] {
  // The screen's words for a colour; the heading tells what is being made.
  const making: [heading: string, key: string][] = [
    ['SETTING SO PIN', names.so],
    ['SETTING USER PIN', names.user],
    ['SETTING LIMITED PIN', names.limited],
    ['SETTING DOMAIN', names.domain],
    ['SETTING RPV', names.remote],
    ['SETTING AUDITOR PIN', names.audit],
  ]
  const colours: [colour: string, key: string][] = [
    ['(blue)', names.so],
    ['(black)', names.user],
    ['(gray)', names.limited],
    ['(red)', names.domain],
    ['(orange)', names.remote],
    ['(purple)', names.recovery],
    ['(white)', names.audit],
  ]
  return [
    ...making.map(
      ([heading, key]): OperatorRule => ({
        prompt: `/^SLOT 01 ${heading}.*reuse an existing/`,
        action: 'no',
        ifBlank: key,
      }),
    ),
    { prompt: 'reuse an existing', action: 'yes' },
    { prompt: 'M value?', action: 'enter' },
    { prompt: 'N value?', action: 'enter' },
    ...colours.map(([colour, key]): OperatorRule => ({ prompt: colour, action: 'key', key })),
    // The purple key is the one that is written anew: what it held opens nothing any more.
    { prompt: '/SETTING SRV.*overwrite\\?/', action: 'yes' },
    { prompt: 'overwrite?', action: 'no' },
    { prompt: 'Are you duplicating', action: 'no' },
    { prompt: 'Press ENTER.', action: 'enter' },
  ]
}
