// The vendor's single steps of a migration: their parameters are structures behind a mechanism.
#include <stdlib.h>
#include <string.h>

#include "library.h"
#include "vendor.h"

#define CALL(name) (&moonlet_calls[CALL_##name])
// All blobs of one call, and objects.
#define BLOBS_MOST (1024UL * 1024)
#define OBJECTS_MOST 8192UL

CK_RV CA_MigrationStartSessionNegotiation(CK_SESSION_HANDLE session, CK_ULONG inputLength, CK_BYTE_PTR input,
                                          CK_ULONG_PTR step, CK_ULONG_PTR length, CK_BYTE_PTR output) {
  if (step == NULL || length == NULL)
    return CKR_ARGUMENTS_BAD;
  const Argument arguments[] = {
      a_number(session),
      a_bytes(input, inputLength),
      a_room(output, length),
      a_result(step),
  };
  return moonlet_call(CALL(CA_MigrationStartSessionNegotiation), arguments);
}

CK_RV CA_MigrationContinueSessionNegotiation(CK_SESSION_HANDLE session, CK_ULONG inputStep, CK_ULONG inputLength,
                                             CK_BYTE_PTR input, CK_ULONG ouidLength, CK_BYTE_PTR ouid,
                                             CK_ULONG_PTR step, CK_ULONG_PTR length, CK_BYTE_PTR output,
                                             CK_ULONG_PTR status, CK_ULONG_PTR outputOuidLength,
                                             CK_BYTE_PTR outputOuid) {
  if (step == NULL || length == NULL || status == NULL)
    return CKR_ARGUMENTS_BAD;
  // Who knows the id does not ask for it.
  CK_BYTE unasked[64];
  CK_ULONG unaskedLength = sizeof unasked;
  const Argument arguments[] = {
      a_number(session),
      a_number(inputStep),
      a_bytes(input, inputLength),
      a_bytes(ouidLength == 0 ? NULL : ouid, ouidLength),
      a_room(output, length),
      outputOuidLength == NULL ? a_room(unasked, &unaskedLength) : a_room(outputOuid, outputOuidLength),
      a_result(step),
      a_result(status),
  };
  return moonlet_call(CALL(CA_MigrationContinueSessionNegotiation), arguments);
}

CK_RV CA_MigrationCloseSession(CK_SESSION_HANDLE session, CK_ULONG ouidLength, CK_BYTE_PTR ouid) {
  const Argument arguments[] = {a_number(session), a_bytes(ouid, ouidLength)};
  return moonlet_call(CALL(CA_MigrationCloseSession), arguments);
}

static CK_RV check(const CK_MECHANISM *mechanism, CK_MECHANISM_TYPE type, size_t size) {
  if (mechanism == NULL)
    return CKR_ARGUMENTS_BAD;
  if (mechanism->mechanism != type)
    return CKR_MECHANISM_INVALID;
  return mechanism->pParameter != NULL && mechanism->ulParameterLen == size ? CKR_OK : CKR_MECHANISM_PARAM_INVALID;
}

// Each object gets its blob where it has room for it.
static CK_RV give_blobs(const CK_CPV4_EXTRACT_PARAMS *p, const CK_ULONG *codes, const CK_ULONG *lengths,
                        const CK_BYTE *blobs, CK_ULONG left) {
  for (CK_ULONG i = 0; i < p->numberOfObjects; i++) {
    if (lengths[i] > left)
      return CKR_DEVICE_ERROR;
    p->result[i] = codes[i];
    if (codes[i] == CKR_OK && (lengths[i] > p->keyBlobLen[i] || p->keyBlob[i] == NULL))
      p->result[i] = CKR_BUFFER_TOO_SMALL;
    else if (lengths[i] > 0)
      memcpy(p->keyBlob[i], blobs, lengths[i]);
    p->keyBlobLen[i] = lengths[i];
    blobs += lengths[i];
    left -= lengths[i];
  }
  return CKR_OK;
}

CK_RV CA_Extract(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism) {
  CK_RV ckr = check(mechanism, CKM_CPV4_EXTRACT, sizeof(CK_CPV4_EXTRACT_PARAMS));
  if (ckr != CKR_OK)
    return ckr;
  const CK_CPV4_EXTRACT_PARAMS *p = mechanism->pParameter;
  CK_ULONG count = p->numberOfObjects;
  if (p->objectType == NULL || p->objectHandle == NULL || p->result == NULL || p->keyBlobLen == NULL ||
      p->keyBlob == NULL || count > OBJECTS_MOST)
    return CKR_MECHANISM_PARAM_INVALID;
  CK_ULONG *rows = calloc(2 * (count + 1), sizeof *rows);
  CK_BYTE *blobs = malloc(BLOBS_MOST);
  if (rows != NULL && blobs != NULL) {
    CK_ULONG codes = count;
    CK_ULONG lengths = count;
    CK_ULONG room = BLOBS_MOST;
    const Argument arguments[] = {
        a_number(session),
        a_number(p->extractionFlags),
        a_bytes(p->input, p->inputLength),
        a_bytes(p->sessionOuid, p->sessionOuidLen),
        a_bytes(p->objectType, count),
        a_bytes(p->objectHandle, count),
        a_room(rows, &codes),
        a_room(rows + count, &lengths),
        a_room(blobs, &room),
    };
    ckr = moonlet_call(CALL(CA_Extract), arguments);
    if (ckr == CKR_OK)
      ckr = codes == count && lengths == count ? give_blobs(p, rows, rows + count, blobs, room) : CKR_DEVICE_ERROR;
  } else {
    ckr = CKR_HOST_MEMORY;
  }
  free(rows);
  free(blobs);
  return ckr;
}

CK_RV CA_Insert(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism) {
  CK_RV ckr = check(mechanism, CKM_CPV4_INSERT, sizeof(CK_CPV4_INSERT_PARAMS));
  if (ckr != CKR_OK)
    return ckr;
  const CK_CPV4_INSERT_PARAMS *p = mechanism->pParameter;
  CK_ULONG count = p->numberOfObjects;
  if (p->keyBlobLen == NULL || p->keyBlob == NULL || p->result == NULL || p->objectHandle == NULL ||
      count > OBJECTS_MOST)
    return CKR_MECHANISM_PARAM_INVALID;
  CK_ULONG total = 0;
  for (CK_ULONG i = 0; i < count; i++) {
    if (p->keyBlob[i] == NULL || p->keyBlobLen[i] > BLOBS_MOST - total)
      return CKR_MECHANISM_PARAM_INVALID;
    total += p->keyBlobLen[i];
  }
  CK_BYTE *blobs = malloc(total + 1);
  if (blobs == NULL)
    return CKR_HOST_MEMORY;
  for (CK_ULONG i = 0, at = 0; i < count; at += p->keyBlobLen[i], i++)
    memcpy(blobs + at, p->keyBlob[i], p->keyBlobLen[i]);
  CK_ULONG codes = count;
  CK_ULONG handles = count;
  const Argument arguments[] = {
      a_number(session),
      a_number(p->insertionFlags),
      a_bytes(p->sessionOuid, p->sessionOuidLen),
      a_bytes(p->keyBlobLen, count),
      a_bytes(blobs, total),
      a_room(p->result, &codes),
      a_room(p->objectHandle, &handles),
  };
  ckr = moonlet_call(CALL(CA_Insert), arguments);
  if (ckr == CKR_OK && (codes != count || handles != count))
    ckr = CKR_DEVICE_ERROR;
  free(blobs);
  return ckr;
}
