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

// ---- parameters, field by field, of every layout there is ----

#define PARAMETER_MOST 128
#define POINTERS_MOST 16

typedef struct {
  CK_BYTE bytes[PARAMETER_MOST];
  size_t length;
  // What its pointers point to.
  void *owned[POINTERS_MOST];
  size_t pointers;
} Parameter;

static void add(Parameter *parameter, const void *bytes, size_t length) {
  memcpy(parameter->bytes + parameter->length, bytes, length);
  parameter->length += length;
}

static void *own(Parameter *parameter, void *memory) {
  parameter->owned[parameter->pointers++] = memory;
  return memory;
}

static void add_number(Parameter *parameter, CK_ULONG number) {
  add(parameter, &number, sizeof number);
}

static void add_pointer(Parameter *parameter, const void *pointer) {
  add(parameter, &pointer, sizeof pointer);
}

static void add_field(Parameter *parameter, char field, Chance *state) {
  CK_ULONG length = chance(state, 40);
  if (field == 'p') {
    add_pointer(parameter, own(parameter, bytes_of(state, length)));
    add_number(parameter, length);
  } else if (field == 'q') {
    add_number(parameter, length);
    add_pointer(parameter, own(parameter, bytes_of(state, length)));
  } else if (field == 'n') {
    CK_ULONG *segments = own(parameter, calloc(3, 24));
    add_number(parameter, 3);
    add_pointer(parameter, segments);
    for (size_t i = 0; i < 3; i++) {
      CK_BYTE *value = own(parameter, bytes_of(state, length));
      segments[3 * i] = i;
      memcpy(&segments[3 * i + 1], &value, sizeof value);
      segments[3 * i + 2] = length;
    }
  } else if (field == 'c') {
    add_number(parameter, length);
    add_number(parameter, length);
  } else {
    add_number(parameter, chance(state, 300));
  }
}

// As long as it should be, or shorter, on the heap to the byte.
static CK_RV begin(Chance *state) {
  size_t rows = 0;
  while (moonlet_layouts[rows].layout != NULL)
    rows++;
  const Layout *row = &moonlet_layouts[chance(state, (uint32_t)rows)];
  Parameter parameter = {.length = 0};
  for (const char *field = row->layout; *field != '\0'; field++)
    add_field(&parameter, *field, state);
  size_t length = chance(state, 3) > 0 ? parameter.length : chance(state, (uint32_t)parameter.length);
  // The older form of GCM's would take other fields for pointers.
  if (length == 40 && strcmp(row->layout, "pupu") == 0)
    length = 41;
  CK_BYTE *exact = malloc(length > 0 ? length : 1);
  memcpy(exact, parameter.bytes, length);
  CK_MECHANISM mechanism = {row->mechanism, exact, length};
  CK_RV ckr = C_EncryptInit(1, chance(state, 10) == 0 ? NULL : &mechanism, 2);
  free(exact);
  for (size_t i = 0; i < parameter.pointers; i++)
    free(parameter.owned[i]);
  return ckr;
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

// Messages whose nonce and tag are written back: each exactly as long as its structure says.
static CK_RV message(Chance *state) {
  CK_ULONG nonceLength = 1 + chance(state, 20), tagLength = 1 + chance(state, 16), length = chance(state, BYTES_MOST);
  CK_ULONG room = chance(state, BYTES_MOST), got = room;
  CK_BYTE *nonce = bytes_of(state, nonceLength), *tag = bytes_of(state, tagLength), *data = bytes_of(state, length);
  CK_BYTE *out = chance(state, 4) == 0 ? NULL : malloc(room > 0 ? room : 1);
  CK_GCM_MESSAGE_PARAMS gcm = {nonce, nonceLength, 0, 3, tag, 8 * tagLength};
  CK_CCM_MESSAGE_PARAMS ccm = {length, nonce, nonceLength, 0, 2, tag, tagLength};
  bool counted = chance(state, 2) == 0;
  void *parameter = counted ? (void *)&ccm : (void *)&gcm;
  CK_ULONG size = counted ? sizeof ccm : sizeof gcm;
  CK_RV ckr;
  switch (chance(state, 6)) {
  case 0:
    ckr = C_EncryptMessage(1, parameter, size, NULL, 0, data, length, out, &got);
    break;
  case 1:
    got = 0;
    ckr = C_EncryptMessageBegin(1, parameter, size, data, length);
    break;
  case 2:
    ckr = C_EncryptMessageNext(1, parameter, size, data, length, out, &got, chance(state, 2));
    break;
  case 3:
    ckr = C_DecryptMessage(1, parameter, size, NULL, 0, data, length, out, &got);
    break;
  case 4:
    ckr = C_DecryptMessageNext(1, parameter, size, data, length, out, &got, chance(state, 2));
    break;
  default:
    ckr = C_SignMessageNext(1, NULL, 0, data, length, out, chance(state, 2) == 0 ? NULL : &got);
  }
  CHECK(ckr != CKR_OK || out == NULL || got <= room);
  free(nonce);
  free(tag);
  free(data);
  free(out);
  return ckr;
}

static CK_RV clone_step(Chance *state) {
  CK_ULONG length = chance(state, BYTES_MOST), room = chance(state, BYTES_MOST), got = room, made;
  CK_BYTE *in = bytes_of(state, length), *out = malloc(room > 0 ? room : 1);
  CK_RV ckr = CKR_OK;
  switch (chance(state, 3)) {
  case 0:
    ckr = CA_CloneAsTargetInit(1, in, length, NULL, 0, 0, out, &got);
    break;
  case 1:
    ckr = CA_CloneAsSource(1, 0, 2, in, length, 0, out, &got);
    break;
  default:
    got = 0;
    ckr = CA_CloneAsTarget(1, NULL, 0, in, length, 0, 0, 0, &made);
  }
  CHECK(ckr != CKR_OK || got <= room);
  free(in);
  free(out);
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
  case 24:
    return message(state);
  case 25:
    return clone_step(state);
  default:
    return transform(transforms[which % 6], state);
  }
}
