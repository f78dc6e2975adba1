// The vendor's extension: functions that the library has, F(name, parameters), and the order of all names in the vendor's list.
#ifndef MOONLET_VENDOR_H
#define MOONLET_VENDOR_H

#include "functions.h"

// clang-format off
#define CA_FUNCTIONS(F) \
  F(CA_GetFirmwareVersion, (CK_SLOT_ID, CK_ULONG_PTR, CK_ULONG_PTR, CK_ULONG_PTR)) \
  F(CA_GetSessionInfo, (CK_SESSION_HANDLE, CK_ULONG_PTR, CK_ULONG_PTR, CK_ULONG_PTR, CK_ULONG_PTR)) \
  F(CA_OpenSession, (CK_SLOT_ID slot, CK_ULONG container, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify, \
    CK_ULONG_PTR session)) \
  F(CA_GetTime, (CK_SESSION_HANDLE, CK_ULONG_PTR)) \
  F(CA_TimeSync, (CK_SESSION_HANDLE, CK_ULONG)) \
  F(CA_InitAudit, (CK_SLOT_ID slot, CK_UTF8CHAR_PTR pin, CK_ULONG length, CK_UTF8CHAR_PTR label)) \
  F(CA_LogExternal, (CK_SLOT_ID, CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG)) \
  F(CA_GetObjectHandle, (CK_SLOT_ID slot, CK_ULONG container, CK_BYTE_PTR ouid, CK_ULONG_PTR type, CK_ULONG_PTR object)) \
  F(CA_GetObjectUID, (CK_SLOT_ID slot, CK_ULONG container, CK_ULONG type, CK_ULONG object, CK_BYTE_PTR ouid)) \
  F(CA_GetTokenObjectHandle, (CK_SLOT_ID slot, CK_BYTE_PTR ouid, CK_ULONG_PTR type, CK_ULONG_PTR object)) \
  F(CA_GetTokenObjectUID, (CK_SLOT_ID slot, CK_ULONG type, CK_ULONG object, CK_BYTE_PTR ouid)) \
  F(CA_DestroyMultipleObjects, (CK_SESSION_HANDLE session, CK_ULONG count, CK_ULONG_PTR objects, CK_ULONG_PTR index)) \
  F(CA_CloneObject, (CK_SESSION_HANDLE, CK_SESSION_HANDLE, CK_ULONG, CK_OBJECT_HANDLE, CK_ULONG_PTR)) \
  F(CA_ClonePrivateKey, (CK_SESSION_HANDLE, CK_SESSION_HANDLE, CK_OBJECT_HANDLE, CK_ULONG_PTR)) \
  F(CA_MigrateKeys, (CK_SESSION_HANDLE source, CK_SESSION_HANDLE target, CK_FLAGS flags, CK_ULONG count, \
    CK_OBJECT_MIGRATION_DATA *objects)) \
  F(CA_DeriveKeyAndWrap, (CK_SESSION_HANDLE, CK_MECHANISM_PTR, CK_OBJECT_HANDLE, CK_ATTRIBUTE_PTR, CK_ULONG, \
    CK_MECHANISM_PTR, CK_OBJECT_HANDLE, CK_BYTE_PTR, CK_ULONG_PTR)) \
  F(CA_CloneMofN, (CK_SESSION_HANDLE session, CK_SESSION_HANDLE primary, CK_VOID_PTR reserved)) \
  F(CA_DuplicateMofN, (CK_SESSION_HANDLE)) \
  F(CA_ModifyUsageCount, (CK_SESSION_HANDLE, CK_OBJECT_HANDLE, CK_ULONG, CK_ULONG)) \
  F(CA_MigrationStartSessionNegotiation, (CK_SESSION_HANDLE session, CK_ULONG inputLength, CK_BYTE_PTR input, \
    CK_ULONG_PTR step, CK_ULONG_PTR length, CK_BYTE_PTR output)) \
  F(CA_MigrationContinueSessionNegotiation, (CK_SESSION_HANDLE session, CK_ULONG inputStep, CK_ULONG inputLength, \
    CK_BYTE_PTR input, CK_ULONG ouidLength, CK_BYTE_PTR ouid, CK_ULONG_PTR step, CK_ULONG_PTR length, \
    CK_BYTE_PTR output, CK_ULONG_PTR status, CK_ULONG_PTR outputOuidLength, CK_BYTE_PTR outputOuid)) \
  F(CA_MigrationCloseSession, (CK_SESSION_HANDLE session, CK_ULONG ouidLength, CK_BYTE_PTR ouid)) \
  F(CA_Extract, (CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism)) \
  F(CA_Insert, (CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism)) \
  F(CA_GenerateCloningKEV, (CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG_PTR)) \
  F(CA_CloneAsSourceInit, (CK_SESSION_HANDLE session, CK_BYTE_PTR input, CK_ULONG inputLength, CK_BYTE_PTR output, \
    CK_ULONG_PTR length, CK_BBOOL replicate)) \
  F(CA_CloneAsTargetInit, (CK_SESSION_HANDLE session, CK_BYTE_PTR input, CK_ULONG inputLength, CK_BYTE_PTR kev, \
    CK_ULONG kevLength, CK_BBOOL replicate, CK_BYTE_PTR part, CK_ULONG_PTR length)) \
  F(CA_CloneAsSource, (CK_SESSION_HANDLE session, CK_ULONG type, CK_ULONG object, CK_BYTE_PTR input, \
    CK_ULONG inputLength, CK_BBOOL replicate, CK_BYTE_PTR part, CK_ULONG_PTR length)) \
  F(CA_CloneAsTarget, (CK_SESSION_HANDLE session, CK_BYTE_PTR kev, CK_ULONG kevLength, CK_BYTE_PTR part, CK_ULONG length, \
    CK_ULONG type, CK_ULONG object, CK_BBOOL replicate, CK_ULONG_PTR made)) \
  F(CA_FactoryReset, (CK_SLOT_ID, CK_FLAGS)) \
  F(CA_Zeroize, (CK_SLOT_ID, CK_FLAGS)) \
  F(CA_PerformSelfTest, (CK_SLOT_ID, CK_ULONG, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR)) \
  F(CA_SetTokenCertificateSignature, (CK_SESSION_HANDLE, CK_ULONG, CK_ULONG, CK_ATTRIBUTE_PTR, CK_ULONG, CK_BYTE_PTR, \
    CK_ULONG)) \
  F(CA_MTKRestore, (CK_SLOT_ID)) \
  F(CA_MTKResplit, (CK_SLOT_ID)) \
  F(CA_MTKZeroize, (CK_SLOT_ID)) \
  F(CA_MTKGetState, (CK_SLOT_ID, CK_ULONG_PTR)) \
  F(CA_STMGetState, (CK_SLOT_ID, CK_ULONG_PTR)) \
  F(CA_InitializeRemotePEDVector, (CK_SESSION_HANDLE)) \
  F(CA_DeleteRemotePEDVector, (CK_SESSION_HANDLE)) \
  F(CA_GetRemotePEDVectorStatus, (CK_SLOT_ID, CK_ULONG_PTR)) \
  F(CA_ConfigureRemotePED, (CK_SLOT_ID slot, CK_UTF8CHAR_PTR host, CK_ULONG port, CK_ULONG_PTR id)) \
  F(CA_DismantleRemotePED, (CK_SLOT_ID, CK_ULONG)) \
  F(CA_GetPedId, (CK_SLOT_ID, CK_ULONG_PTR)) \
  F(CA_RoleStateGet, (CK_SLOT_ID slot, CK_USER_TYPE user, CA_ROLE_STATE *state)) \
  F(CA_InitRolePIN, (CK_SESSION_HANDLE, CK_USER_TYPE, CK_UTF8CHAR_PTR, CK_ULONG)) \
  F(CA_ResetPIN, (CK_SESSION_HANDLE, CK_UTF8CHAR_PTR, CK_ULONG)) \
  F(CA_Deactivate, (CK_SLOT_ID, CK_USER_TYPE)) \
  F(CA_SetPedId, (CK_SLOT_ID, CK_ULONG)) \
  F(CA_CreateLoginChallenge, (CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_ULONG length, CK_UTF8CHAR_PTR challenge, \
    CK_ULONG_PTR outputLength, CK_UTF8CHAR_PTR output)) \
  F(CA_GetHSMCapabilitySet, (CK_SLOT_ID, CK_ULONG_PTR, CK_ULONG_PTR, CK_ULONG_PTR, CK_ULONG_PTR)) \
  F(CA_GetHSMCapabilitySetting, (CK_SLOT_ID, CK_ULONG, CK_ULONG_PTR)) \
  F(CA_GetHSMPolicySet, (CK_SLOT_ID, CK_ULONG_PTR, CK_ULONG_PTR, CK_ULONG_PTR, CK_ULONG_PTR)) \
  F(CA_GetHSMPolicySetting, (CK_SLOT_ID, CK_ULONG, CK_ULONG_PTR)) \
  F(CA_GetContainerCapabilitySet, (CK_SLOT_ID, CK_ULONG, CK_ULONG_PTR, CK_ULONG_PTR, CK_ULONG_PTR, CK_ULONG_PTR)) \
  F(CA_GetContainerCapabilitySetting, (CK_SLOT_ID, CK_ULONG, CK_ULONG, CK_ULONG_PTR)) \
  F(CA_GetContainerPolicySet, (CK_SLOT_ID, CK_ULONG, CK_ULONG_PTR, CK_ULONG_PTR, CK_ULONG_PTR, CK_ULONG_PTR)) \
  F(CA_GetContainerPolicySetting, (CK_SLOT_ID, CK_ULONG, CK_ULONG, CK_ULONG_PTR)) \
  F(CA_SetHSMPolicy, (CK_SESSION_HANDLE, CK_ULONG, CK_ULONG)) \
  F(CA_SetDestructiveHSMPolicy, (CK_SESSION_HANDLE, CK_ULONG, CK_ULONG)) \
  F(CA_SetContainerPolicy, (CK_SESSION_HANDLE, CK_ULONG, CK_ULONG, CK_ULONG)) \
  F(CA_GetUserContainerNumber, (CK_SLOT_ID, CK_ULONG_PTR)) \
  F(CA_GetContainerList, (CK_SLOT_ID, CK_ULONG, CK_ULONG, CK_ULONG_PTR, CK_ULONG_PTR)) \
  F(CA_GetContainerName, (CK_SLOT_ID, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR)) \
  F(CA_GetNumberOfAllowedContainers, (CK_SLOT_ID, CK_ULONG_PTR)) \
  F(CA_GetHSMStorageInformation, (CK_SLOT_ID, CK_ULONG_PTR, CK_ULONG_PTR, CK_ULONG_PTR, CK_ULONG_PTR)) \
  F(CA_GetTokenStorageInformation, (CK_SLOT_ID, CK_ULONG_PTR, CK_ULONG_PTR, CK_ULONG_PTR, CK_ULONG_PTR, CK_ULONG_PTR)) \
  F(CA_GetContainerStorageInformation, (CK_SLOT_ID, CK_ULONG, CK_ULONG_PTR, CK_ULONG_PTR, CK_ULONG_PTR, CK_ULONG_PTR, \
    CK_ULONG_PTR))
// clang-format on

#define CA_PROTOTYPE(name, parameters) CK_EXPORT CK_RV name parameters;
CA_FUNCTIONS(CA_PROTOTYPE)
#undef CA_PROTOTYPE

// A function of any type.
typedef void (*CA_FUNCTION)(void);

// CA_GetFunctionList gives a version and these, in this order (pycryptoki's CK_SFNT_CA_FUNCTION_LIST); those that the library has not
// are null. The table is made of this comment.
// order:
//   CA_GetFunctionList, CA_WaitForSlotEvent, CA_InitIndirectToken, CA_InitIndirectPIN, CA_ResetPIN, CA_InitRolePIN,
//   CA_InitSlotRolePIN, CA_RoleStateGet, CA_CreateLoginChallenge, CA_CreateContainerLoginChallenge, CA_Deactivate,
//   CA_FindAdminSlotForSlot, CA_TokenInsert, CA_TokenInsertNoAuth, CA_TokenZeroize, CA_TokenDelete, CA_OpenSession,
//   CA_OpenSessionWithAppID, CA_IndirectLogin, CA_InitializeRemotePEDVector, CA_DeleteRemotePEDVector,
//   CA_GetRemotePEDVectorStatus, CA_ConfigureRemotePED, CA_DismantleRemotePED, CA_Restart, CA_RestartForContainer,
//   CA_CloseApplicationID, CA_CloseApplicationIDForContainer, CA_OpenApplicationID, CA_OpenApplicationIDForContainer,
//   CA_SetApplicationID, CA_ReadUtilizationMetrics, CA_DescribeUtilizationBinId, CA_ReadAndResetUtilizationMetrics,
//   CA_ReadAllUtilizationCounters, CA_SetAuthorizationData, CA_AuthorizeKey, CA_ManualKCV, CA_SetLKCV, CA_SetKCV, CA_SetRDK,
//   CA_SetCloningDomain, CA_ClonePrivateKey, CA_CloneObject, CA_GenerateCloningKEV, CA_CloneAsTargetInit, CA_CloneAsSource,
//   CA_CloneAsTarget, CA_SetMofN, CA_GenerateMofN, CA_GenerateCloneableMofN, CA_ModifyMofN, CA_CloneMofN, CA_CloneModifyMofN,
//   CA_ActivateMofN, CA_DeactivateMofN, CA_GetMofNStatus, CA_DuplicateMofN, CA_IsMofNEnabled, CA_IsMofNRequired,
//   CA_GenerateTokenKeys, CA_GetTokenCertificateInfo, CA_SetTokenCertificateSignature, CA_GetModuleList, CA_GetModuleInfo,
//   CA_LoadModule, CA_LoadEncryptedModule, CA_UnloadModule, CA_PerformModuleCall, CA_FirmwareUpdate, CA_FirmwareRollback,
//   CA_CapabilityUpdate, CA_GetUserContainerNumber, CA_GetUserContainerName, CA_SetUserContainerName,
//   CA_GetTokenInsertionCount, CA_GetRollbackFirmwareVersion, CA_GetFPV, CA_GetTPV, CA_GetExtendedTPV,
//   CA_GetConfigurationElementDescription, CA_GetHSMCapabilitySet, CA_GetHSMCapabilitySetting, CA_GetHSMPolicySet,
//   CA_GetHSMPolicySetting, CA_GetContainerCapabilitySet, CA_GetContainerCapabilitySetting, CA_GetContainerPolicySet,
//   CA_GetContainerPolicySetting, CA_SetTPV, CA_SetExtendedTPV, CA_SetHSMPolicy, CA_SetHSMPolicies, CA_SetDestructiveHSMPolicy,
//   CA_SetDestructiveHSMPolicies, CA_SetContainerPolicy, CA_SetContainerPolicies, CA_GetTokenCapabilities, CA_SetTokenPolicies,
//   CA_GetTokenPolicies, CA_RetrieveLicenseList, CA_QueryLicense, CA_GetContainerStatus, CA_GetTokenStatus, CA_GetSessionInfo,
//   CA_GetCVFirmwareVersion, CA_ReadCommonStore, CA_WriteCommonStore, CA_GetPrimarySlot, CA_GetSecondarySlot,
//   CA_SwitchSecondarySlot, CA_CloseSecondarySession, CA_CloseAllSecondarySessions, CA_ChoosePrimarySlot,
//   CA_ChooseSecondarySlot, CA_CloneObjectToAllSessions, CA_CloneAllObjectsToSession, CA_ResetDevice, CA_Zeroize,
//   CA_FactoryReset, CA_SetPedId, CA_GetPedId, CA_SpRawRead, CA_SpRawWrite, CA_CheckOperationState, CA_DestroyMultipleObjects,
//   CA_OpenSecureToken, CA_CloseSecureToken, CA_ListSecureTokenInit, CA_ListSecureTokenUpdate, CA_GetSecureElementMeta,
//   CA_HAInit, CA_HAInitExtended, CA_HAGetMasterPublic, CA_HAGetLoginChallenge, CA_HAAnswerLoginChallenge, CA_HALogin,
//   CA_HAAnswerMofNChallenge, CA_HAActivateMofN, CA_GetHAState, CA_GetTokenCertificates, CA_ExtractMaskedObject,
//   CA_InsertMaskedObject, CA_MultisignValue, CA_SIMExtract, CA_SIMInsert, CA_SIMMultiSign, CA_Extract, CA_Insert,
//   CA_GetTokenObjectUID, CA_GetTokenObjectHandle, CA_GetObjectUID, CA_GetObjectHandle, CA_DeleteContainer, CA_MTKSetStorage,
//   CA_MTKRestore, CA_MTKResplit, CA_MTKZeroize, CA_MTKGetState, CA_STMToggle, CA_STMGetState, CA_GetTSV, CA_InvokeServiceInit,
//   CA_InvokeService, CA_InvokeServiceFinal, CA_InvokeServiceAsynch, CA_InvokeServiceSinglePart, CA_EncodeECPrimeParams,
//   CA_EncodeECChar2Params, CA_EncodeECParamsFromFile, CA_GetHSMStats, CA_GetHSMStorageInformation,
//   CA_GetTokenStorageInformation, CA_GetContainerStorageInformation, CA_SetContainerSize, CA_CreateContainer, CA_InitAudit,
//   CA_LogVerify, CA_LogVerifyFile, CA_LogExternal, CA_LogImportSecret, CA_LogExportSecret, CA_TimeSync, CA_GetTime,
//   CA_LogSetConfig, CA_LogGetConfig, CA_ReplaceFastPathKEK, CA_LogGetStatus, CA_DeleteContainerWithHandle,
//   CA_GetContainerList, CA_GetContainerName, CA_GetNumberOfAllowedContainers, CA_GetTunnelSlotNumber, CA_GetClusterState,
//   CA_LockClusteredSlot, CA_UnlockClusteredSlot, CA_LKMInitiatorChallenge, CA_LKMReceiverResponse, CA_LKMInitiatorComplete,
//   CA_LKMReceiverComplete, CA_ModifyUsageCount, CA_EnableUnauthTokenInsertion, CA_GetUnauthTokenInsertionStatus,
//   CA_DisableUnauthTokenInsertion, CA_STCRegister, CA_STCDeregister, CA_STCGetPubKey, CA_STCGetClientsList,
//   CA_STCGetClientInfo, CA_STCGetPartPubKey, CA_STCGetAdminPubKey, CA_STCSetCipherAlgorithm, CA_STCGetCipherAlgorithm,
//   CA_STCClearCipherAlgorithm, CA_STCSetDigestAlgorithm, CA_STCGetDigestAlgorithm, CA_STCClearDigestAlgorithm,
//   CA_STCSetKeyLifeTime, CA_STCGetKeyLifeTime, CA_STCSetKeyActivationTimeOut, CA_STCGetKeyActivationTimeOut,
//   CA_STCSetMaxSessions, CA_STCGetMaxSessions, CA_STCSetSequenceWindowSize, CA_STCGetSequenceWindowSize, CA_STCIsEnabled,
//   CA_STCGetState, CA_STCGetCurrentKeyLife, CA_GetSlotIdForPhysicalSlot, CA_GetSlotIdForContainer, CA_STCGetChannelID,
//   CA_STCGetCipherID, CA_STCGetDigestID, CA_STCGetCipherIDs, CA_STCGetCipherNameByID, CA_STCGetDigestIDs,
//   CA_STCGetDigestNameByID, CA_GetServerInstanceBySlotID, CA_GetSlotListFromServerInstance, CA_PerformSelfTest,
//   CA_GetFirmwareVersion
// end
#define CA_ORDER_LENGTH 241

struct CK_SFNT_CA_FUNCTION_LIST {
  CK_VERSION version;
  CA_FUNCTION functions[CA_ORDER_LENGTH];
};
extern const CA_FUNCTION moonlet_ca_functions[CA_ORDER_LENGTH];

#endif
