#include "scenarios.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "vendor.h"

#define BYTES_MOST 300
#define ATTRIBUTES 6

uint32_t chance(Chance *state, uint32_t below) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return (uint32_t)((*state >> 16) % below);
}

static CK_BYTE *bytes_of(Chance *state, CK_ULONG length) {
  CK_BYTE *bytes = malloc(length > 0 ? length : 1);
  for (CK_ULONG i = 0; i < length; i++)
    bytes[i] = (CK_BYTE)chance(state, 256);
  return bytes;
}

typedef CK_RV (*Transform)(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR);

static CK_RV transform(Transform call, Chance *state) {
  CK_ULONG given = chance(state, BYTES_MOST), room = chance(state, BYTES_MOST), length = room;
  CK_BYTE *in = bytes_of(state, given);
  CK_BYTE *out = chance(state, 4) == 0 ? NULL : malloc(room > 0 ? room : 1);
  CK_RV ckr = call(1, in, given, out, &length);
  CHECK(ckr != CKR_OK || out == NULL || length <= room);
  free(in);
  free(out);
  return ckr;
}

static CK_RV final(Chance *state) {
  CK_ULONG room = chance(state, BYTES_MOST), length = room;
  CK_BYTE *out = malloc(room > 0 ? room : 1);
  CK_RV ckr = C_DigestFinal(1, out, &length);
  CHECK(ckr != CKR_OK || length <= room);
  free(out);
  return ckr;
}

static CK_RV numbers(Chance *state) {
  CK_ULONG room = chance(state, 40), count = room;
  CK_ULONG *out = chance(state, 4) == 0 ? NULL : calloc(room > 0 ? room : 1, sizeof *out);
  CK_RV ckr = chance(state, 2) == 0 ? C_GetSlotList(1, out, &count) : C_GetMechanismList(1, out, &count);
  CHECK(ckr != CKR_OK || out == NULL || count <= room);
  free(out);
  return ckr;
}

static CK_RV found(Chance *state) {
  CK_ULONG room = 1 + chance(state, 40), count = 0;
  CK_ULONG *out = calloc(room, sizeof *out);
  CK_RV ckr = C_FindObjects(1, out, room, &count);
  CHECK(ckr != CKR_OK || count <= room);
  free(out);
  return ckr;
}

static CK_ULONG type_of(Chance *state) {
  static const CK_ULONG types[] = {0, 1, 3, 0x11, 0x100, 0x102, 0x110, 0x161, 0x40000211, 0x40000600, 0x80000001};
  return types[chance(state, sizeof types / sizeof *types)];
}

static CK_RV attributes(Chance *state) {
  CK_ATTRIBUTE list[ATTRIBUTES];
  CK_ULONG room[ATTRIBUTES];
  CK_ULONG count = chance(state, ATTRIBUTES + 1);
  for (CK_ULONG i = 0; i < count; i++) {
    room[i] = chance(state, 40);
    void *value = chance(state, 4) == 0 ? NULL : malloc(room[i] > 0 ? room[i] : 1);
    list[i] = (CK_ATTRIBUTE){type_of(state), value, room[i]};
  }
  CK_RV ckr = C_GetAttributeValue(1, 2, list, count);
  for (CK_ULONG i = 0; i < count; i++) {
    CHECK(ckr != CKR_OK || list[i].pValue == NULL || list[i].ulValueLen == CK_UNAVAILABLE ||
          list[i].ulValueLen <= room[i]);
    free(list[i].pValue);
  }
  return ckr;
}

static CK_RV create(Chance *state) {
  CK_ATTRIBUTE inner = {1, "\1", 1};
  CK_ULONG length = chance(state, 20), handle;
  CK_BYTE *value = bytes_of(state, length);
  CK_ATTRIBUTE list[] = {{type_of(state), value, length}, {0x40000211, &inner, sizeof inner}, {3, NULL, length}};
  // A template of chance is no list of attributes.
  if (list[0].type == 0x40000211)
    list[0].type = 0;
  CK_RV ckr = C_CreateObject(1, list, chance(state, 4), &handle);
  free(value);
  return ckr;
}

// A parameter of every length for every layout: what does not fit is refused before a pointer is followed.
static CK_RV begin(Chance *state) {
  static const CK_ULONG types[] = {0x1082, 0x1085, 0x1086, 0x1087, 0x1088, 9, 13, 0x1050, 0x2109, 0x80000170};
  CK_BYTE parameter[64] = {0};
  CK_BYTE data[4] = "data";
  const void *pointer = data;
  for (size_t at = 0; at < sizeof parameter; at += 16)
    memcpy(parameter + at, &pointer, sizeof pointer);
  CK_ULONG four = 4;
  for (size_t at = 8; at < sizeof parameter; at += 16)
    memcpy(parameter + at, &four, sizeof four);
  CK_MECHANISM mechanism = {types[chance(state, sizeof types / sizeof *types)], parameter, chance(state, 49)};
  // A structure in which a length comes before its pointer has no such pattern.
  if (mechanism.mechanism == 0x1050 || mechanism.ulParameterLen == 32 || mechanism.ulParameterLen == 40)
    memset(parameter, 0, sizeof parameter);
  if (mechanism.mechanism == 9)
    memset(parameter + 24, 0, 16);
  return C_EncryptInit(1, chance(state, 10) == 0 ? NULL : &mechanism, 2);
}

static CK_RV structures(Chance *state) {
  CK_TOKEN_INFO token;
  CK_SLOT_INFO slot;
  CK_INFO info;
  CK_MECHANISM_INFO mechanism;
  CA_ROLE_STATE role;
  switch (chance(state, 5)) {
  case 0:
    return C_GetTokenInfo(1, &token);
  case 1:
    return C_GetSlotInfo(1, &slot);
  case 2:
    return C_GetInfo(&info);
  case 3:
    return CA_RoleStateGet(1, 1, &role);
  default:
    return C_GetMechanismInfo(1, 1, &mechanism);
  }
}

static CK_RV random_bytes(Chance *state) {
  CK_ULONG length = chance(state, BYTES_MOST);
  CK_BYTE *out = malloc(length > 0 ? length : 1);
  CK_RV ckr = C_GenerateRandom(1, out, length);
  free(out);
  return ckr;
}

static CK_RV policies(Chance *state) {
  CK_ULONG rooms[2] = {chance(state, 30), chance(state, 30)};
  CK_ULONG counts[2] = {rooms[0], rooms[1]};
  CK_ULONG *ids = calloc(rooms[0] + 1, sizeof *ids), *values = calloc(rooms[1] + 1, sizeof *values);
  CK_RV ckr = CA_GetHSMPolicySet(1, ids, &counts[0], values, &counts[1]);
  CHECK(ckr != CKR_OK || (counts[0] <= rooms[0] && counts[1] <= rooms[1]));
  free(ids);
  free(values);
  return ckr;
}

static CK_RV migrate(Chance *state) {
  CK_ULONG count = chance(state, 20);
  CK_OBJECT_MIGRATION_DATA *objects = calloc(count > 0 ? count : 1, sizeof *objects);
  CK_RV ckr = CA_MigrateKeys(1, 2, 1, count, objects);
  free(objects);
  return ckr;
}

CK_RV scenario(unsigned which, Chance *state) {
  static const Transform transforms[] = {C_Encrypt, C_Decrypt, C_Sign, C_Digest, C_EncryptUpdate, C_DecryptVerifyUpdate};
  CK_ULONG one, two, three, four;
  CK_BYTE ouid[12];
  CK_SESSION_INFO session;
  switch (which % SCENARIOS) {
  case 6:
    return final(state);
  case 7:
    return numbers(state);
  case 8:
    return found(state);
  case 9:
    return attributes(state);
  case 10:
    return create(state);
  case 11:
    return begin(state);
  case 12:
    return structures(state);
  case 13:
    return random_bytes(state);
  case 14:
    return policies(state);
  case 15:
    return migrate(state);
  case 16:
    return C_OpenSession(1, 6, NULL, NULL, &one);
  case 17:
    return C_GetSessionInfo(1, &session);
  case 18:
    return CA_GetSessionInfo(1, &one, &two, &three, &four);
  case 19:
    return CA_GetObjectUID(1, 1, 0, 1, ouid);
  case 20:
    return CA_GetTokenObjectHandle(1, ouid, &one, &two);
  case 21:
    return C_WaitForSlotEvent(1, &one, NULL);
  case 22:
    return CA_DestroyMultipleObjects(1, 1, (CK_ULONG[]){1}, &one);
  case 23:
    return C_CloseSession(1);
  default:
    return transform(transforms[which % 6], state);
  }
}
