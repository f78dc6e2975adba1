/* Moves AES-256 keys from one token of a PKCS#11 module to another and says how long it took.
 *
 *   migrate MODULE KEYS FOLDER
 *
 * Makes two tokens and KEYS token objects in the first. Prints "ready"; then for every line on standard input wraps each key
 * under an AES key that both tokens hold, unwraps it into a token object of the second token, and makes everything below FOLDER
 * durable, where the module keeps its objects. Prints the nanoseconds that the wrapping and unwrapping took, and those with the
 * syncs. Between two lines the second token is made new. Exits with 1 and the return value of PKCS#11 where a call fails.
 *
 * Only the few numbers of PKCS#11 v2.40 that it needs are declared here.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../pkcs11/types.h"

enum { CKU_SO = 0, CKU_USER = 1, CKF_SESSION = 6, CKO_SECRET_KEY = 4, CKK_AES = 0x1f };
enum { CKM_AES_KEY_GEN = 0x1080, CKM_AES_KEY_WRAP = 0x2109 };
enum {
  CKA_CLASS = 0,
  CKA_TOKEN = 1,
  CKA_PRIVATE = 2,
  CKA_LABEL = 3,
  CKA_VALUE = 0x11,
  CKA_KEY_TYPE = 0x100,
  CKA_SENSITIVE = 0x103,
  CKA_WRAP = 0x106,
  CKA_UNWRAP = 0x107,
  CKA_VALUE_LEN = 0x161,
  CKA_EXTRACTABLE = 0x162
};

static ulong_t (*initialize)(void *);
static ulong_t (*finalize)(void *);
static ulong_t (*get_slot_list)(byte_t, ulong_t *, ulong_t *);
static ulong_t (*init_token)(ulong_t, byte_t *, ulong_t, byte_t *);
static ulong_t (*init_pin)(ulong_t, byte_t *, ulong_t);
static ulong_t (*open_session)(ulong_t, ulong_t, void *, void *, ulong_t *);
static ulong_t (*close_all_sessions)(ulong_t);
static ulong_t (*login)(ulong_t, ulong_t, byte_t *, ulong_t);
static ulong_t (*logout)(ulong_t);
static ulong_t (*create_object)(ulong_t, attribute_t *, ulong_t, ulong_t *);
static ulong_t (*generate_key)(ulong_t, mechanism_t *, attribute_t *, ulong_t, ulong_t *);
static ulong_t (*wrap_key)(ulong_t, mechanism_t *, ulong_t, ulong_t, byte_t *, ulong_t *);
static ulong_t (*unwrap_key)(ulong_t, mechanism_t *, ulong_t, byte_t *, ulong_t, attribute_t *, ulong_t, ulong_t *);
static ulong_t (*find_init)(ulong_t, attribute_t *, ulong_t);
static ulong_t (*find)(ulong_t, ulong_t *, ulong_t, ulong_t *);
static ulong_t (*find_final)(ulong_t);

static void bind(void *module, const char *name, void *pointer) {
  void *symbol = dlsym(module, name);
  if (symbol == NULL) {
    fprintf(stderr, "the module has no %s\n", name);
    exit(1);
  }
  memcpy(pointer, &symbol, sizeof symbol);
}

static void must(ulong_t rv, const char *call) {
  if (rv == 0) return;
  fprintf(stderr, "%s: 0x%lx\n", call, rv);
  exit(1);
}

static byte_t so_pin[] = "87654321";
static byte_t user_pin[] = "12345678";
static byte_t yes = 1;
static byte_t no = 0;
static ulong_t secret_key = CKO_SECRET_KEY;
static ulong_t aes = CKK_AES;
static mechanism_t key_wrap = {CKM_AES_KEY_WRAP, NULL, 0};

typedef struct {
  ulong_t slot;
  ulong_t session;
  ulong_t kek;
} hsm_token_t;

/* A new token in the slot, its user logged in, the common wrapping key a session object of it. */
static void make_token(hsm_token_t *token, const char *name) {
  byte_t label[32];
  byte_t kek[32];
  memset(label, ' ', sizeof label);
  memcpy(label, name, strlen(name));
  memset(kek, 0x5a, sizeof kek);
  must(init_token(token->slot, so_pin, 8, label), "C_InitToken");
  must(open_session(token->slot, CKF_SESSION, NULL, NULL, &token->session), "C_OpenSession");
  must(login(token->session, CKU_SO, so_pin, 8), "C_Login");
  must(init_pin(token->session, user_pin, 8), "C_InitPIN");
  must(logout(token->session), "C_Logout");
  must(login(token->session, CKU_USER, user_pin, 8), "C_Login");
  attribute_t template[] = {
      {CKA_CLASS, &secret_key, sizeof secret_key}, {CKA_KEY_TYPE, &aes, sizeof aes}, {CKA_TOKEN, &no, 1},
      {CKA_WRAP, &yes, 1},                         {CKA_UNWRAP, &yes, 1},            {CKA_VALUE, kek, sizeof kek},
  };
  must(create_object(token->session, template, 6, &token->kek), "C_CreateObject");
}

/* The free slot: SoftHSM offers one behind its tokens, and notices that it is taken when it is asked for the list. */
static ulong_t free_slot(ulong_t taken) {
  ulong_t slots[16];
  ulong_t count = 0;
  must(get_slot_list(0, NULL, &count), "C_GetSlotList");
  if (count > 16) count = 16;
  must(get_slot_list(0, slots, &count), "C_GetSlotList");
  for (ulong_t i = count; i-- > 0;)
    if (slots[i] != taken) return slots[i];
  fprintf(stderr, "the module offers no free slot\n");
  exit(1);
}

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void generate(const hsm_token_t *token, ulong_t *keys, ulong_t count) {
  mechanism_t mechanism = {CKM_AES_KEY_GEN, NULL, 0};
  ulong_t length = 32;
  char label[32];
  for (ulong_t i = 0; i < count; i++) {
    int n = snprintf(label, sizeof label, "key %06lu", i);
    attribute_t template[] = {
        {CKA_TOKEN, &yes, 1},     {CKA_PRIVATE, &yes, 1},     {CKA_LABEL, label, (ulong_t)n},
        {CKA_SENSITIVE, &yes, 1}, {CKA_EXTRACTABLE, &yes, 1}, {CKA_VALUE_LEN, &length, sizeof length},
    };
    must(generate_key(token->session, &mechanism, template, 6, &keys[i]), "C_GenerateKey");
  }
}

static int64_t migrate(const hsm_token_t *from, const hsm_token_t *to, const ulong_t *keys, ulong_t count) {
  byte_t wrapped[256];
  char label[32];
  int64_t started = now();
  for (ulong_t i = 0; i < count; i++) {
    ulong_t length = sizeof wrapped;
    ulong_t handle;
    int n = snprintf(label, sizeof label, "key %06lu", i);
    must(wrap_key(from->session, &key_wrap, from->kek, keys[i], wrapped, &length), "C_WrapKey");
    attribute_t template[] = {
        {CKA_CLASS, &secret_key, sizeof secret_key}, {CKA_KEY_TYPE, &aes, sizeof aes}, {CKA_TOKEN, &yes, 1},
        {CKA_PRIVATE, &yes, 1},                      {CKA_LABEL, label, (ulong_t)n},   {CKA_SENSITIVE, &yes, 1},
        {CKA_EXTRACTABLE, &yes, 1},
    };
    must(unwrap_key(to->session, &key_wrap, to->kek, wrapped, length, template, 7, &handle), "C_UnwrapKey");
  }
  return now() - started;
}

/* Syncs every file below a folder, and the folders. */
static void sync_below(const char *path) {
  char below[4096];
  struct stat status;
  int fd = open(path, O_RDONLY);
  if (fd < 0 || fstat(fd, &status) != 0) {
    perror(path);
    exit(1);
  }
  if (S_ISDIR(status.st_mode)) {
    DIR *folder = opendir(path);
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
      if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
      snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
      sync_below(below);
    }
    if (folder != NULL) closedir(folder);
  }
  if (fsync(fd) != 0) {
    perror(path);
    exit(1);
  }
  close(fd);
}

static ulong_t token_objects(const hsm_token_t *token) {
  ulong_t total = 0;
  ulong_t found = 0;
  ulong_t handles[256];
  attribute_t template[] = {{CKA_CLASS, &secret_key, sizeof secret_key}, {CKA_TOKEN, &yes, 1}};
  must(find_init(token->session, template, 2), "C_FindObjectsInit");
  do {
    must(find(token->session, handles, 256, &found), "C_FindObjects");
    total += found;
  } while (found > 0);
  must(find_final(token->session), "C_FindObjectsFinal");
  return total;
}

int main(int argc, char **argv) {
  ulong_t count = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
  if (count == 0) {
    fprintf(stderr, "usage: migrate MODULE KEYS FOLDER\n");
    return 2;
  }
  void *module = dlopen(argv[1], RTLD_NOW);
  if (module == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  bind(module, "C_Initialize", &initialize);
  bind(module, "C_Finalize", &finalize);
  bind(module, "C_GetSlotList", &get_slot_list);
  bind(module, "C_InitToken", &init_token);
  bind(module, "C_InitPIN", &init_pin);
  bind(module, "C_OpenSession", &open_session);
  bind(module, "C_CloseAllSessions", &close_all_sessions);
  bind(module, "C_Login", &login);
  bind(module, "C_Logout", &logout);
  bind(module, "C_CreateObject", &create_object);
  bind(module, "C_GenerateKey", &generate_key);
  bind(module, "C_WrapKey", &wrap_key);
  bind(module, "C_UnwrapKey", &unwrap_key);
  bind(module, "C_FindObjectsInit", &find_init);
  bind(module, "C_FindObjects", &find);
  bind(module, "C_FindObjectsFinal", &find_final);
  must(initialize(NULL), "C_Initialize");

  hsm_token_t source = {0};
  hsm_token_t target = {0};
  ulong_t *keys = calloc(count, sizeof *keys);
  if (keys == NULL) return 1;
  source.slot = free_slot((ulong_t)-1);
  make_token(&source, "source");
  target.slot = free_slot(source.slot);
  make_token(&target, "target");
  generate(&source, keys, count);
  sync_below(argv[3]);
  printf("ready\n");
  fflush(stdout);

  char line[16];
  while (fgets(line, sizeof line, stdin) != NULL) {
    int64_t started = now();
    int64_t taken = migrate(&source, &target, keys, count);
    sync_below(argv[3]);
    int64_t synced = now() - started;
    ulong_t arrived = token_objects(&target);
    if (arrived != count) {
      fprintf(stderr, "%lu of %lu keys arrived\n", arrived, count);
      return 1;
    }
    printf("%lld %lld\n", (long long)taken, (long long)synced);
    fflush(stdout);
    must(close_all_sessions(target.slot), "C_CloseAllSessions");
    make_token(&target, "target");
  }
  must(finalize(NULL), "C_Finalize");
  free(keys);
  return 0;
}
