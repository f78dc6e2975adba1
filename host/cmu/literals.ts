/**
 * Every line that cmu prints. Where it comes from: C = code of the vendor's that reads it, T = somebody's transcript, R = made in its style.
 */
export const literals = {
  // T
  password: (slot: number) => `Please enter password for token in slot ${slot} : `,
  // R
  selectToken: 'Select token',
  token: (slot: number, label: string) => ` [${slot}] Token Label: ${label}`,
  choice: ' Enter choice: ',
  // T: `handle=16`, a tab, `label=...`
  row: (fields: readonly (readonly [name: string, value: string])[]) =>
    fields.map(([name, value]) => `${name}=${value}`).join('\t'),
  // C
  pairMade: (open: number, secret: number) =>
    `...The key pair was successfully generated -> public handle(${open}), private handle(${secret})`,
  certificateMade: (handle: number) => `...The certificate object was successfully created -> handle(${handle})`,
  // R
  keyImported: (handle: number) => `...The key was successfully imported -> handle(${handle})`,
  requestWritten: (file: string) => `...The certificate request was successfully written -> file(${file})`,
  exported: (file: string) => `...The object was successfully exported -> file(${file})`,
  deleted: (handle: number) => `...The object was successfully deleted -> handle(${handle})`,
  changed: (handle: number) => `...The attributes were successfully set -> handle(${handle})`,
  sure: (handle: number) => `Are you sure you want to delete the object with handle ${handle}? (y/n) `,
} as const
