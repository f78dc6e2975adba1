// Calls of the vendor's extension, which our own library alone sends: p11-kit's clients have none of them. Where C has a structure, a
// string or another order the library rearranges (library/vendor.c).

import { template } from './attribute-codec.js'
import { call } from './calls.js'
import { byte, byteRoom, bytes, cstring, fixed, nothing, row, ulong, ulongRoom, ulongs } from './codec.js'
import { mechanism } from './mechanism-codec.js'

const u = ulong
const uu = row(u, u)
const uuu = row(u, u, u)
const uuuu = row(u, u, u, u)
const uuuuu = row(u, u, u, u, u)
const set = row(u, ulongRoom, ulongRoom)
const containerSet = row(u, u, ulongRoom, ulongRoom)
/** 12 bytes of an object's unique id. */
const ouid = fixed(12)
const settings = row(ulongs, ulongs)

export const caCalls = {
  getFirmwareVersion: call(0x1000, 'CA_GetFirmwareVersion', u, uuu),
  getSessionInfo: call(0x1001, 'CA_GetSessionInfo', u, uuuu),
  getTime: call(0x1002, 'CA_GetTime', u, u),
  openSession: call(0x1006, 'CA_OpenSession', uuu, u),
  timeSync: call(0x1003, 'CA_TimeSync', uu, nothing),
  initAudit: call(0x1004, 'CA_InitAudit', row(u, bytes, cstring), nothing),
  logExternal: call(0x1005, 'CA_LogExternal', row(u, u, bytes), nothing),
  // ---- objects
  getObjectHandle: call(0x1010, 'CA_GetObjectHandle', row(u, u, bytes), uu),
  getObjectUid: call(0x1011, 'CA_GetObjectUID', uuuu, ouid),
  destroyMultipleObjects: call(0x1012, 'CA_DestroyMultipleObjects', row(u, ulongs), uu),
  cloneObject: call(0x1013, 'CA_CloneObject', uuuu, u),
  clonePrivateKey: call(0x1014, 'CA_ClonePrivateKey', uuu, u),
  migrateKeys: call(0x1015, 'CA_MigrateKeys', row(uuu, ulongs, ulongs, ulongRoom, ulongRoom), settings),
  deriveKeyAndWrap: call(
    0x1016,
    'CA_DeriveKeyAndWrap',
    row(u, mechanism, u, template, row(mechanism, u, byteRoom)),
    bytes,
  ),
  cloneMofN: call(0x1017, 'CA_CloneMofN', uu, nothing),
  duplicateMofN: call(0x1018, 'CA_DuplicateMofN', u, nothing),
  modifyUsageCount: call(0x1019, 'CA_ModifyUsageCount', uuuu, nothing),
  // ---- the HSM
  factoryReset: call(0x1020, 'CA_FactoryReset', uu, nothing),
  zeroize: call(0x1021, 'CA_Zeroize', uu, nothing),
  performSelfTest: call(0x1022, 'CA_PerformSelfTest', row(u, u, bytes, byteRoom), bytes),
  setTokenCertificateSignature: call(0x1023, 'CA_SetTokenCertificateSignature', row(u, u, u, template, bytes), nothing),
  mtkRestore: call(0x1024, 'CA_MTKRestore', u, nothing),
  mtkResplit: call(0x1025, 'CA_MTKResplit', u, nothing),
  mtkZeroize: call(0x1026, 'CA_MTKZeroize', u, nothing),
  mtkGetState: call(0x1027, 'CA_MTKGetState', u, u),
  stmGetState: call(0x1028, 'CA_STMGetState', u, u),
  initializeRemotePedVector: call(0x1029, 'CA_InitializeRemotePEDVector', u, nothing),
  deleteRemotePedVector: call(0x102a, 'CA_DeleteRemotePEDVector', u, nothing),
  getRemotePedVectorStatus: call(0x102b, 'CA_GetRemotePEDVectorStatus', u, u),
  configureRemotePed: call(0x102c, 'CA_ConfigureRemotePED', row(u, cstring, u), u),
  dismantleRemotePed: call(0x102d, 'CA_DismantleRemotePED', uu, nothing),
  getPedId: call(0x102e, 'CA_GetPedId', u, u),
  // ---- roles
  roleStateGet: call(0x1030, 'CA_RoleStateGet', uu, row(byte, byte, byte, byte)),
  initRolePin: call(0x1031, 'CA_InitRolePIN', row(u, u, bytes), nothing),
  resetPin: call(0x1032, 'CA_ResetPIN', row(u, bytes), nothing),
  deactivate: call(0x1033, 'CA_Deactivate', uu, nothing),
  setPedId: call(0x1034, 'CA_SetPedId', uu, nothing),
  createLoginChallenge: call(0x1035, 'CA_CreateLoginChallenge', row(u, u, bytes, byteRoom), bytes),
  // ---- policies, containers (partitions)
  getHsmCapabilitySet: call(0x1040, 'CA_GetHSMCapabilitySet', set, settings),
  getHsmCapabilitySetting: call(0x1041, 'CA_GetHSMCapabilitySetting', uu, u),
  getHsmPolicySet: call(0x1042, 'CA_GetHSMPolicySet', set, settings),
  getHsmPolicySetting: call(0x1043, 'CA_GetHSMPolicySetting', uu, u),
  getContainerCapabilitySet: call(0x1044, 'CA_GetContainerCapabilitySet', containerSet, settings),
  getContainerCapabilitySetting: call(0x1045, 'CA_GetContainerCapabilitySetting', uuu, u),
  getContainerPolicySet: call(0x1046, 'CA_GetContainerPolicySet', containerSet, settings),
  getContainerPolicySetting: call(0x1047, 'CA_GetContainerPolicySetting', uuu, u),
  setHsmPolicy: call(0x1048, 'CA_SetHSMPolicy', uuu, nothing),
  setDestructiveHsmPolicy: call(0x1049, 'CA_SetDestructiveHSMPolicy', uuu, nothing),
  setContainerPolicy: call(0x104a, 'CA_SetContainerPolicy', uuuu, nothing),
  getUserContainerNumber: call(0x104b, 'CA_GetUserContainerNumber', u, u),
  getContainerList: call(0x104c, 'CA_GetContainerList', row(u, u, u, ulongRoom), ulongs),
  getContainerName: call(0x104d, 'CA_GetContainerName', row(u, u, byteRoom), bytes),
  getNumberOfAllowedContainers: call(0x104e, 'CA_GetNumberOfAllowedContainers', u, u),
  getHsmStorageInformation: call(0x104f, 'CA_GetHSMStorageInformation', u, uuuu),
  getTokenStorageInformation: call(0x1050, 'CA_GetTokenStorageInformation', u, uuuuu),
  getContainerStorageInformation: call(0x1051, 'CA_GetContainerStorageInformation', uu, uuuuu),
  // ---- migration, step by step
  migrationStart: call(0x1060, 'CA_MigrationStartSessionNegotiation', row(u, bytes, byteRoom), row(u, bytes)),
  migrationContinue: call(
    0x1061,
    'CA_MigrationContinueSessionNegotiation',
    row(u, u, bytes, bytes, row(byteRoom, byteRoom)),
    row(u, bytes, u, bytes),
  ),
  migrationClose: call(0x1062, 'CA_MigrationCloseSession', row(u, bytes), nothing),
  extract: call(
    0x1063,
    'CA_Extract',
    row(u, u, row(bytes, bytes), row(ulongs, ulongs), row(ulongRoom, ulongRoom, byteRoom)),
    row(ulongs, ulongs, bytes),
  ),
  // ---- cloning of one object, step by step
  generateCloningKev: call(0x1070, 'CA_GenerateCloningKEV', row(u, byteRoom), bytes),
  cloneAsSourceInit: call(0x1071, 'CA_CloneAsSourceInit', row(u, byteRoom), bytes),
  cloneAsTargetInit: call(0x1072, 'CA_CloneAsTargetInit', row(u, bytes, bytes, byteRoom), bytes),
  cloneAsSource: call(0x1073, 'CA_CloneAsSource', row(u, u, u, bytes, byteRoom), bytes),
  cloneAsTarget: call(0x1074, 'CA_CloneAsTarget', row(u, bytes, bytes, row(u, u)), u),
  insert: call(0x1064, 'CA_Insert', row(u, u, bytes, row(ulongs, bytes), row(ulongRoom, ulongRoom)), settings),
} as const
