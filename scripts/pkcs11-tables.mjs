// The C library's tables and those of its functions whose parameters are plainly the values of a call, from the table of calls and the
// layouts of parameters that TypeScript uses.

/** C parameters that a value of a signature takes, and how it becomes an argument. */
const VALUES = {
  y: { takes: 1, write: ([value]) => `a_number(${value})` },
  u: { takes: 1, write: ([value]) => `a_number(${value})` },
  ay: { takes: 2, write: ([bytes, length]) => `a_bytes(${bytes}, ${length})` },
  au: { takes: 2, write: ([numbers, count]) => `a_bytes(${numbers}, ${count})` },
  fy: { takes: 2, write: ([room, length]) => `a_room(${room}, ${length})` },
  fu: { takes: 2, write: ([room, count]) => `a_room(${room}, ${count})` },
  M: { takes: 1, write: ([mechanism]) => `a_mechanism(${mechanism})` },
  aA: { takes: 2, write: ([list, count]) => `a_template(${list}, ${count})` },
}
const RESULT = { takes: 1, write: ([place]) => `a_result(${place})` }

/** Values of an answer that go where the request had room for them. */
const IN_PLACE = new Set(['ay', 'au', 'aA'])

const valuesOf = (signature) => signature.match(/[af]?./g) ?? []
const hex = (number) => `0x${number.toString(16)}`

/** Functions of the headers: name and types of the parameters. */
function prototypes(headers) {
  const rows = headers.flatMap((text) => [...text.replaceAll('\\\n', ' ').matchAll(/F\((CA?_\w+), \(([^)]*)\)\)/g)])
  return rows.map(([, name, list]) => ({ name, types: list.split(',').map(typeOf) }))
}

/** A parameter without its name, which begins with a small letter. */
const typeOf = (parameter) =>
  parameter
    .trim()
    .replace(/([ *])[a-z]\w*$/, '$1')
    .trim()

const letter = (i) => String.fromCharCode(97 + i)

function functionText({ name, types }, body) {
  const list = types.map((type, i) => `${type} ${letter(i)}`).join(', ')
  return `CK_RV ${name}(${list}) {\n${body}}\n`
}

function refusing(prototype) {
  const unused = prototype.types.map((_, i) => `  (void)${letter(i)};\n`).join('')
  return functionText(prototype, `${unused}  return moonlet_unsupported();\n`)
}

function caller(prototype, call) {
  const results = valuesOf(call.reply.signature).filter((value) => !IN_PLACE.has(value))
  const kinds = [...valuesOf(call.request.signature).map((value) => VALUES[value]), ...results.map(() => RESULT)]
  const taken = kinds.reduce((sum, kind) => sum + (kind?.takes ?? NaN), 0)
  if (taken !== prototype.types.length || results.some((value) => value !== 'u'))
    throw new Error(`${call.name}: its parameters are not the values of its call; it needs code of its own`)
  let at = 0
  const names = prototype.types.map((_, i) => letter(i))
  const values = kinds.map((kind) => {
    const own = names.slice(at, at + kind.takes)
    at += kind.takes
    return kind.write(own)
  })
  const places = names.slice(names.length - results.length)
  const check = places.length
    ? `  if (${places.map((one) => `${one} == NULL`).join(' || ')})\n    return CKR_ARGUMENTS_BAD;\n`
    : ''
  const array = values.length ? `  const Argument arguments[] = {${values.join(', ')}};\n` : ''
  const given = values.length ? 'arguments' : 'NULL'
  return functionText(
    prototype,
    `${check}${array}  return moonlet_call(&moonlet_calls[CALL_${call.name}], ${given});\n`,
  )
}

/** Mechanisms whose parameter is a structure that has to be taken apart. */
function layoutRows(protocol, { formOf, PARAMETER_LAYOUTS }) {
  const types = Object.entries(protocol).filter(([name]) => name.startsWith('CKM_'))
  const rows = types.map(([name, type]) => ({ name, type, layout: PARAMETER_LAYOUTS[formOf(type)] }))
  return rows.filter(({ layout }) => layout !== '')
}

/** The vendor's list, with null for what is not there. */
function vendorTable(headers, have) {
  const [, text = ''] = headers.map((one) => /\/\/ order:\n([\s\S]*?)\/\/ end\n/.exec(one)).find((found) => found) ?? []
  const names = text.match(/CA_\w+/g) ?? []
  return names.map((name) => `    ${have.has(name) ? `(CA_FUNCTION)${name}` : 'NULL'}, // ${name}`).join('\n')
}

export async function generate({ load, headers, sources }) {
  const [{ calls }, { messageCalls }, { caCalls }, codec, rpc, general, mechanisms, protocol] = await Promise.all(
    [
      'pkcs11/calls',
      'pkcs11/message-calls',
      'pkcs11/ca-calls',
      'pkcs11/codec',
      'pkcs11/rpc',
      'pkcs11/general',
      'pkcs11/mechanism-codec',
    ]
      .map((name) => load(`host/${name}.js`))
      .concat(load('assembly/protocol.js')),
  )
  const all = [calls, messageCalls, caCalls].flatMap((table) => Object.values(table))
  const byName = new Map(all.map((call) => [call.name, call]))
  const byHand = new Set(sources.flatMap((text) => [...text.matchAll(/^CK_RV (CA?_\w+)\(/gm)]).map(([, name]) => name))
  const declared = prototypes(headers)
  const have = new Set([...declared.map(({ name }) => name), ...byHand])
  const used = new Set(sources.flatMap((text) => [...text.matchAll(/CALL(?:_|\()(CA?_\w+)/g)]).map(([, name]) => name))
  for (const { name } of all) {
    if (!have.has(name) && !used.has(name)) throw new Error(`${name}: no C function makes this call`)
  }
  const made = declared.filter(({ name }) => !byHand.has(name))
  const texts = made.map((one) => {
    const call = byName.get(one.name)
    return call ? caller(one, call) : refusing(one)
  })
  const notice = '// Made by scripts/pkcs11-tables.mjs from the tables of host/pkcs11.\n'
  const header = `${notice}#ifndef MOONLET_TABLES_H
#define MOONLET_TABLES_H

#include <stdint.h>

#define LIBRARY_VERSION ${hex(codec.LIBRARY)}
#define HANDSHAKE "${general.HANDSHAKE}"
#define CANCEL ${hex(mechanisms.CANCEL)}U
#define HEAD ${rpc.HEAD}
#define BODY_LEAST ${rpc.BODY_LEAST}
#define BODY_LIMIT ${rpc.BODY_LIMIT}U
#define OPTIONS_LIMIT ${rpc.OPTIONS_LIMIT}U
#define ANSWER_LIMIT ${rpc.ANSWER_LIMIT}U
#define ATTRIBUTES_MOST 4096U

typedef struct {
  uint32_t id;
  const char *request;
  const char *reply;
} Call;

enum {
${all.map(({ name }) => `  CALL_${name},`).join('\n')}
};
extern const Call moonlet_calls[];

typedef struct {
  uint32_t mechanism;
  // One letter for each field of the structure; NULL ends the table.
  const char *layout;
} Layout;
extern const Layout moonlet_layouts[];

#endif
`
  const code = `${notice}#include "library.h"
#include "vendor.h"

const Call moonlet_calls[] = {
${all.map(({ id, request, reply, name }) => `    {${hex(id)}, "${request.signature}", "${reply.signature}"}, // ${name}`).join('\n')}
    {0, NULL, NULL},
};

const Layout moonlet_layouts[] = {
${layoutRows(protocol, mechanisms)
  .map(({ name, type, layout }) => `    {${hex(type)}, "${layout}"}, // ${name}`)
  .join('\n')}
    {0, NULL},
};

const CA_FUNCTION moonlet_ca_functions[CA_ORDER_LENGTH] = {
${vendorTable(headers, have)}
};

${texts.join('\n')}`
  return { 'tables.h': header, 'calls.c': code }
}
