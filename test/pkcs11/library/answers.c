// A target for libFuzzer: what a server answers is the fuzzer's, and the library takes it apart. The first byte chooses the call, the
// second whether call and signature are true.
// with: scenarios.c
// without: connection.c
#include <stdlib.h>
#include <string.h>

#include "scenarios.h"

struct Connection {
  const uint8_t *data;
  size_t length;
  bool framed;
};

static Connection only;

static void put(Body *body, const void *bytes, size_t length) {
  if (length > 0)
    memcpy(body->bytes + body->length, bytes, length);
  body->length += length;
}

// The fuzzer's bytes, after the call's own id and signature where these are to be true.
CK_RV connection_exchange(Connection *connection, Writer *message, Body *answer) {
  Reader reader = {.at = message->bytes + HEAD, .left = message->length - HEAD};
  const uint8_t *id_bytes = reader.at;
  uint32_t id = get_u32(&reader);
  const Call *call = moonlet_calls;
  while (call->id != id)
    call++;
  uint8_t length[4] = {0, 0, 0, (uint8_t)strlen(call->reply)};
  answer->bytes = malloc(connection->length + 8 + length[3] + 1);
  answer->length = 0;
  bool framed = connection->framed || id == moonlet_calls[CALL_C_Initialize].id;
  if (framed) {
    put(answer, id_bytes, 4);
    put(answer, length, 4);
    put(answer, call->reply, length[3]);
  }
  if (id != moonlet_calls[CALL_C_Initialize].id)
    put(answer, connection->data, connection->length);
  // As long as what came, and not a byte longer.
  answer->bytes = realloc(answer->bytes, answer->length > 0 ? answer->length : 1);
  return CKR_OK;
}

Connection *connection_open(CK_RV *ckr) {
  *ckr = CKR_OK;
  return &only;
}
void connection_break(Connection *connection) {
  (void)connection;
}
void connection_close(Connection *connection) {
  (void)connection;
}
void connection_abandon(Connection *connection) {
  (void)connection;
}
void body_free(Body *body) {
  free(body->bytes);
  *body = (Body){0};
}

CK_EXPORT int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 3)
    return 0;
  C_Initialize(NULL);
  only = (Connection){.data = data + 3, .length = size - 3, .framed = data[1] % 8 != 0};
  Chance state = 1 + data[2];
  scenario(data[0], &state);
  return 0;
}
