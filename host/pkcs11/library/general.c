// Calls whose parameters in C are no plain row of their values on the wire.
#include <string.h>

#include "library.h"

#define CALL(name) (&moonlet_calls[CALL_##name])

CK_RV C_GetInfo(CK_INFO *info) {
  if (info == NULL)
    return CKR_ARGUMENTS_BAD;
  const Argument arguments[] = {
      a_field(&info->cryptokiVersion, sizeof info->cryptokiVersion),
      a_field(info->manufacturerID, sizeof info->manufacturerID),
      a_result(&info->flags),
      a_field(info->libraryDescription, sizeof info->libraryDescription),
      a_field(&info->libraryVersion, sizeof info->libraryVersion),
  };
  return moonlet_call(CALL(C_GetInfo), arguments);
}

CK_RV C_GetSlotInfo(CK_SLOT_ID slot, CK_SLOT_INFO *info) {
  if (info == NULL)
    return CKR_ARGUMENTS_BAD;
  const Argument arguments[] = {
      a_number(slot),
      a_field(info->slotDescription, sizeof info->slotDescription),
      a_field(info->manufacturerID, sizeof info->manufacturerID),
      a_result(&info->flags),
      a_field(&info->hardwareVersion, sizeof info->hardwareVersion),
      a_field(&info->firmwareVersion, sizeof info->firmwareVersion),
  };
  return moonlet_call(CALL(C_GetSlotInfo), arguments);
}

CK_RV C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO *info) {
  if (info == NULL)
    return CKR_ARGUMENTS_BAD;
  const Argument arguments[] = {
      a_number(slot),
      a_field(info->label, sizeof info->label),
      a_field(info->manufacturerID, sizeof info->manufacturerID),
      a_field(info->model, sizeof info->model),
      a_field(info->serialNumber, sizeof info->serialNumber),
      a_result(&info->flags),
      a_result(&info->ulMaxSessionCount),
      a_result(&info->ulSessionCount),
      a_result(&info->ulMaxRwSessionCount),
      a_result(&info->ulRwSessionCount),
      a_result(&info->ulMaxPinLen),
      a_result(&info->ulMinPinLen),
      a_result(&info->ulTotalPublicMemory),
      a_result(&info->ulFreePublicMemory),
      a_result(&info->ulTotalPrivateMemory),
      a_result(&info->ulFreePrivateMemory),
      a_field(&info->hardwareVersion, sizeof info->hardwareVersion),
      a_field(&info->firmwareVersion, sizeof info->firmwareVersion),
      a_field(info->utcTime, sizeof info->utcTime),
  };
  return moonlet_call(CALL(C_GetTokenInfo), arguments);
}

CK_RV C_GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info) {
  if (info == NULL)
    return CKR_ARGUMENTS_BAD;
  const Argument arguments[] = {
      a_number(slot),
      a_number(type),
      a_result(&info->ulMinKeySize),
      a_result(&info->ulMaxKeySize),
      a_result(&info->flags),
  };
  return moonlet_call(CALL(C_GetMechanismInfo), arguments);
}

CK_RV C_GetSessionInfo(CK_SESSION_HANDLE session, CK_SESSION_INFO *info) {
  if (info == NULL)
    return CKR_ARGUMENTS_BAD;
  const Argument arguments[] = {
      a_number(session),           a_result(&info->slotID),        a_result(&info->state),
      a_result(&info->flags),      a_result(&info->ulDeviceError),
  };
  return moonlet_call(CALL(C_GetSessionInfo), arguments);
}

// A label has 32 bytes, padded; no program means another length.
CK_RV C_InitToken(CK_SLOT_ID slot, CK_UTF8CHAR_PTR pin, CK_ULONG length, CK_UTF8CHAR_PTR label) {
  if (label == NULL)
    return CKR_ARGUMENTS_BAD;
  const Argument arguments[] = {a_number(slot), a_bytes(pin, length), a_bytes(label, 32)};
  return moonlet_call(CALL(C_InitToken2), arguments);
}

CK_RV C_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify, CK_ULONG_PTR session) {
  // No token of ours has anything to tell of its own accord.
  (void)application;
  (void)notify;
  if (session == NULL)
    return CKR_ARGUMENTS_BAD;
  const Argument arguments[] = {a_number(slot), a_number(flags), a_result(session)};
  return moonlet_call(CALL(C_OpenSession), arguments);
}

CK_RV C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR list, CK_ULONG count) {
  // Some of the values may be there although others are not.
  CK_RV partly = CKR_OK;
  const Argument arguments[] = {a_number(session), a_number(object), a_request(list, count), a_result(&partly)};
  CK_RV ckr = moonlet_call(CALL(C_GetAttributeValue), arguments);
  return ckr != CKR_OK ? ckr : partly;
}

CK_RV C_FindObjects(CK_SESSION_HANDLE session, CK_ULONG_PTR objects, CK_ULONG most, CK_ULONG_PTR count) {
  if (objects == NULL || count == NULL)
    return CKR_ARGUMENTS_BAD;
  CK_ULONG found = most;
  const Argument arguments[] = {a_number(session), a_room(objects, &found)};
  CK_RV ckr = moonlet_call(CALL(C_FindObjects), arguments);
  if (ckr == CKR_OK)
    *count = found;
  return ckr;
}

CK_RV C_GenerateRandom(CK_SESSION_HANDLE session, CK_BYTE_PTR bytes, CK_ULONG length) {
  if (bytes == NULL && length > 0)
    return CKR_ARGUMENTS_BAD;
  CK_BYTE none;
  CK_ULONG got = length;
  const Argument arguments[] = {a_number(session), a_room(bytes == NULL ? &none : bytes, &got)};
  CK_RV ckr = moonlet_call(CALL(C_GenerateRandom), arguments);
  // Fewer than were asked for are none.
  return ckr == CKR_OK && got != length ? CKR_DEVICE_ERROR : ckr;
}

CK_RV C_WaitForSlotEvent(CK_FLAGS flags, CK_ULONG_PTR slot, CK_VOID_PTR reserved) {
  if (slot == NULL || reserved != NULL)
    return CKR_ARGUMENTS_BAD;
  const Argument arguments[] = {a_number(flags), a_result(slot)};
  return moonlet_call(CALL(C_WaitForSlotEvent), arguments);
}

// ---- what there is nothing of: parallel sessions, calls that the server has not ----

static CK_RV refused_with(CK_RV refusal) {
  Connection *connection;
  CK_RV ckr = process_enter(&connection);
  if (ckr != CKR_OK)
    return ckr;
  process_leave();
  return refusal;
}

CK_RV moonlet_unsupported(void) {
  return refused_with(CKR_FUNCTION_NOT_SUPPORTED);
}

CK_RV C_GetFunctionStatus(CK_SESSION_HANDLE session) {
  (void)session;
  return refused_with(CKR_FUNCTION_NOT_PARALLEL);
}

CK_RV C_CancelFunction(CK_SESSION_HANDLE session) {
  (void)session;
  return refused_with(CKR_FUNCTION_NOT_PARALLEL);
}
