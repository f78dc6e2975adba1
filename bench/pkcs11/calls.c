/* Calls a PKCS#11 module as often as it is told to, and says how long it took.
 *
 *   calls MODULE PIN [init]
 *
 * Logs in at the first slot with a token, made new first where it says init, and makes its keys. Prints "ready"; then takes lines of
 * a call's name and a count (info, gcm, rsa, ecdsa, kw, create; creates: by THREADS threads at once), and answers each with the
 * nanoseconds that so many took. Exits with 1 and the return value of PKCS#11 where a call fails.
 *
 * Only the few numbers of PKCS#11 v2.40 that it needs are declared here.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "types.h"

typedef struct {
  byte_t *iv;
  ulong_t iv_length;
  ulong_t iv_bits;
  byte_t *aad;
  ulong_t aad_length;
  ulong_t tag_bits;
} gcm_t;

typedef struct {
  void *create_mutex, *destroy_mutex, *lock_mutex, *unlock_mutex;
  ulong_t flags;
  void *reserved;
} arguments_t;

enum { CKU_SO = 0, CKU_USER = 1, CKF_SESSION = 6, CKF_OS_LOCKING_OK = 2 };
enum { CKO_DATA = 0, CKO_SECRET_KEY = 4, CKK_AES = 0x1f };
enum {
  CKM_RSA_PKCS_KEY_PAIR_GEN = 0,
  CKM_SHA256_RSA_PKCS = 0x40,
  CKM_EC_KEY_PAIR_GEN = 0x1040,
  CKM_ECDSA = 0x1041,
  CKM_AES_KEY_GEN = 0x1080,
  CKM_AES_GCM = 0x1087,
  CKM_AES_KEY_WRAP = 0x2109
};
enum {
  CKA_CLASS = 0,
  CKA_TOKEN = 1,
  CKA_PRIVATE = 2,
  CKA_LABEL = 3,
  CKA_VALUE = 0x11,
  CKA_KEY_TYPE = 0x100,
  CKA_ENCRYPT = 0x104,
  CKA_WRAP = 0x106,
  CKA_SIGN = 0x108,
  CKA_MODULUS_BITS = 0x121,
  CKA_VALUE_LEN = 0x161,
  CKA_EXTRACTABLE = 0x162,
  CKA_EC_PARAMS = 0x180
};

/* The places of the calls in CK_FUNCTION_LIST, which all modules have; not all have the symbols. */
enum {
  INITIALIZE = 0,
  FINALIZE = 1,
  GET_SLOT_LIST = 4,
  INIT_TOKEN = 9,
  INIT_PIN = 10,
  OPEN_SESSION = 12,
  CLOSE_SESSION = 13,
  CLOSE_ALL = 14,
  SESSION_INFO = 15,
  LOGIN = 18,
  LOGOUT = 19,
  CREATE_OBJECT = 20,
  DESTROY_OBJECT = 22,
  ENCRYPT_INIT = 29,
  ENCRYPT = 30,
  SIGN_INIT = 42,
  SIGN = 43,
  GENERATE_KEY = 58,
  GENERATE_KEY_PAIR = 59,
  WRAP_KEY = 60
};

typedef struct {
  byte_t version[2];
  void (*calls[68])(void);
} functions_t;

static functions_t *module;
static ulong_t aes, plain_key, rsa, ec;
static _Thread_local ulong_t session;

static void must(ulong_t rv, const char *call) {
  if (rv == 0) return;
  fprintf(stderr, "%s: 0x%lx\n", call, rv);
  exit(1);
}

/* A call with the prototype that the standard gives it. */
#define CALL(place, types, ...) (((ulong_t(*) types)module->calls[place])(__VA_ARGS__))

static void load_module(const char *path) {
  void *library = dlopen(path, RTLD_NOW);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  ulong_t (*get)(functions_t **);
  void *symbol = dlsym(library, "C_GetFunctionList");
  if (symbol == NULL) exit(1);
  memcpy(&get, &symbol, sizeof get);
  must(get(&module), "C_GetFunctionList");
}

static void open_session(ulong_t slot) {
  must(CALL(OPEN_SESSION, (ulong_t, ulong_t, void *, void *, ulong_t *), slot, CKF_SESSION, NULL, NULL, &session),
       "C_OpenSession");
}

static void open_at(ulong_t slot, byte_t *pin, ulong_t length) {
  open_session(slot);
  must(CALL(LOGIN, (ulong_t, ulong_t, byte_t *, ulong_t), session, CKU_USER, pin, length), "C_Login");
}

static ulong_t first_slot(void) {
  ulong_t slots[32], count = 32;
  must(CALL(GET_SLOT_LIST, (byte_t, ulong_t *, ulong_t *), 1, slots, &count), "C_GetSlotList");
  if (count == 0) exit(1);
  return slots[0];
}

static void make_token(byte_t *pin, ulong_t length) {
  byte_t label[33] = "bench                           ";
  ulong_t slot = first_slot();
  must(CALL(INIT_TOKEN, (ulong_t, byte_t *, ulong_t, byte_t *), slot, pin, length, label), "C_InitToken");
  slot = first_slot();
  open_session(slot);
  must(CALL(LOGIN, (ulong_t, ulong_t, byte_t *, ulong_t), session, CKU_SO, pin, length), "C_Login");
  must(CALL(INIT_PIN, (ulong_t, byte_t *, ulong_t), session, pin, length), "C_InitPIN");
  must(CALL(CLOSE_ALL, (ulong_t), slot), "C_CloseAllSessions");
}

static void make_keys(void) {
  byte_t no = 0, yes = 1;
  ulong_t length = 32, bits = 2048;
  byte_t p256[] = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7};
  mechanism_t how = {CKM_AES_KEY_GEN, NULL, 0};
  attribute_t secret[] = {{CKA_TOKEN, &no, 1},   {CKA_VALUE_LEN, &length, sizeof length},
                          {CKA_ENCRYPT, &yes, 1}, {CKA_WRAP, &yes, 1},
                          {CKA_EXTRACTABLE, &yes, 1}};
  ulong_t *keys[] = {&aes, &plain_key};
  for (int i = 0; i < 2; i++)
    must(CALL(GENERATE_KEY, (ulong_t, mechanism_t *, attribute_t *, ulong_t, ulong_t *), session, &how, secret, 5, keys[i]),
         "C_GenerateKey");
  attribute_t own[] = {{CKA_TOKEN, &no, 1}, {CKA_SIGN, &yes, 1}};
  attribute_t open_rsa[] = {{CKA_TOKEN, &no, 1}, {CKA_MODULUS_BITS, &bits, sizeof bits}};
  attribute_t open_ec[] = {{CKA_TOKEN, &no, 1}, {CKA_EC_PARAMS, p256, sizeof p256}};
  ulong_t other;
  mechanism_t pair[] = {{CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0}, {CKM_EC_KEY_PAIR_GEN, NULL, 0}};
  must(CALL(GENERATE_KEY_PAIR,
            (ulong_t, mechanism_t *, attribute_t *, ulong_t, attribute_t *, ulong_t, ulong_t *, ulong_t *), session,
            &pair[0], open_rsa, 2, own, 2, &other, &rsa),
       "C_GenerateKeyPair");
  must(CALL(GENERATE_KEY_PAIR,
            (ulong_t, mechanism_t *, attribute_t *, ulong_t, attribute_t *, ulong_t, ulong_t *, ulong_t *), session,
            &pair[1], open_ec, 2, own, 2, &other, &ec),
       "C_GenerateKeyPair");
}

static byte_t data[1024], result[2048];

static void session_info(void) {
  ulong_t info[4];
  must(CALL(SESSION_INFO, (ulong_t, ulong_t *), session, info), "C_GetSessionInfo");
}

static void gcm(void) {
  byte_t iv[12] = {1};
  gcm_t parameter = {iv, sizeof iv, 96, NULL, 0, 128};
  mechanism_t how = {CKM_AES_GCM, &parameter, sizeof parameter};
  ulong_t length = sizeof result;
  must(CALL(ENCRYPT_INIT, (ulong_t, mechanism_t *, ulong_t), session, &how, aes), "C_EncryptInit");
  must(CALL(ENCRYPT, (ulong_t, byte_t *, ulong_t, byte_t *, ulong_t *), session, data, sizeof data, result, &length),
       "C_Encrypt");
}

static void sign(ulong_t type, ulong_t key) {
  mechanism_t how = {type, NULL, 0};
  ulong_t length = sizeof result;
  must(CALL(SIGN_INIT, (ulong_t, mechanism_t *, ulong_t), session, &how, key), "C_SignInit");
  must(CALL(SIGN, (ulong_t, byte_t *, ulong_t, byte_t *, ulong_t *), session, data, 32, result, &length), "C_Sign");
}

static void key_wrap(void) {
  mechanism_t how = {CKM_AES_KEY_WRAP, NULL, 0};
  ulong_t length = sizeof result;
  must(CALL(WRAP_KEY, (ulong_t, mechanism_t *, ulong_t, ulong_t, byte_t *, ulong_t *), session, &how, aes, plain_key,
            result, &length),
       "C_WrapKey");
}

static ulong_t create(void) {
  byte_t yes = 1;
  ulong_t object_class = CKO_SECRET_KEY, type = CKK_AES, handle;
  attribute_t template[] = {{CKA_CLASS, &object_class, sizeof object_class}, {CKA_KEY_TYPE, &type, sizeof type},
                            {CKA_TOKEN, &yes, 1},                            {CKA_VALUE, data, 32},
                            {CKA_LABEL, "bench", 5}};
  must(CALL(CREATE_OBJECT, (ulong_t, attribute_t *, ulong_t, ulong_t *), session, template, 5, &handle),
       "C_CreateObject");
  return handle;
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t began, ended;

enum { THREADS = 16 };

/* What one thread makes: every THREADS-th of them. */
typedef struct {
  pthread_t thread;
  pthread_barrier_t *start;
  ulong_t slot;
  ulong_t *made;
  int first, count;
} maker_t;

static void *make_some(void *argument) {
  maker_t *maker = argument;
  open_session(maker->slot);
  pthread_barrier_wait(maker->start);
  for (int i = maker->first; i < maker->count; i += THREADS) maker->made[i] = create();
  pthread_barrier_wait(maker->start);
  must(CALL(CLOSE_SESSION, (ulong_t), session), "C_CloseSession");
  return NULL;
}

static void create_at_once(ulong_t *made, int count) {
  maker_t makers[THREADS];
  pthread_barrier_t start;
  ulong_t slot = first_slot();
  pthread_barrier_init(&start, NULL, THREADS + 1);
  for (int i = 0; i < THREADS; i++) {
    makers[i] = (maker_t){.start = &start, .slot = slot, .made = made, .first = i, .count = count};
    if (pthread_create(&makers[i].thread, NULL, make_some, &makers[i]) != 0) exit(1);
  }
  pthread_barrier_wait(&start);
  began = now();
  pthread_barrier_wait(&start);
  ended = now();
  for (int i = 0; i < THREADS; i++) pthread_join(makers[i].thread, NULL);
  pthread_barrier_destroy(&start);
}

static uint64_t create_all(int count, int at_once) {
  ulong_t *made = calloc((size_t)count, sizeof *made);
  if (made == NULL) exit(1);
  if (at_once) create_at_once(made, count);
  else {
    began = now();
    for (int i = 0; i < count; i++) made[i] = create();
    ended = now();
  }
  for (int i = 0; i < count; i++)
    must(CALL(DESTROY_OBJECT, (ulong_t, ulong_t), session, made[i]), "C_DestroyObject");
  free(made);
  return ended - began;
}

static uint64_t measure(const char *name, int count) {
  if (strcmp(name, "create") == 0) return create_all(count, 0);
  if (strcmp(name, "creates") == 0) return create_all(count, 1);
  uint64_t start = now();
  for (int i = 0; i < count; i++) {
    if (strcmp(name, "info") == 0) session_info();
    else if (strcmp(name, "gcm") == 0) gcm();
    else if (strcmp(name, "rsa") == 0) sign(CKM_SHA256_RSA_PKCS, rsa);
    else if (strcmp(name, "ecdsa") == 0) sign(CKM_ECDSA, ec);
    else if (strcmp(name, "kw") == 0) key_wrap();
    else exit(1);
  }
  return now() - start;
}

int main(int argc, char **argv) {
  if (argc < 3) return 1;
  byte_t *pin = (byte_t *)argv[2];
  ulong_t length = strlen(argv[2]);
  arguments_t arguments = {NULL, NULL, NULL, NULL, CKF_OS_LOCKING_OK, NULL};
  load_module(argv[1]);
  must(CALL(INITIALIZE, (void *), &arguments), "C_Initialize");
  if (argc > 3) make_token(pin, length);
  open_at(first_slot(), pin, length);
  make_keys();
  puts("ready");
  fflush(stdout);
  char name[16];
  int count;
  while (scanf("%15s %d", name, &count) == 2) {
    printf("%llu\n", (unsigned long long)measure(name, count));
    fflush(stdout);
  }
  CALL(FINALIZE, (void *), NULL);
  return 0;
}
