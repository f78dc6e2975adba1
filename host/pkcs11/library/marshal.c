// A call by its signature: values of the request are written letter by letter, those of the answer read the same way.
#include <string.h>

#include "library.h"

// Letters of a signature are read one value at a time: 'a' and 'f' begin a value of two letters.
typedef struct {
  const char *at;
} Letters;

static bool next_value(Letters *letters, char value[3]) {
  if (*letters->at == '\0')
    return false;
  size_t length = *letters->at == 'a' || *letters->at == 'f' ? 2 : 1;
  memset(value, 0, 3);
  memcpy(value, letters->at, length);
  letters->at += length;
  return true;
}

static bool is(const char *value, const char *wanted) {
  return strcmp(value, wanted) == 0;
}

static void put_given(Writer *writer, const Argument *argument) {
  put_u8(writer, argument->in == NULL ? 0 : 1);
  if (argument->in != NULL)
    put_array(writer, argument->in, argument->number);
  else
    // A null pointer that says it has bytes: the other end refuses it.
    put_u32(writer, argument->number > UINT32_MAX ? UINT32_MAX : (uint32_t)argument->number);
}

// How much room there is: 0 asks for the length, all ones is a buffer of no bytes.
static void put_room(Writer *writer, const Argument *argument, uint32_t most) {
  if (argument->length == NULL) {
    writer->ckr = CKR_ARGUMENTS_BAD;
    return;
  }
  CK_ULONG room = *argument->length;
  if (argument->out == NULL)
    put_u32(writer, 0);
  else if (room == 0)
    put_u32(writer, NULL_LENGTH);
  else
    put_u32(writer, room > most ? most : (uint32_t)room);
}

static void put_numbers(Writer *writer, const Argument *argument) {
  const CK_ULONG *list = argument->in;
  put_u8(writer, list == NULL ? 0 : 1);
  if (argument->number > BODY_LIMIT / 8) {
    writer->ckr = CKR_ARGUMENTS_BAD;
    return;
  }
  put_u32(writer, (uint32_t)argument->number);
  for (CK_ULONG i = 0; list != NULL && i < argument->number; i++)
    put_u64(writer, list[i]);
}

static void put_value(Writer *writer, const char *value, const Argument *argument, const char *signature) {
  if (is(value, "u"))
    put_u64(writer, argument->number);
  else if (is(value, "y"))
    put_u8(writer, (uint8_t)argument->number);
  else if (is(value, "ay"))
    put_given(writer, argument);
  else if (is(value, "fy"))
    put_room(writer, argument, ANSWER_LIMIT);
  else if (is(value, "fu"))
    put_room(writer, argument, ANSWER_LIMIT / 8);
  else if (is(value, "au"))
    put_numbers(writer, argument);
  else if (is(value, "aA"))
    put_attributes(writer, argument->in, argument->number, 0);
  else if (is(value, "fA"))
    put_requests(writer, argument->out, argument->number);
  else if (is(value, "M"))
    put_mechanism(writer, argument->in, is(signature, "uMu") || is(signature, "uM"));
  else
    // 's' and 'z': text with its length.
    put_array(writer, argument->in, argument->number);
}

static CK_RV put_request(Writer *writer, const Call *call, const Argument *arguments, size_t *count) {
  // The head is written when the call has its number.
  static const uint8_t head[HEAD];
  put_bytes(writer, head, HEAD);
  put_u32(writer, call->id);
  put_array(writer, call->request, strlen(call->request));
  Letters letters = {call->request};
  char value[3];
  for (*count = 0; next_value(&letters, value); ++*count)
    put_value(writer, value, &arguments[*count], call->request);
  return writer->ckr;
}

// The place for a result that came: where the request had room of its kind, the `nth` of them.
static const Argument *place_of(const Call *call, const Argument *arguments, const char *wanted, size_t nth) {
  Letters letters = {call->request};
  char value[3];
  for (size_t i = 0; next_value(&letters, value); i++) {
    if (is(value, wanted) && nth-- == 0)
      return &arguments[i];
  }
  return NULL;
}

// A length that was asked for, or was too little.
static CK_RV told(const Argument *place, CK_ULONG length) {
  *place->length = length;
  return place->out == NULL ? CKR_OK : CKR_BUFFER_TOO_SMALL;
}

static CK_RV get_room(Reader *reader, const Argument *place, size_t width) {
  if (place == NULL)
    return CKR_DEVICE_ERROR;
  bool there = get_u8(reader) == 1;
  uint32_t count = get_u32(reader);
  if (reader->failed)
    return CKR_DEVICE_ERROR;
  if (!there)
    return told(place, count);
  if (place->out != NULL && count > *place->length)
    return CKR_DEVICE_ERROR;
  const uint8_t *bytes = get_bytes(reader, (size_t)count * width);
  if (bytes == NULL)
    return CKR_DEVICE_ERROR;
  *place->length = count;
  if (place->out == NULL)
    return CKR_OK;
  if (width == 1) {
    if (count > 0)
      memcpy(place->out, bytes, count);
    return CKR_OK;
  }
  Reader numbers = {.at = bytes, .left = (size_t)count * width};
  for (uint32_t i = 0; i < count; i++)
    ((CK_ULONG *)place->out)[i] = get_u64(&numbers);
  return CKR_OK;
}

static CK_RV get_field(Reader *reader, const Argument *place) {
  const uint8_t *bytes = get_u32(reader) == place->number ? get_bytes(reader, place->number) : NULL;
  if (bytes == NULL)
    return CKR_DEVICE_ERROR;
  memcpy(place->out, bytes, place->number);
  return CKR_OK;
}

static CK_RV get_version(Reader *reader, const Argument *place) {
  CK_VERSION version = {.major = get_u8(reader)};
  version.minor = get_u8(reader);
  *(CK_VERSION *)place->out = version;
  return CKR_OK;
}

static CK_RV get_values(Reader *reader, const Call *call, const Argument *arguments, size_t count) {
  Letters letters = {call->reply};
  char value[3];
  CK_RV result = CKR_OK;
  size_t strings = 0;
  size_t lists = 0;
  while (result != CKR_DEVICE_ERROR && next_value(&letters, value)) {
    CK_RV ckr = CKR_OK;
    if (is(value, "ay"))
      ckr = get_room(reader, place_of(call, arguments, "fy", strings++), 1);
    else if (is(value, "au"))
      ckr = get_room(reader, place_of(call, arguments, "fu", lists++), 8);
    else if (is(value, "aA")) {
      const Argument *place = place_of(call, arguments, "fA", 0);
      ckr = place != NULL && get_attributes(reader, place->out, place->number) ? CKR_OK : CKR_DEVICE_ERROR;
    } else if (is(value, "s"))
      ckr = get_field(reader, &arguments[count++]);
    else if (is(value, "v"))
      ckr = get_version(reader, &arguments[count++]);
    else if (is(value, "y"))
      *(CK_BYTE *)arguments[count++].out = get_u8(reader);
    else
      *(CK_ULONG *)arguments[count++].out = get_u64(reader);
    if (ckr != CKR_OK)
      result = ckr;
  }
  return reader->failed || reader->left > 0 ? CKR_DEVICE_ERROR : result;
}

static CK_RV get_answer(const Body *body, const Call *call, const Argument *arguments, size_t count) {
  Reader reader = {.at = body->bytes, .left = body->length};
  uint32_t id = get_u32(&reader);
  uint32_t length = get_u32(&reader);
  const uint8_t *signature = get_bytes(&reader, length);
  if (signature == NULL)
    return CKR_DEVICE_ERROR;
  if (id == 0 && length == 1 && signature[0] == 'u') {
    CK_RV ckr = get_u64(&reader);
    return ckr != CKR_OK && reader.left == 0 ? ckr : CKR_DEVICE_ERROR;
  }
  if (id != call->id || length != strlen(call->reply) || memcmp(signature, call->reply, length) != 0)
    return CKR_DEVICE_ERROR;
  return get_values(&reader, call, arguments, count);
}

CK_RV moonlet_call_on(Connection *connection, const Call *call, const Argument *arguments) {
  Writer message = {.length = 0};
  Body answer = {0};
  size_t count;
  CK_RV ckr = put_request(&message, call, arguments, &count);
  if (ckr == CKR_OK)
    ckr = connection_exchange(connection, &message, &answer);
  writer_free(&message);
  if (ckr == CKR_OK)
    ckr = get_answer(&answer, call, arguments, count);
  body_free(&answer);
  return ckr;
}

CK_RV moonlet_call(const Call *call, const Argument *arguments) {
  Connection *connection;
  CK_RV ckr = process_enter(&connection);
  if (ckr != CKR_OK)
    return ckr;
  ckr = moonlet_call_on(connection, call, arguments);
  bool ending = process_leave();
  return ending && ckr == CKR_DEVICE_ERROR ? CKR_CRYPTOKI_NOT_INITIALIZED : ckr;
}
