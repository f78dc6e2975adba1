// Threads at work while their server is killed: killed SLOT PIN PROCESS. Every call answers, none is the program's end; when a server is
// there again, the same program goes on.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "library.h"

#define THREADS 8
#define CKR_SESSION_HANDLE_INVALID 0xb3

static CK_SLOT_ID slot;
static pid_t server;
static unsigned long answered;

static void *at_work(void *nothing) {
  (void)nothing;
  CK_SESSION_HANDLE session;
  CK_RV ckr = C_OpenSession(slot, 6, NULL, NULL, &session);
  CK_BYTE random[256];
  while (ckr == CKR_OK) {
    ckr = C_GenerateRandom(session, random, sizeof random);
    if (ckr == CKR_OK && __atomic_add_fetch(&answered, 1, __ATOMIC_RELAXED) == 500)
      kill(server, SIGKILL);
  }
  ANSWERS(CKR_DEVICE_ERROR, ckr);
  ANSWERS(CKR_DEVICE_ERROR, C_GenerateRandom(session, random, sizeof random));
  return NULL;
}

// Somebody asks, and somebody waits for an event, while another ends the library.
static void *asks(void *nothing) {
  (void)nothing;
  CK_SESSION_INFO info;
  CK_RV ckr;
  do {
    ckr = C_GetSessionInfo(1, &info);
  } while (ckr == CKR_SESSION_HANDLE_INVALID);
  ANSWERS(CKR_CRYPTOKI_NOT_INITIALIZED, ckr);
  return NULL;
}

static void *waits(void *nothing) {
  (void)nothing;
  CK_SLOT_ID where;
  CK_RV ckr;
  do {
    ckr = C_WaitForSlotEvent(0, &where, NULL);
  } while (ckr == CKR_OK);
  ANSWERS(CKR_CRYPTOKI_NOT_INITIALIZED, ckr);
  return NULL;
}

// What was open is gone with the server; what begins anew works, in a child of a fork too.
static void goes_on(void) {
  CK_SESSION_HANDLE session;
  CK_SESSION_INFO info;
  CK_BYTE random[16];
  ANSWERS(CKR_SESSION_HANDLE_INVALID, C_GetSessionInfo(1, &info));
  ANSWERS(CKR_OK, C_OpenSession(slot, 6, NULL, NULL, &session));
  ANSWERS(CKR_OK, C_GenerateRandom(session, random, sizeof random));
  pid_t process = fork();
  CHECK(process >= 0);
  if (process == 0) {
    ANSWERS(CKR_CRYPTOKI_NOT_INITIALIZED, C_GetSessionInfo(session, &info));
    ANSWERS(CKR_OK, C_Initialize(NULL));
    ANSWERS(CKR_OK, C_Finalize(NULL));
    _exit(0);
  }
  int status;
  CHECK(waitpid(process, &status, 0) == process && status == 0);
  ANSWERS(CKR_OK, C_GenerateRandom(session, random, sizeof random));
}

int main(int count, char **words) {
  CHECK(count == 4);
  slot = strtoul(words[1], NULL, 10);
  server = (pid_t)strtol(words[3], NULL, 10);
  ANSWERS(CKR_OK, C_Initialize(NULL));
  pthread_t all[THREADS];
  for (size_t i = 0; i < THREADS; i++)
    CHECK(pthread_create(&all[i], NULL, i % 2 == 0 ? waits : asks, NULL) == 0);
  usleep(1000);
  ANSWERS(CKR_OK, C_Finalize(NULL));
  for (size_t i = 0; i < THREADS; i++)
    pthread_join(all[i], NULL);

  ANSWERS(CKR_OK, C_Initialize(NULL));
  for (size_t i = 0; i < THREADS; i++)
    CHECK(pthread_create(&all[i], NULL, at_work, NULL) == 0);
  for (size_t i = 0; i < THREADS; i++)
    pthread_join(all[i], NULL);
  ANSWERS(CKR_OK, C_Finalize(NULL));
  CK_RV ckr;
  while ((ckr = C_Initialize(NULL)) == CKR_DEVICE_ERROR) {
    ANSWERS(CKR_CRYPTOKI_NOT_INITIALIZED, C_Finalize(NULL));
    usleep(20000);
  }
  ANSWERS(CKR_OK, ckr);
  goes_on();
  ANSWERS(CKR_OK, C_Finalize(NULL));
  printf("%lu calls were answered before the server was killed; at the next one the program goes on\n", answered);
  return 0;
}
