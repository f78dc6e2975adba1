import { CKA_LABEL, RC_OK } from '../../assembly/protocol.js'
import { type CloneEnd, type ObjectRow, textValue } from '../client/index.js'
import { kindOf, ouidOf } from './clone-plan.js'
import { literals } from './literals.js'
import type { Output } from './output.js'

/** The object list of `partition contents` and `partition archive contents`. */
export async function sayContents(output: Output, end: CloneEnd): Promise<void> {
  const rows = await end.client.objects.list(end.session)
  if (rows.length > 0) output.paragraph(literals.objectList)
  for (const row of rows) {
    output.paragraph(literals.objectRow, await labelOf(end, row), row.handle, typeName(row.objectClass), ouidOf(row))
  }
  output.paragraph(literals.numberOfObjects, rows.length)
}

async function labelOf(end: CloneEnd, row: ObjectRow): Promise<string> {
  const [label] = await end.client.objects.get(end.session, row.handle, [CKA_LABEL])
  return label?.code === RC_OK ? textValue(label.value) : ''
}

/** `Private Key` for CKO_PRIVATE_KEY. */
function typeName(objectClass: number): string {
  return kindOf(objectClass).replace(/\b[a-z]/g, (letter) => letter.toUpperCase())
}
