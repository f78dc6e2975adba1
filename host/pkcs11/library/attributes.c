// Attributes on the wire: type, whether there is a value, its length, its bytes as the program has them.
#include <string.h>

#include "library.h"

// CKA_WRAP_TEMPLATE, CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE: their value is a list of attributes, whose pointers cannot travel.
static bool is_template(CK_ATTRIBUTE_TYPE type) {
  return type >= 0x40000211UL && type <= 0x40000213UL;
}

// Types are numbers of 32 bits; any other is one that nobody knows.
static uint32_t type_of(CK_ATTRIBUTE_TYPE type) {
  return type > UINT32_MAX ? UINT32_MAX : (uint32_t)type;
}

static bool count_fits(Writer *writer, const CK_ATTRIBUTE *list, CK_ULONG count) {
  if ((list == NULL && count > 0) || count > ATTRIBUTES_MOST) {
    writer->ckr = CKR_ARGUMENTS_BAD;
    return false;
  }
  return true;
}

static void put_attribute(Writer *writer, const CK_ATTRIBUTE *one, int depth) {
  put_u32(writer, type_of(one->type));
  put_u8(writer, one->ulValueLen == CK_UNAVAILABLE ? 0 : 1);
  if (one->ulValueLen == CK_UNAVAILABLE)
    return;
  if (one->ulValueLen > BODY_LIMIT) {
    writer->ckr = CKR_ATTRIBUTE_VALUE_INVALID;
    return;
  }
  put_u32(writer, (uint32_t)one->ulValueLen);
  if (!is_template(one->type))
    put_array(writer, one->pValue, one->ulValueLen);
  else if (one->ulValueLen % sizeof(CK_ATTRIBUTE) != 0)
    writer->ckr = CKR_ATTRIBUTE_VALUE_INVALID;
  else
    put_attributes(writer, one->pValue, one->ulValueLen / sizeof(CK_ATTRIBUTE), depth + 1);
}

void put_attributes(Writer *writer, const CK_ATTRIBUTE *list, CK_ULONG count, int depth) {
  // A template within a template, and no further: a program may have made a circle.
  if (depth > 2) {
    writer->ckr = CKR_ATTRIBUTE_VALUE_INVALID;
    return;
  }
  if (!count_fits(writer, list, count))
    return;
  put_u32(writer, (uint32_t)count);
  for (CK_ULONG i = 0; i < count && writer->ckr == CKR_OK; i++)
    put_attribute(writer, &list[i], depth);
}

// Room of no byte at all is not the same as a question for the length, which is 0.
static uint32_t capacity_of(const CK_ATTRIBUTE *one) {
  if (one->pValue == NULL)
    return 0;
  if (one->ulValueLen == 0)
    return NULL_LENGTH;
  return one->ulValueLen > ANSWER_LIMIT ? ANSWER_LIMIT : (uint32_t)one->ulValueLen;
}

void put_requests(Writer *writer, const CK_ATTRIBUTE *list, CK_ULONG count) {
  if (!count_fits(writer, list, count))
    return;
  put_u32(writer, (uint32_t)count);
  for (CK_ULONG i = 0; i < count; i++) {
    put_u32(writer, type_of(list[i].type));
    put_u32(writer, capacity_of(&list[i]));
  }
}

static bool get_attribute(Reader *reader, CK_ATTRIBUTE *one) {
  if (get_u32(reader) != type_of(one->type))
    return false;
  if (get_u8(reader) == 0) {
    one->ulValueLen = CK_UNAVAILABLE;
    return !reader->failed;
  }
  uint32_t told = get_u32(reader);
  uint32_t length = get_u32(reader);
  // The length alone.
  if (length == NULL_LENGTH) {
    if (reader->failed || one->pValue != NULL)
      return false;
    one->ulValueLen = told;
    return true;
  }
  const uint8_t *value = get_bytes(reader, length);
  if (value == NULL || length != told)
    return false;
  if (one->pValue != NULL) {
    if (length > one->ulValueLen)
      return false;
    if (length > 0)
      memcpy(one->pValue, value, length);
  }
  one->ulValueLen = length;
  return true;
}

bool get_attributes(Reader *reader, CK_ATTRIBUTE *list, CK_ULONG count) {
  if (get_u32(reader) != count)
    return false;
  for (CK_ULONG i = 0; i < count; i++) {
    if (!get_attribute(reader, &list[i]))
      return false;
  }
  return true;
}
