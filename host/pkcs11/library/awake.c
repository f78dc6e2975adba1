// A thread that waits for an answer looks on for a moment before it sleeps: a door that is awake answers sooner than the kernel wakes a
// thread on a core that idles. Given up where that does not pay: with one processor, where another thread wants this one, or where
// answers keep coming later than that.
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>

#include "library.h"

// Nanoseconds that it looks on.
#define WINDOW 60000
// Nanoseconds between two looks from which on something else wants this core.
#define GAP 50000
// Times in a row without an answer after which it sleeps at once; and how many answers it then sleeps for before it tries again.
#define TRIES 4
#define REST 64

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

void awake_begin(Awake *awake) {
  cpu_set_t cores;
  *awake = (Awake){.several = sched_getaffinity(0, sizeof cores, &cores) != 0 || CPU_COUNT(&cores) > 1};
}

static void failed(Awake *awake, bool crowded) {
  if (!crowded && ++awake->failures < TRIES)
    return;
  awake->failures = TRIES - 1;
  awake->rest = REST;
}

ssize_t awake_receive(Awake *awake, int fd, void *bytes, size_t most) {
  if (!awake->several)
    return recv(fd, bytes, most, 0);
  if (awake->rest > 0) {
    awake->rest--;
    return recv(fd, bytes, most, 0);
  }
  int64_t begun = now();
  bool crowded = false;
  for (int64_t looked = begun, next; !crowded && looked - begun < WINDOW; looked = next) {
    ssize_t got = recv(fd, bytes, most, MSG_DONTWAIT);
    if (got >= 0 || (errno != EAGAIN && errno != EINTR)) {
      awake->failures = 0;
      return got;
    }
    // Whoever has something to do goes first: it may be the door.
    sched_yield();
    next = now();
    crowded = next - looked > GAP;
  }
  failed(awake, crowded);
  return recv(fd, bytes, most, 0);
}
