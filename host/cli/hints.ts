const LISTEN = "'--listen HOST:PORT' takes another address; 'moonlet status' shows what runs."
const RUNNING = "'moonlet status' shows it, 'moonlet down' ends it."

/** What to do next, by the code of what went wrong; where the message itself says it there is nothing here. */
export const HINTS: Readonly<Record<string, string>> = {
  STATE_LOCKED:
    "'moonlet status' shows what runs on the lab, 'moonlet down' ends it; a shell that has it ends with 'exit'.",
  STATE_DAMAGED: "'moonlet snapshot restore FILE --hsm NAME --force' puts a snapshot in its place.",
  LAB_START: "What it has said is in the folder 'logs' of the state folder.",
  LAB_SLOT_UNKNOWN: "'moonlet status' shows the slots of each workstation ('--view').",
  PED_SERVER_RUNNING: "'pedserver -mode show' says what it does, 'pedserver -mode stop' ends it.",
  PED_SERVER_NOT_RUNNING: "'pedserver -mode start' starts one.",
  PED_RUNNING: RUNNING,
  PKCS11_RUNNING: RUNNING,
  LISTEN_FAILED: LISTEN,
  USBIP_LISTEN: LISTEN,
  USB_LISTEN: LISTEN,
  PED_LISTEN: "Another address: '-ip' and '-port' of pedserver, '--ped-listen' of 'moonlet appliance'.",
  USBIP_CONNECT: "'moonlet usb serve' serves the Backup HSMs of a lab.",
  CONNECT_FAILED:
    "'moonlet appliance' serves the Network HSMs of a lab; 'vtl listServers' lists what this client knows.",
  CONFIG_SERVER_EXISTS: "'vtl deleteServer -n HOST' forgets it.",
  CKR_CHALLENGE_INCORRECT: "'moonlet status' shows the challenge that the lab was made with.",
  INTERNAL: "This should not happen: '--debug' shows where it did.",
}
