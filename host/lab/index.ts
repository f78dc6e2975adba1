export { type CrashRecord, commandName, firmwareInfo } from '../board/index.js'
export {
  addServer,
  ClientConfig,
  CONFIG_FILE,
  type ConfiguredServer,
  createClientCertificate,
  deleteServer,
  NTLS_PORT,
} from '../ntls/index.js'
export { displayOn, StreamTerminal } from '../ped/index.js'
export {
  cleanUp as cleanUpGadgets,
  type ExportableDevice,
  type FaultChance,
  Gadget,
  type ListedDevice,
  listDevices,
  REDIR_PORT,
  type RealDeviceName,
  RedirServer,
  readDeviceName,
  readFaultRule,
  USBIP_PORT,
  type UsbipEvent,
  type UsbPresenter,
} from '../usb/index.js'
export { openControl, type ServiceHandlers } from './appliance-control.js'
export { type ApplianceDoorOptions, FolderAppliance } from './appliance-door.js'
export { ApplianceService, RBS_PORT, type ServiceOptions } from './appliance-service.js'
export { type BringUpOptions, bringUp, madeFrom, planOf } from './bring-up.js'
export { type LabCapture, type LabCaptureOptions, openCapture } from './capture.js'
export type { BoardSettings } from './chance.js'
export { type DemoDigests, type DemoOptions, runDemo } from './demo.js'
export {
  type DescribedAppliance,
  type DescribedPed,
  type DescribedPkcs11,
  type DescribedService,
  type LabDescription,
  type LabSource,
  parseDescription,
  readDescription,
  STANDARD_LAB,
} from './description.js'
export { enrol } from './enrol.js'
export { codeOf, LabError, type LabErrorCode, messageOf } from './errors.js'
export { makeFolders, removeEmpty } from './folders.js'
export { Hsm } from './hsm.js'
export { type ImportedObject, type ImportOptions, importItems } from './import.js'
export { findKeyFiles, type KeyFileOptions, readKeyFile } from './key-files.js'
export type { CertificateItem, KeyItem, PrivateKeyItem, SecretKeyItem } from './key-items.js'
export { Lab, type LabOptions } from './lab.js'
export {
  ADMIN_SLOT,
  LAB_FILE,
  LAB_FORMAT,
  type LabFile,
  type LabHsm,
  type LabSlot,
  type LabView,
  parseLabFile,
  readLabFile,
  writeLabFile,
} from './lab-file.js'
export { Borrowers, whileLending, whileServing } from './lend.js'
export { connectServer, type NetworkSlot, networkSlots } from './network-slots.js'
export { asOfficer } from './officer.js'
export { atWorkstation } from './open-workstation.js'
export { deletePedAppliance, pedAppliances, regeneratePedServer, registerPedAppliance } from './ped-appliances.js'
export { type PedAtLine, pedAtLine } from './ped-at-line.js'
export { type PedAtSocket, pedAtSocket, type RunningPed, runningPed } from './ped-at-socket.js'
export { listenForPedServers, PED_CALL_PORT } from './ped-callers.js'
export {
  orderPedServer,
  type PedServerAnswer,
  type PedServerOrder,
  type PedServerStatus,
  pedServerFolder,
  runningPedServer,
} from './ped-control.js'
export { KEYS, labRules } from './ped-keys.js'
export { type StandalonePedOptions, standalonePed } from './ped-seat.js'
export { PedServer, type PedServerOptions, type PedSource } from './ped-server.js'
export { type PedServerConfig, readPedServerConfig, writePedServerConfig } from './ped-server-config.js'
export { PedServerRegistry } from './ped-server-registry.js'
export { type Pkcs11Slot, type RunningPkcs11, runningPkcs11 } from './pkcs11-running.js'
export { type Pkcs11Event, Pkcs11Service, type Pkcs11ServiceOptions } from './pkcs11-service.js'
export { demoPlan, type LabPlan, PROFILES, standardPlan } from './plan.js'
export { type ObjectProof, proveRestored, writeProof } from './proof.js'
export type { RecordedFrame, Recorder } from './recorder.js'
export {
  endProcess,
  labClientFolder,
  lentFolder,
  ownClientFolder,
  type RunningServer,
  runningServers,
  stopServer,
  usbFolder,
} from './running.js'
export { DEFAULT_CHALLENGE, initLab, type SetupOptions } from './setup.js'
export { SharedTerminal } from './shared-terminal.js'
export { shownSlots } from './slot-places.js'
export {
  readSnapshotFile,
  restoreSnapshot,
  restoreSnapshotTo,
  type SnapshotSummary,
  saveSnapshot,
  summarize,
} from './snapshots.js'
export {
  type HsmStatus,
  type KeyStatus,
  type LabStatus,
  labStatus,
  type PartitionStatus,
  stateOf,
} from './status.js'
export { TAMPER_CAUSES, type TamperCause, tamperHsm } from './tamper.js'
export { BRIDGE_BUS_ID, realDeviceOpener, UsbBridge, type UsbBridgeEvent, type UsbBridgeOptions } from './usb-bridge.js'
export { type Plug, UsbInstruments, type UsbInstrumentsOptions, type UsbStats } from './usb-instruments.js'
export { type RealUsbLineOptions, realUsbLine, type UsbLine, type UsbLineOptions, usbLine } from './usb-line.js'
export { UsbReplay, type UsbReplayOptions } from './usb-replay.js'
export { type ServedHsm, UsbService, type UsbServiceOptions } from './usb-service.js'
export { type UseLabOptions, useLab } from './use-lab.js'
