// Parameters of mechanisms. A structure of known layout is taken apart, what its pointers point to comes along; the bytes of any other
// parameter travel as they are.
#include <string.h>

#include "library.h"

enum { MOST_SEGMENTS = 255 };
enum { ABSENT = 0, AS_BYTES = 1, BY_LAYOUT = 2 };

// CK_GCM_PARAMS before PKCS#11 2.40 had no field for the bits of the IV.
#define OLD_GCM "pupu"
#define OLD_GCM_LENGTH 40

// CK_PKCS5_PBKD2_PARAMS of PKCS#11 before 2.40 has a pointer where CK_PKCS5_PBKD2_PARAMS2 has the password's length, which no length is
// as large as.
#define PASSWORD "upuupp"
#define POINTERS_FROM 65536
#define PASSWORD_LENGTH 72

static const char *layout_of(CK_MECHANISM_TYPE type) {
  for (size_t i = 0; moonlet_layouts[i].layout != NULL; i++) {
    if (moonlet_layouts[i].mechanism == type)
      return moonlet_layouts[i].layout;
  }
  return NULL;
}

static size_t size_of(char field) {
  switch (field) {
  case 'p':
  case 'q':
  case 'n':
    return 16;
  case 'c':
    return 16;
  default:
    return 8;
  }
}

static size_t layout_size(const char *layout) {
  size_t size = 0;
  for (; *layout != '\0'; layout++)
    size += size_of(*layout);
  return size;
}

static CK_ULONG ulong_at(const uint8_t *at) {
  CK_ULONG value;
  memcpy(&value, at, sizeof value);
  return value;
}

static const void *pointer_at(const uint8_t *at) {
  const void *value;
  memcpy(&value, at, sizeof value);
  return value;
}

static void put_array_at(Writer *writer, const uint8_t *pointer, const uint8_t *length) {
  CK_ULONG count = ulong_at(length);
  const void *bytes = pointer_at(pointer);
  if (bytes == NULL && count > 0)
    writer->ckr = CKR_MECHANISM_PARAM_INVALID;
  else
    put_array(writer, bytes, count);
}

// CK_PRF_DATA_PARAMs: type, pointer and length of each.
static void put_segments(Writer *writer, const uint8_t *at) {
  CK_ULONG count = ulong_at(at);
  const uint8_t *segments = pointer_at(at + 8);
  if (count > MOST_SEGMENTS || (segments == NULL && count > 0)) {
    writer->ckr = CKR_MECHANISM_PARAM_INVALID;
    return;
  }
  put_u32(writer, (uint32_t)count);
  for (CK_ULONG i = 0; i < count; i++, segments += 24) {
    put_u64(writer, ulong_at(segments));
    put_array_at(writer, segments + 8, segments + 16);
  }
}

// u = a CK_ULONG, p = pointer and length, q = length and pointer, c and d = 16 and 8 bytes in place, b = two CK_BBOOLs and a hole, n = count and pointer of
// CK_PRF_DATA_PARAMs, z = a pointer that is not followed.
static void put_field(Writer *writer, char field, const uint8_t *at) {
  switch (field) {
  case 'u':
    put_u64(writer, ulong_at(at));
    break;
  case 'p':
    put_array_at(writer, at, at + 8);
    break;
  case 'q':
    put_array_at(writer, at + 8, at);
    break;
  case 'n':
    put_segments(writer, at);
    break;
  case 'z':
    break;
  case 'b':
    put_u8(writer, at[0]);
    put_u8(writer, at[1]);
    break;
  default:
    put_array(writer, at, size_of(field));
  }
}

static void put_fields(Writer *writer, const char *layout, const uint8_t *at) {
  for (; *layout != '\0'; layout++) {
    put_field(writer, *layout, at);
    at += size_of(*layout);
  }
}

static void put_old_gcm(Writer *writer, const uint8_t *at) {
  put_field(writer, 'p', at);
  put_u64(writer, ulong_at(at + 8) * 8);
  put_field(writer, 'p', at + 16);
  put_field(writer, 'u', at + 32);
}

// The length behind a pointer takes the pointer's place.
static void put_password(Writer *writer, const CK_MECHANISM *mechanism) {
  uint8_t newer[PASSWORD_LENGTH];
  memcpy(newer, mechanism->pParameter, sizeof newer);
  uint8_t *length = newer + sizeof newer - sizeof(CK_ULONG);
  if (ulong_at(length) >= POINTERS_FROM)
    memcpy(length, pointer_at(length), sizeof(CK_ULONG));
  put_fields(writer, PASSWORD, newer);
}

static void put_layout(Writer *writer, const char *layout, const CK_MECHANISM *mechanism) {
  if (strcmp(layout, OLD_GCM) == 0 && mechanism->ulParameterLen == OLD_GCM_LENGTH)
    put_old_gcm(writer, mechanism->pParameter);
  else if (mechanism->ulParameterLen != layout_size(layout))
    writer->ckr = CKR_MECHANISM_PARAM_INVALID;
  else if (strcmp(layout, PASSWORD) == 0)
    put_password(writer, mechanism);
  else
    put_fields(writer, layout, mechanism->pParameter);
}

void put_mechanism(Writer *writer, const CK_MECHANISM *mechanism, bool init) {
  if (mechanism == NULL) {
    if (!init)
      writer->ckr = CKR_ARGUMENTS_BAD;
    put_u32(writer, CANCEL);
    return;
  }
  if (mechanism->mechanism >= CANCEL) {
    writer->ckr = CKR_MECHANISM_INVALID;
    return;
  }
  put_u32(writer, (uint32_t)mechanism->mechanism);
  if (mechanism->pParameter == NULL || mechanism->ulParameterLen == 0) {
    put_u8(writer, ABSENT);
    return;
  }
  const char *layout = layout_of(mechanism->mechanism);
  if (layout == NULL) {
    put_u8(writer, AS_BYTES);
    put_array(writer, mechanism->pParameter, mechanism->ulParameterLen);
    return;
  }
  Writer inner = {.length = 0};
  put_layout(&inner, layout, mechanism);
  put_u8(writer, BY_LAYOUT);
  if (inner.ckr != CKR_OK)
    writer->ckr = inner.ckr;
  else
    put_array(writer, inner.bytes, inner.length);
  writer_free(&inner);
}
