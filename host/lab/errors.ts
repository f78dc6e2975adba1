export type LabErrorCode =
  /** There is no lab in the state folder. */
  | 'LAB_MISSING'
  /** The folder holds a lab, or something else, already; or the file is there. */
  | 'LAB_EXISTS'
  /** The lab was made by a newer version. */
  | 'LAB_STATE_NEWER'
  /** lab.json is not as SPEC.md says; the message has the path of what is wrong. */
  | 'LAB_FILE_INVALID'
  | 'LAB_IO'
  | 'LAB_VIEW_UNKNOWN'
  /** A process of the lab does not do what it is told. */
  | 'LAB_BUSY'
  /** A process of the lab did not start. */
  | 'LAB_START'
  | 'LAB_HSM_UNKNOWN'
  | 'LAB_SLOT_UNKNOWN'
  /** The slot shows an HSM itself, which holds no keys of users. */
  | 'LAB_SLOT_NO_PARTITION'
  | 'LAB_OPTION_INVALID'
  /** Ctrl-C, or whoever asked for the work gave it up. */
  | 'LAB_CANCELLED'
  /** No PED answers at that address; the name is the one a shell shows. */
  | 'CKR_UNABLE_TO_CONNECT'
  /** The PED serves another HSM. */
  | 'PED_IN_USE'
  /** The PED server's certificate is not the one that was seen before, or is configured. */
  | 'PED_SERVER_UNTRUSTED'
  /** A pedserver runs on the state folder; or none does. */
  | 'PED_SERVER_RUNNING'
  | 'PED_SERVER_NOT_RUNNING'
  | 'PED_SERVER_START'
  /** The PED server is registered at the appliance already; or is not. */
  | 'PED_SERVER_REGISTERED'
  | 'PED_SERVER_UNKNOWN'
  /** No appliance of that name is registered at the pedserver. */
  | 'PED_APPLIANCE_UNKNOWN'
  /** The appliance could not be called. */
  | 'PED_CALL_FAILED'
  /** A PED runs on the state folder. */
  | 'PED_RUNNING'
  /** The PED server has no PED; the name is the one a shell shows. */
  | 'CKR_PED_UNPLUGGED'
  | 'IMPORT_READ'
  /** The file is none that `import` understands, or is damaged. */
  | 'IMPORT_FORMAT'
  /** A key of a kind or size that the firmware does not take. */
  | 'IMPORT_UNSUPPORTED'
  /** The passphrase is wrong or missing. */
  | 'IMPORT_PASSPHRASE'
  /** The token refused an object. */
  | 'IMPORT_REFUSED'
  | 'DEMO_FAILED'
  /** There is no Network HSM to be administrated. */
  | 'APPLIANCE_NO_HSM'
  /** There is no Backup HSM to be served as a USB device. */
  | 'USB_NO_HSM'
  /** Another process has the folder, and it is no appliance. */
  | 'APPLIANCE_BUSY'
  /** A PKCS#11 server has the socket already. */
  | 'PKCS11_RUNNING'
  /** No appliance runs on the folder. */
  | 'APPLIANCE_STOPPED'
  /** The snapshot is of another HSM than the one that it would replace. */
  | 'SNAPSHOT_OTHER_HSM'

/** Everything that goes wrong in this room; `code` is stable, the message is for people and holds no secret. */
export class LabError extends Error {
  override readonly name = 'LabError'
  constructor(
    readonly code: LabErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** The words of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** The `code` of an error, such as ENOENT or CKR_PIN_INCORRECT; undefined where it has none. */
export function codeOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown)) return undefined
  return typeof thrown.code === 'string' ? thrown.code : undefined
}
