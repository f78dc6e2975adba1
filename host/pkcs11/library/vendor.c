// Calls of the vendor's extension whose parameters in C are no plain row of their values on the wire.
#include "vendor.h"

#include <stdlib.h>
#include <string.h>

#include "library.h"

#define CALL(name) (&moonlet_calls[CALL_##name])
// Bytes of an object's unique id.
#define OUID 12

CK_RV CA_OpenSession(CK_SLOT_ID slot, CK_ULONG container, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify,
                     CK_ULONG_PTR session) {
  // As C_OpenSession.
  (void)application;
  (void)notify;
  if (session == NULL)
    return CKR_ARGUMENTS_BAD;
  const Argument arguments[] = {a_number(slot), a_number(container), a_number(flags), a_result(session)};
  return moonlet_call(CALL(CA_OpenSession), arguments);
}

CK_RV CA_InitAudit(CK_SLOT_ID slot, CK_UTF8CHAR_PTR pin, CK_ULONG length, CK_UTF8CHAR_PTR label) {
  if (label == NULL)
    return CKR_ARGUMENTS_BAD;
  const Argument arguments[] = {a_number(slot), a_bytes(pin, length), a_bytes(label, strlen((const char *)label))};
  return moonlet_call(CALL(CA_InitAudit), arguments);
}

CK_RV CA_ConfigureRemotePED(CK_SLOT_ID slot, CK_UTF8CHAR_PTR host, CK_ULONG port, CK_ULONG_PTR id) {
  if (host == NULL || id == NULL)
    return CKR_ARGUMENTS_BAD;
  const Argument arguments[] = {
      a_number(slot),
      a_bytes(host, strlen((const char *)host)),
      a_number(port),
      a_result(id),
  };
  return moonlet_call(CALL(CA_ConfigureRemotePED), arguments);
}

CK_RV CA_RoleStateGet(CK_SLOT_ID slot, CK_USER_TYPE user, CA_ROLE_STATE *state) {
  if (state == NULL)
    return CKR_ARGUMENTS_BAD;
  const Argument arguments[] = {
      a_number(slot),
      a_number(user),
      a_field(&state->flags, 1),
      a_field(&state->loginAttemptsLeft, 1),
      a_field(&state->primaryAuthMech, 1),
      a_field(&state->secondaryAuthMech, 1),
  };
  return moonlet_call(CALL(CA_RoleStateGet), arguments);
}

CK_RV CA_CreateLoginChallenge(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_ULONG length, CK_UTF8CHAR_PTR challenge,
                              CK_ULONG_PTR outputLength, CK_UTF8CHAR_PTR output) {
  if (outputLength == NULL)
    return CKR_ARGUMENTS_BAD;
  const Argument arguments[] = {
      a_number(session),
      a_number(user),
      a_bytes(challenge, length),
      a_room(output, outputLength),
  };
  return moonlet_call(CALL(CA_CreateLoginChallenge), arguments);
}

CK_RV CA_GetObjectHandle(CK_SLOT_ID slot, CK_ULONG container, CK_BYTE_PTR ouid, CK_ULONG_PTR type,
                         CK_ULONG_PTR object) {
  if (ouid == NULL || type == NULL || object == NULL)
    return CKR_ARGUMENTS_BAD;
  const Argument arguments[] = {
      a_number(slot), a_number(container), a_bytes(ouid, OUID), a_result(type), a_result(object),
  };
  return moonlet_call(CALL(CA_GetObjectHandle), arguments);
}

CK_RV CA_GetObjectUID(CK_SLOT_ID slot, CK_ULONG container, CK_ULONG type, CK_ULONG object, CK_BYTE_PTR ouid) {
  if (ouid == NULL)
    return CKR_ARGUMENTS_BAD;
  const Argument arguments[] = {
      a_number(slot), a_number(container), a_number(type), a_number(object), a_field(ouid, OUID),
  };
  return moonlet_call(CALL(CA_GetObjectUID), arguments);
}

// The two above for the partition that the slot shows.

CK_RV CA_GetTokenObjectHandle(CK_SLOT_ID slot, CK_BYTE_PTR ouid, CK_ULONG_PTR type, CK_ULONG_PTR object) {
  CK_ULONG container;
  CK_RV ckr = CA_GetUserContainerNumber(slot, &container);
  return ckr == CKR_OK ? CA_GetObjectHandle(slot, container, ouid, type, object) : ckr;
}

CK_RV CA_GetTokenObjectUID(CK_SLOT_ID slot, CK_ULONG type, CK_ULONG object, CK_BYTE_PTR ouid) {
  CK_ULONG container;
  CK_RV ckr = CA_GetUserContainerNumber(slot, &container);
  return ckr == CKR_OK ? CA_GetObjectUID(slot, container, type, object, ouid) : ckr;
}

CK_RV CA_DestroyMultipleObjects(CK_SESSION_HANDLE session, CK_ULONG count, CK_ULONG_PTR objects, CK_ULONG_PTR index) {
  if (objects == NULL || index == NULL)
    return CKR_ARGUMENTS_BAD;
  CK_RV failed = CKR_OK;
  const Argument arguments[] = {a_number(session), a_bytes(objects, count), a_result(index), a_result(&failed)};
  CK_RV ckr = moonlet_call(CALL(CA_DestroyMultipleObjects), arguments);
  return ckr != CKR_OK ? ckr : failed;
}

CK_RV CA_CloneMofN(CK_SESSION_HANDLE session, CK_SESSION_HANDLE primary, CK_VOID_PTR reserved) {
  (void)reserved;
  const Argument arguments[] = {a_number(session), a_number(primary)};
  return moonlet_call(CALL(CA_CloneMofN), arguments);
}

// Four columns of one number for each object.
enum { TYPES, HANDLES, CODES, TARGETS, COLUMNS };

CK_RV CA_MigrateKeys(CK_SESSION_HANDLE source, CK_SESSION_HANDLE target, CK_FLAGS flags, CK_ULONG count,
                     CK_OBJECT_MIGRATION_DATA *objects) {
  if (objects == NULL || count > BODY_LIMIT / (COLUMNS * sizeof(CK_ULONG)))
    return CKR_ARGUMENTS_BAD;
  CK_ULONG *columns = calloc(COLUMNS * (count + 1), sizeof *columns);
  if (columns == NULL)
    return CKR_HOST_MEMORY;
  for (CK_ULONG i = 0; i < count; i++) {
    columns[TYPES * count + i] = objects[i].objectType;
    columns[HANDLES * count + i] = objects[i].sourceHandle;
  }
  CK_ULONG codes = count;
  CK_ULONG targets = count;
  const Argument arguments[] = {
      a_number(source),
      a_number(target),
      a_number(flags),
      a_bytes(columns + TYPES * count, count),
      a_bytes(columns + HANDLES * count, count),
      a_room(columns + CODES * count, &codes),
      a_room(columns + TARGETS * count, &targets),
  };
  CK_RV ckr = moonlet_call(CALL(CA_MigrateKeys), arguments);
  if (ckr == CKR_OK && (codes != count || targets != count))
    ckr = CKR_DEVICE_ERROR;
  for (CK_ULONG i = 0; ckr == CKR_OK && i < count; i++) {
    objects[i].rv = columns[CODES * count + i];
    objects[i].targetHandle = columns[TARGETS * count + i];
  }
  free(columns);
  return ckr;
}

// ---- cloning of one object, step by step. Whether a copy is a replica says nothing here: both are the same. ----

CK_RV CA_CloneAsSourceInit(CK_SESSION_HANDLE session, CK_BYTE_PTR input, CK_ULONG inputLength, CK_BYTE_PTR output,
                           CK_ULONG_PTR length, CK_BBOOL replicate) {
  // Nothing comes before the source's first word.
  (void)input;
  (void)inputLength;
  (void)replicate;
  const Argument arguments[] = {a_number(session), a_room(output, length)};
  return moonlet_call(CALL(CA_CloneAsSourceInit), arguments);
}

CK_RV CA_CloneAsTargetInit(CK_SESSION_HANDLE session, CK_BYTE_PTR input, CK_ULONG inputLength, CK_BYTE_PTR kev,
                           CK_ULONG kevLength, CK_BBOOL replicate, CK_BYTE_PTR part, CK_ULONG_PTR length) {
  (void)replicate;
  const Argument arguments[] = {
      a_number(session),
      a_bytes(input, inputLength),
      a_bytes(kev, kevLength),
      a_room(part, length),
  };
  return moonlet_call(CALL(CA_CloneAsTargetInit), arguments);
}

CK_RV CA_CloneAsSource(CK_SESSION_HANDLE session, CK_ULONG type, CK_ULONG object, CK_BYTE_PTR input,
                       CK_ULONG inputLength, CK_BBOOL replicate, CK_BYTE_PTR part, CK_ULONG_PTR length) {
  (void)replicate;
  const Argument arguments[] = {
      a_number(session), a_number(type), a_number(object), a_bytes(input, inputLength), a_room(part, length),
  };
  return moonlet_call(CALL(CA_CloneAsSource), arguments);
}

CK_RV CA_CloneAsTarget(CK_SESSION_HANDLE session, CK_BYTE_PTR kev, CK_ULONG kevLength, CK_BYTE_PTR part,
                       CK_ULONG length, CK_ULONG type, CK_ULONG object, CK_BBOOL replicate, CK_ULONG_PTR made) {
  (void)replicate;
  if (made == NULL)
    return CKR_ARGUMENTS_BAD;
  const Argument arguments[] = {
      a_number(session), a_bytes(kev, kevLength), a_bytes(part, length), a_number(type),
      a_number(object),  a_result(made),
  };
  return moonlet_call(CALL(CA_CloneAsTarget), arguments);
}
