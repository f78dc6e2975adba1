// The library at a server that lies: hostile SECONDS SEED. Threads make calls of chance while answers are true, damaged, late, out of
// order, cut off or somebody else's. Every call has to answer, and nothing may be read or written that is not the program's to give.
// with: scenarios.c
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "scenarios.h"

#define THREADS 4
#define MESSAGE 65536
// Milliseconds without a request after which everybody waits for something that will not come.
#define SILENCE 2

static bool over;
static unsigned long calls, good, answers, damaged, connections;

static void count(unsigned long *what) {
  __atomic_add_fetch(what, 1, __ATOMIC_RELAXED);
}

static bool is_over(void) {
  return __atomic_load_n(&over, __ATOMIC_RELAXED);
}

// ---- the server ----

typedef struct {
  uint8_t bytes[MESSAGE];
  size_t length;
} Message;

static void add(Message *message, uint64_t value, size_t width) {
  if (message->length + width > MESSAGE)
    return;
  for (size_t i = width; i-- > 0;)
    message->bytes[message->length++] = (uint8_t)(value >> (8 * i));
}

static void set(Message *message, size_t at, uint64_t value) {
  for (size_t i = 0; i < 4; i++)
    message->bytes[at + i] = (uint8_t)(value >> (24 - 8 * i));
}

static void add_bytes(Message *message, Chance *state, uint32_t length) {
  add(message, length, 4);
  for (uint32_t i = 0; i < length; i++)
    add(message, chance(state, 256), 1);
}

static void add_attributes(Message *message, Chance *state, Reader *asked) {
  // The types that were asked for stand at the end of the request.
  uint32_t most = asked->left >= 4 ? get_u32(asked) : 0;
  add(message, most, 4);
  for (uint32_t i = 0; i < most && asked->left >= 8; i++) {
    add(message, get_u32(asked), 4);
    uint32_t room = get_u32(asked) % 64, length = chance(state, room + 2);
    bool there = chance(state, 4) > 0;
    add(message, there, 1);
    if (!there)
      continue;
    add(message, length, 4);
    if (chance(state, 4) == 0)
      add(message, NULL_LENGTH, 4);
    else
      add_bytes(message, state, length);
  }
}

static void add_values(Message *message, Chance *state, const char *reply, Reader *request) {
  static const uint8_t lengths[] = {12, 16, 32, 64};
  for (; *reply != '\0'; reply++) {
    if (*reply == 'u')
      add(message, chance(state, 8) == 0 ? ~0UL : chance(state, 3), 8);
    else if (*reply == 'v')
      add(message, chance(state, 65536), 2);
    else if (*reply == 'y')
      add(message, chance(state, 256), 1);
    else if (*reply == 's')
      add_bytes(message, state, lengths[chance(state, 4)]);
    else if (reply[1] == 'A') {
      // session and object
      get_bytes(request, 16);
      add_attributes(message, state, request);
      reply++;
    } else {
      uint32_t number = chance(state, 60);
      bool there = chance(state, 4) > 0;
      add(message, there, 1);
      if (!there)
        add(message, number, 4);
      else if (reply[1] == 'y')
        add_bytes(message, state, number);
      else {
        add(message, number, 4);
        for (uint32_t i = 0; i < number; i++)
          add(message, chance(state, 100), 8);
      }
      reply++;
    }
  }
}

static const Call *call_of(uint32_t id) {
  for (const Call *call = moonlet_calls; call->request != NULL; call++) {
    if (call->id == id)
      return call;
  }
  return NULL;
}

static void answer(Message *message, Chance *state, uint32_t code, Reader *request) {
  uint32_t id = get_u32(request);
  get_bytes(request, get_u32(request));
  const Call *call = call_of(id);
  message->length = 0;
  add(message, code, 4);
  add(message, 0, 8);
  bool refused = call == NULL || (id != 1 && chance(state, 8) == 0);
  const char *reply = refused ? "u" : call->reply;
  add(message, refused ? 0 : id, 4);
  add(message, strlen(reply), 4);
  for (const char *at = reply; *at != '\0'; at++)
    add(message, (uint8_t)*at, 1);
  add_values(message, state, reply, request);
  set(message, 8, message->length - HEAD);
}

static void damage(Message *message, Chance *state) {
  static const uint32_t interesting[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe, 4096, 65536};
  for (uint32_t times = 1 + chance(state, 3); times > 0; times--) {
    size_t at = chance(state, (uint32_t)message->length);
    switch (chance(state, 6)) {
    case 0:
      message->bytes[at] ^= (uint8_t)(1 << chance(state, 8));
      break;
    case 1:
      if (at + 4 <= message->length)
        set(message, at, interesting[chance(state, 8)]);
      break;
    case 2:
      // Shorter, and it says so.
      if (at >= HEAD) {
        message->length = at;
        set(message, 8, at - HEAD);
      }
      break;
    case 3:
      // Shorter, and it does not.
      if (at > 0)
        message->length = at;
      break;
    case 4:
      add(message, chance(state, 65536), 4);
      if (message->length >= HEAD)
        set(message, 8, message->length - HEAD);
      break;
    default:
      if (message->length >= 4)
        set(message, 0, chance(state, 30));
    }
  }
}

static bool read_all(int fd, uint8_t *bytes, size_t length) {
  while (length > 0) {
    struct pollfd one = {.fd = fd, .events = POLLIN};
    ssize_t got = poll(&one, 1, SILENCE) == 1 ? recv(fd, bytes, length, 0) : 0;
    if (got <= 0)
      return false;
    bytes += got;
    length -= (size_t)got;
  }
  return true;
}

// Serves until the program has gone, has nothing to say, or chance will have it.
static void serve(int fd, Chance *state) {
  static uint8_t body[MESSAGE];
  static Message now, later;
  later.length = 0;
  uint8_t version;
  if (!read_all(fd, &version, 1))
    return;
  version = chance(state, 50) == 0 ? 2 : LIBRARY_VERSION;
  if (send(fd, &version, 1, MSG_NOSIGNAL) != 1)
    return;
  for (;;) {
    uint8_t head[HEAD];
    if (!read_all(fd, head, HEAD))
      return;
    Reader reader = {.at = head, .left = HEAD};
    uint32_t code = get_u32(&reader);
    get_u32(&reader);
    uint32_t length = get_u32(&reader);
    CHECK(length <= MESSAGE);
    if (!read_all(fd, body, length))
      return;
    Reader request = {.at = body, .left = length};
    answer(&now, state, code, &request);
    count(&answers);
    bool is_damaged = chance(state, 3) == 0;
    if (is_damaged) {
      damage(&now, state);
      count(&damaged);
    }
    // One of two is held back, so that they come the other way round.
    if (later.length == 0 && chance(state, 6) == 0) {
      later = now;
      continue;
    }
    if (send(fd, now.bytes, now.length, MSG_NOSIGNAL) < 0)
      return;
    if (later.length > 0 && send(fd, later.bytes, later.length, MSG_NOSIGNAL) < 0)
      return;
    later.length = 0;
    // What is damaged may have left the program waiting.
    if (chance(state, is_damaged ? 2 : 200) == 0)
      return;
  }
}

static void *server(void *place) {
  void **both = place;
  int listener = *(int *)both[0];
  Chance state = *(Chance *)both[1];
  while (!is_over()) {
    struct pollfd one = {.fd = listener, .events = POLLIN};
    if (poll(&one, 1, 100) != 1)
      continue;
    int fd = accept(listener, NULL, NULL);
    if (fd < 0)
      continue;
    count(&connections);
    serve(fd, &state);
    close(fd);
  }
  close(listener);
  return NULL;
}

// ---- the program ----

static void *program(void *place) {
  Chance state = *(Chance *)place;
  while (!is_over()) {
    CK_RV ckr = scenario(chance(&state, SCENARIOS), &state);
    if (ckr == CKR_CRYPTOKI_NOT_INITIALIZED) {
      C_Initialize(NULL);
      continue;
    }
    count(&calls);
    if (ckr == CKR_OK)
      count(&good);
    // Nothing comes any more, or the answer was none: now and then somebody begins anew, whoever else is at work.
    if (ckr == CKR_DEVICE_ERROR && chance(&state, 2) == 0)
      C_Finalize(NULL);
  }
  return NULL;
}

int main(int number, char **words) {
  CHECK(number == 3);
  unsigned seconds = (unsigned)strtoul(words[1], NULL, 10);
  Chance seed = strtoul(words[2], NULL, 10) * 0x9e3779b97f4a7c15UL + 1;
  char folder[] = "/tmp/moonlet-hostile-XXXXXX";
  CHECK(mkdtemp(folder) != NULL);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", folder);
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 64) == 0);
  CHECK(setenv("MOONLET_PKCS11", address.sun_path, 1) == 0);

  void *both[] = {&listener, &seed};
  pthread_t serving, all[THREADS];
  CHECK(pthread_create(&serving, NULL, server, both) == 0);
  Chance seeds[THREADS];
  for (size_t i = 0; i < THREADS; i++) {
    seeds[i] = seed + 77 * (i + 1);
    CHECK(pthread_create(&all[i], NULL, program, &seeds[i]) == 0);
  }
  sleep(seconds);
  __atomic_store_n(&over, true, __ATOMIC_RELAXED);
  // Whoever is at the door now finds it shut.
  pthread_join(serving, NULL);
  for (size_t i = 0; i < THREADS; i++)
    pthread_join(all[i], NULL);
  C_Finalize(NULL);
  unlink(address.sun_path);
  rmdir(folder);
  printf("%lu calls, %lu of them CKR_OK; %lu answers, %lu of them damaged; %lu connections\n", calls, good, answers,
         damaged, connections);
  CHECK(good > 0 && damaged > 0 && connections > 1);
  return 0;
}
