// One socket that many threads use at once: messages go out one after the other, and of those who wait for an answer one reads for all.
// Answers come in any order, each with the number of its call.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "library.h"

// Bytes read at once: most answers come with one call of the kernel.
#define CHUNK 8192
// The first number of a call; 0 is none.
#define FIRST_CODE 16

typedef struct Waiter {
  struct Waiter *next;
  uint32_t code;
  bool arrived;
  Body body;
  pthread_cond_t news;
} Waiter;

struct Connection {
  int fd;
  // Held while a message is written.
  pthread_mutex_t writing;
  // Guards what follows, up to `broken`.
  pthread_mutex_t lock;
  Waiter *waiters;
  uint32_t next_code;
  // Somebody reads.
  bool reading;
  bool broken;
  // The reader's own.
  Awake awake;
  size_t at;
  size_t end;
  uint8_t chunk[CHUNK];
};

void body_free(Body *body) {
  if (body->bytes != NULL)
    explicit_bzero(body->bytes, body->length);
  free(body->bytes);
  *body = (Body){0};
}

static bool send_all(int fd, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR)
      continue;
    if (sent <= 0)
      return false;
    bytes += sent;
    length -= (size_t)sent;
  }
  return true;
}

static bool receive(Connection *connection, uint8_t *bytes, size_t most, size_t *length) {
  ssize_t got;
  do {
    got = awake_receive(&connection->awake, connection->fd, bytes, most);
  } while (got < 0 && errno == EINTR);
  *length = got > 0 ? (size_t)got : 0;
  return got > 0;
}

// So many bytes; NULL = nowhere to put them.
static bool read_exactly(Connection *connection, uint8_t *bytes, size_t length) {
  while (length > 0) {
    if (connection->at == connection->end) {
      // Long bodies go where they belong at once.
      if (bytes != NULL && length >= CHUNK) {
        size_t got;
        if (!receive(connection, bytes, length, &got))
          return false;
        bytes += got;
        length -= got;
        continue;
      }
      connection->at = 0;
      if (!receive(connection, connection->chunk, CHUNK, &connection->end))
        return false;
    }
    size_t there = connection->end - connection->at;
    size_t part = there < length ? there : length;
    if (bytes != NULL) {
      memcpy(bytes, connection->chunk + connection->at, part);
      bytes += part;
    }
    explicit_bzero(connection->chunk + connection->at, part);
    connection->at += part;
    length -= part;
  }
  return true;
}

// The next message. False = the stream has ended, or what comes is no message.
static bool read_message(Connection *connection, uint32_t *code, Body *body) {
  uint8_t head[HEAD];
  if (!read_exactly(connection, head, HEAD))
    return false;
  Reader reader = {.at = head, .left = HEAD};
  *code = get_u32(&reader);
  uint32_t options = get_u32(&reader);
  uint32_t length = get_u32(&reader);
  if (options > OPTIONS_LIMIT || length < BODY_LEAST || length > ANSWER_LIMIT)
    return false;
  body->bytes = malloc(length);
  if (body->bytes == NULL)
    return false;
  body->length = length;
  if (read_exactly(connection, NULL, options) && read_exactly(connection, body->bytes, length))
    return true;
  body_free(body);
  return false;
}

// Everybody looks again. The lock is held.
static void break_now(Connection *connection) {
  connection->broken = true;
  shutdown(connection->fd, SHUT_RDWR);
  for (Waiter *one = connection->waiters; one != NULL; one = one->next)
    pthread_cond_signal(&one->news);
}

void connection_break(Connection *connection) {
  pthread_mutex_lock(&connection->lock);
  break_now(connection);
  pthread_mutex_unlock(&connection->lock);
}

// Reads one message and gives it to whom it is for. The lock is held before and after, not while it reads.
static void read_for_all(Connection *connection) {
  Body body = {0};
  uint32_t code = 0;
  connection->reading = true;
  pthread_mutex_unlock(&connection->lock);
  bool good = read_message(connection, &code, &body);
  pthread_mutex_lock(&connection->lock);
  connection->reading = false;
  Waiter *owner = connection->waiters;
  while (good && owner != NULL && (owner->code != code || owner->arrived))
    owner = owner->next;
  // An answer that nobody waits for: what comes after it cannot be trusted.
  if (!good || owner == NULL) {
    body_free(&body);
    break_now(connection);
    return;
  }
  owner->body = body;
  owner->arrived = true;
  pthread_cond_signal(&owner->news);
}

static void join(Connection *connection, Waiter *waiter) {
  waiter->code = connection->next_code++;
  if (connection->next_code == 0)
    connection->next_code = FIRST_CODE;
  waiter->next = connection->waiters;
  connection->waiters = waiter;
}

// Leaves; where somebody still waits and nobody reads, the next one does. The lock is held.
static void leave(Connection *connection, Waiter *waiter) {
  Waiter **link = &connection->waiters;
  while (*link != waiter)
    link = &(*link)->next;
  *link = waiter->next;
  if (connection->reading)
    return;
  for (Waiter *one = connection->waiters; one != NULL; one = one->next) {
    if (!one->arrived) {
      pthread_cond_signal(&one->news);
      return;
    }
  }
}

static void write_head(Writer *message, uint32_t code) {
  uint32_t fields[] = {code, 0, (uint32_t)(message->length - HEAD)};
  for (size_t i = 0; i < HEAD; i++)
    message->bytes[i] = (uint8_t)(fields[i / 4] >> (24 - 8 * (i % 4)));
}

CK_RV connection_exchange(Connection *connection, Writer *message, Body *answer) {
  Waiter self = {0};
  pthread_cond_init(&self.news, NULL);
  pthread_mutex_lock(&connection->lock);
  if (connection->broken) {
    pthread_mutex_unlock(&connection->lock);
    pthread_cond_destroy(&self.news);
    return CKR_DEVICE_ERROR;
  }
  join(connection, &self);
  pthread_mutex_unlock(&connection->lock);

  write_head(message, self.code);
  pthread_mutex_lock(&connection->writing);
  bool sent = send_all(connection->fd, message->bytes, message->length);
  pthread_mutex_unlock(&connection->writing);

  pthread_mutex_lock(&connection->lock);
  if (!sent)
    break_now(connection);
  while (!self.arrived && !connection->broken) {
    if (connection->reading)
      pthread_cond_wait(&self.news, &connection->lock);
    else
      read_for_all(connection);
  }
  leave(connection, &self);
  pthread_mutex_unlock(&connection->lock);
  pthread_cond_destroy(&self.news);
  *answer = self.body;
  return self.arrived ? CKR_OK : CKR_DEVICE_ERROR;
}

static int dial(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (!address_find(address.sun_path, sizeof address.sun_path))
    return -1;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return -1;
  int failed;
  do {
    failed = connect(fd, (const struct sockaddr *)&address, sizeof address);
  } while (failed < 0 && errno == EINTR);
  // A connection that goes on after a signal is there already.
  if (failed == 0 || errno == EISCONN)
    return fd;
  close(fd);
  return -1;
}

// One byte each way. Another server of p11-kit's protocol answers another version.
static bool agree(Connection *connection) {
  const uint8_t offer = LIBRARY_VERSION;
  uint8_t answer;
  size_t length;
  return send_all(connection->fd, &offer, 1) && receive(connection, &answer, 1, &length) && answer == LIBRARY_VERSION;
}

Connection *connection_open(CK_RV *ckr) {
  *ckr = CKR_DEVICE_ERROR;
  int fd = dial();
  if (fd < 0)
    return NULL;
  Connection *connection = calloc(1, sizeof *connection);
  if (connection == NULL) {
    close(fd);
    return NULL;
  }
  connection->fd = fd;
  awake_begin(&connection->awake);
  if (!agree(connection)) {
    connection_abandon(connection);
    return NULL;
  }
  connection->next_code = FIRST_CODE;
  pthread_mutex_init(&connection->writing, NULL);
  pthread_mutex_init(&connection->lock, NULL);
  *ckr = CKR_OK;
  return connection;
}

void connection_close(Connection *connection) {
  pthread_mutex_destroy(&connection->writing);
  pthread_mutex_destroy(&connection->lock);
  connection_abandon(connection);
}

void connection_abandon(Connection *connection) {
  close(connection->fd);
  explicit_bzero(connection->chunk, CHUNK);
  free(connection);
}
