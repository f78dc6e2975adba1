#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "library.h"

// Bytes that most messages fit.
#define SMALL 512

// Room for so many bytes more; NULL = the message has failed. What it grew out of is overwritten: some of it may be secret.
static uint8_t *writer_take(Writer *writer, size_t length) {
  if (writer->ckr != CKR_OK)
    return NULL;
  if (length > HEAD + BODY_LIMIT - writer->length) {
    writer->ckr = CKR_DATA_LEN_RANGE;
    return NULL;
  }
  if (length > writer->room - writer->length) {
    size_t room = writer->room == 0 ? SMALL : 2 * writer->room;
    while (room - writer->length < length)
      room *= 2;
    uint8_t *bytes = malloc(room);
    if (bytes == NULL) {
      writer->ckr = CKR_HOST_MEMORY;
      return NULL;
    }
    if (writer->bytes != NULL) {
      memcpy(bytes, writer->bytes, writer->length);
      explicit_bzero(writer->bytes, writer->length);
      free(writer->bytes);
    }
    writer->bytes = bytes;
    writer->room = room;
  }
  uint8_t *at = writer->bytes + writer->length;
  writer->length += length;
  return at;
}

static void put_number(Writer *writer, uint64_t value, size_t width) {
  uint8_t *at = writer_take(writer, width);
  if (at == NULL)
    return;
  for (size_t i = width; i-- > 0; value >>= 8)
    at[i] = (uint8_t)value;
}

void put_u8(Writer *writer, uint8_t value) {
  put_number(writer, value, 1);
}

void put_u32(Writer *writer, uint32_t value) {
  put_number(writer, value, 4);
}

void put_u64(Writer *writer, uint64_t value) {
  put_number(writer, value, 8);
}

void put_bytes(Writer *writer, const void *bytes, size_t length) {
  uint8_t *at = writer_take(writer, length);
  if (at != NULL && length > 0)
    memcpy(at, bytes, length);
}

void put_array(Writer *writer, const void *bytes, CK_ULONG length) {
  if (bytes == NULL) {
    put_u32(writer, length == 0 ? 0 : NULL_LENGTH);
    return;
  }
  // More than a message holds is refused by what takes the bytes.
  put_u32(writer, length > BODY_LIMIT ? BODY_LIMIT : (uint32_t)length);
  put_bytes(writer, bytes, length);
}

void writer_free(Writer *writer) {
  if (writer->bytes != NULL)
    explicit_bzero(writer->bytes, writer->length);
  free(writer->bytes);
  *writer = (Writer){0};
}

const uint8_t *get_bytes(Reader *reader, size_t length) {
  if (reader->failed || length > reader->left) {
    reader->failed = true;
    return NULL;
  }
  const uint8_t *at = reader->at;
  reader->at += length;
  reader->left -= length;
  return at;
}

static uint64_t get_number(Reader *reader, size_t width) {
  const uint8_t *at = get_bytes(reader, width);
  uint64_t value = 0;
  for (size_t i = 0; at != NULL && i < width; i++)
    value = value << 8 | at[i];
  return value;
}

uint8_t get_u8(Reader *reader) {
  return (uint8_t)get_number(reader, 1);
}

uint32_t get_u32(Reader *reader) {
  return (uint32_t)get_number(reader, 4);
}

uint64_t get_u64(Reader *reader) {
  return get_number(reader, 8);
}
