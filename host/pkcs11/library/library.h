// What the files of the library share.
#ifndef MOONLET_LIBRARY_H
#define MOONLET_LIBRARY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cryptoki.h"
#include "functions.h"
#include "tables.h"

// Values travel as the bytes that a program has in memory; the other end takes them for those of a 64-bit little-endian computer.
_Static_assert(sizeof(CK_ULONG) == 8 && sizeof(void *) == 8, "a 64-bit computer");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a little-endian computer");

// ---- message.c: bytes of a message, written and read. All numbers are big-endian. ----

// A length that stands for a null pointer.
#define NULL_LENGTH 0xffffffffU

// A message that grows. Once something has gone wrong (`ckr`) nothing is added any more.
typedef struct {
  uint8_t *bytes;
  size_t length;
  size_t room;
  CK_RV ckr;
} Writer;

void put_u8(Writer *writer, uint8_t value);
void put_u32(Writer *writer, uint32_t value);
void put_u64(Writer *writer, uint64_t value);
void put_bytes(Writer *writer, const void *bytes, size_t length);
// Length and bytes; a null pointer with a length is told as such.
void put_array(Writer *writer, const void *bytes, CK_ULONG length);
void writer_free(Writer *writer);

// What is left of a message. Once something did not fit (`failed`) everything that is read is zero.
typedef struct {
  const uint8_t *at;
  size_t left;
  bool failed;
} Reader;

uint8_t get_u8(Reader *reader);
uint32_t get_u32(Reader *reader);
uint64_t get_u64(Reader *reader);
// So many bytes in place; NULL = there are not.
const uint8_t *get_bytes(Reader *reader, size_t length);

// ---- awake.c: a moment before a thread sleeps ----

// How looking on has paid so far.
typedef struct {
  // Processors.
  bool several;
  unsigned failures;
  unsigned rest;
} Awake;

void awake_begin(Awake *awake);
// As recv, which it is.
ssize_t awake_receive(Awake *awake, int fd, void *bytes, size_t most);

// ---- connection.c: one connection, used by many threads ----

typedef struct Connection Connection;

// A body that has arrived; to be freed with body_free.
typedef struct {
  uint8_t *bytes;
  size_t length;
} Body;

// Connects to the server and agrees on the version. NULL = CKR in *ckr.
Connection *connection_open(CK_RV *ckr);
// Sends a message, whose head is filled in here, and waits for its answer.
CK_RV connection_exchange(Connection *connection, Writer *message, Body *answer);
// Wakes whoever waits for an answer: it will not come.
void connection_break(Connection *connection);
// Nobody uses it any more.
void connection_close(Connection *connection);
// In the child of a fork: locks may be held by threads that are not there.
void connection_abandon(Connection *connection);
void body_free(Body *body);

// Where the server's socket is. Answers whether the path fits.
bool address_find(char *path, size_t room);

// ---- process.c: whether the library is initialised in this process ----

// Between these two the connection stays. CKR_CRYPTOKI_NOT_INITIALIZED: there is none.
CK_RV process_enter(Connection **connection);
// Answers whether the library is being finalised: then a call whose answer did not come is one of a library that is not there.
bool process_leave(void);

// ---- marshal.c: calls by their signature ----

// One value of a request, or the place for one of an answer.
typedef struct {
  const void *in;
  void *out;
  CK_ULONG number;
  CK_ULONG *length;
} Argument;

// Sends the call and stores what is answered. The values stand in the order of the signatures, those of the answer last.
CK_RV moonlet_call(const Call *call, const Argument *arguments);
// The same on a connection of one's own.
CK_RV moonlet_call_on(Connection *connection, const Call *call, const Argument *arguments);

// What the server has no call for.
CK_RV moonlet_unsupported(void);

static inline Argument a_number(CK_ULONG number) {
  return (Argument){.number = number};
}
static inline Argument a_bytes(const void *bytes, CK_ULONG length) {
  return (Argument){.in = bytes, .number = length};
}
static inline Argument a_room(void *room, CK_ULONG *length) {
  return (Argument){.out = room, .length = length};
}
static inline Argument a_mechanism(const CK_MECHANISM *mechanism) {
  return (Argument){.in = mechanism};
}
static inline Argument a_template(const CK_ATTRIBUTE *list, CK_ULONG count) {
  return (Argument){.in = list, .number = count};
}
static inline Argument a_request(CK_ATTRIBUTE *list, CK_ULONG count) {
  return (Argument){.out = list, .number = count};
}
static inline Argument a_result(CK_ULONG *number) {
  return (Argument){.out = number};
}
// A field of so many bytes, or a CK_VERSION.
static inline Argument a_field(void *field, size_t size) {
  return (Argument){.out = field, .number = size};
}

// ---- attributes.c, mechanisms.c ----

void put_attributes(Writer *writer, const CK_ATTRIBUTE *list, CK_ULONG count, int depth);
void put_requests(Writer *writer, const CK_ATTRIBUTE *list, CK_ULONG count);
// Stores the answers; false = they do not fit what was asked.
bool get_attributes(Reader *reader, CK_ATTRIBUTE *list, CK_ULONG count);
// `init`: a null pointer ends an operation.
void put_mechanism(Writer *writer, const CK_MECHANISM *mechanism, bool init);

#endif
