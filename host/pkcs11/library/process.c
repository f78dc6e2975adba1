// Whether the library is initialised, in this process and not in its parent.
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/types.h>
#include <unistd.h>

#include "library.h"

static struct {
  pthread_mutex_t lock;
  // Nobody uses the connection any more.
  pthread_cond_t idle;
  Connection *connection;
  // The process that opened it.
  pid_t process;
  // Calls under way.
  unsigned users;
  // Somebody initialises or finalises.
  bool busy;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .idle = PTHREAD_COND_INITIALIZER};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void before_fork(void) {
  pthread_mutex_lock(&state.lock);
}

static void in_parent(void) {
  pthread_mutex_unlock(&state.lock);
}

// The child has one thread and a connection that is its parent's.
static void in_child(void) {
  if (state.connection != NULL)
    connection_abandon(state.connection);
  state.connection = NULL;
  state.users = 0;
  state.busy = false;
  pthread_mutex_init(&state.lock, NULL);
  pthread_cond_init(&state.idle, NULL);
}

static void watch_forks(void) {
  pthread_atfork(before_fork, in_parent, in_child);
}

// The connection of this very process: a fork that told nobody leaves the parent's. The lock is held.
static Connection *own(void) {
  return state.connection != NULL && state.process == getpid() ? state.connection : NULL;
}

CK_RV process_enter(Connection **connection) {
  pthread_mutex_lock(&state.lock);
  *connection = state.busy ? NULL : own();
  if (*connection != NULL)
    state.users++;
  pthread_mutex_unlock(&state.lock);
  return *connection != NULL ? CKR_OK : CKR_CRYPTOKI_NOT_INITIALIZED;
}

bool process_leave(void) {
  pthread_mutex_lock(&state.lock);
  bool ending = state.busy;
  if (--state.users == 0)
    pthread_cond_broadcast(&state.idle);
  pthread_mutex_unlock(&state.lock);
  return ending;
}

// The server hears who it is that it talks to, and that the program has begun.
static CK_RV greet(Connection *connection) {
  static const char handshake[] = HANDSHAKE;
  const Argument arguments[] = {a_bytes(handshake, sizeof handshake - 1), a_number(0), a_bytes(NULL, 0)};
  return moonlet_call_on(connection, &moonlet_calls[CALL_C_Initialize], arguments);
}

CK_RV C_Initialize(CK_VOID_PTR arguments) {
  // Whatever a program says of locks and threads: ours are the system's.
  (void)arguments;
  pthread_once(&once, watch_forks);
  pthread_mutex_lock(&state.lock);
  if (state.busy || own() != NULL) {
    pthread_mutex_unlock(&state.lock);
    return CKR_CRYPTOKI_ALREADY_INITIALIZED;
  }
  state.busy = true;
  Connection *left = state.connection;
  state.connection = NULL;
  state.users = 0;
  pthread_mutex_unlock(&state.lock);

  if (left != NULL)
    connection_abandon(left);
  CK_RV ckr;
  Connection *connection = connection_open(&ckr);
  if (connection != NULL)
    ckr = greet(connection);
  if (connection != NULL && ckr != CKR_OK) {
    connection_close(connection);
    connection = NULL;
  }

  pthread_mutex_lock(&state.lock);
  state.connection = connection;
  state.process = getpid();
  state.busy = false;
  pthread_mutex_unlock(&state.lock);
  return ckr;
}

CK_RV C_Finalize(CK_VOID_PTR reserved) {
  if (reserved != NULL)
    return CKR_ARGUMENTS_BAD;
  pthread_mutex_lock(&state.lock);
  Connection *connection = state.busy ? NULL : own();
  if (connection == NULL) {
    pthread_mutex_unlock(&state.lock);
    return CKR_CRYPTOKI_NOT_INITIALIZED;
  }
  state.busy = true;
  // Calls that wait, such as for an event, end now.
  if (state.users > 0) {
    connection_break(connection);
    while (state.users > 0)
      pthread_cond_wait(&state.idle, &state.lock);
  }
  state.connection = NULL;
  pthread_mutex_unlock(&state.lock);

  // The server drops what is left when the connection ends, so its word is not needed.
  (void)moonlet_call_on(connection, &moonlet_calls[CALL_C_Finalize], NULL);
  connection_close(connection);
  pthread_mutex_lock(&state.lock);
  state.busy = false;
  pthread_mutex_unlock(&state.lock);
  return CKR_OK;
}
