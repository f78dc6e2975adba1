// A program that uses the library as programs do, at a real server: check SLOT PIN. Ends with 0 and the number of calls if all is as it
// should be. Run by main.ts alone, under valgrind and with sanitizers.
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "library.h"
#include "vendor.h"

#define CKU_USER 1
#define CKF_RW 6
#define CKM_AES_KEY_GEN 0x1080
#define CKM_AES_CBC_PAD 0x1085
#define CKM_AES_GCM 0x1087
#define CKM_AES_KEY_WRAP 0x2109
#define CKM_RSA_PKCS_KEY_PAIR_GEN 0
#define CKM_RSA_PKCS_OAEP 9
#define CKM_SHA256 0x250
#define CKR_ATTRIBUTE_SENSITIVE 0x11
#define CKR_SLOT_ID_INVALID 3
#define CKR_SESSION_HANDLE_INVALID 0xb3
#define CKR_OPERATION_NOT_INITIALIZED 0x91

#define THREADS 16
#define ROUNDS 40

static CK_SLOT_ID slot;
static CK_UTF8CHAR_PTR pin;
static unsigned long calls;

static CK_BBOOL yes = 1;
static CK_BBOOL no = 0;

static CK_SESSION_HANDLE open_session(void) {
  CK_SESSION_HANDLE session;
  ANSWERS(CKR_OK, C_OpenSession(slot, CKF_RW, NULL, NULL, &session));
  return session;
}

static void log_in(CK_SESSION_HANDLE session) {
  ANSWERS(CKR_OK, C_Login(session, CKU_USER, pin, strlen((char *)pin)));
}

static CK_OBJECT_HANDLE aes_key(CK_SESSION_HANDLE session, CK_ULONG length) {
  CK_MECHANISM generate = {CKM_AES_KEY_GEN, NULL, 0};
  CK_ATTRIBUTE list[] = {
      {0x161, &length, sizeof length}, {0x001, &no, 1},  {0x104, &yes, 1}, {0x105, &yes, 1}, {0x106, &yes, 1},
      {0x107, &yes, 1},                {0x162, &yes, 1}, {0x103, &yes, 1}, {0x003, "check", 5},
  };
  CK_OBJECT_HANDLE key;
  ANSWERS(CKR_OK, C_GenerateKey(session, &generate, list, sizeof list / sizeof *list, &key));
  return key;
}

// ---- before and after C_Initialize, and what is no argument ----

static void beginnings(void) {
  CK_ULONG count = 0;
  ANSWERS(CKR_CRYPTOKI_NOT_INITIALIZED, C_GetSlotList(1, NULL, &count));
  ANSWERS(CKR_CRYPTOKI_NOT_INITIALIZED, C_Finalize(NULL));
  ANSWERS(CKR_CRYPTOKI_NOT_INITIALIZED, C_GetFunctionStatus(1));
  ANSWERS(CKR_CRYPTOKI_NOT_INITIALIZED, C_LoginUser(1, 1, NULL, 0, NULL, 0));
  ANSWERS(CKR_OK, C_Initialize("whatever this points to"));
  ANSWERS(CKR_CRYPTOKI_ALREADY_INITIALIZED, C_Initialize(NULL));
  ANSWERS(CKR_ARGUMENTS_BAD, C_Finalize(&count));
  ANSWERS(CKR_FUNCTION_NOT_PARALLEL, C_CancelFunction(1));
  ANSWERS(CKR_ARGUMENTS_BAD, C_GetSlotList(1, NULL, NULL));
  ANSWERS(CKR_ARGUMENTS_BAD, C_GetInfo(NULL));
  ANSWERS(CKR_ARGUMENTS_BAD, C_OpenSession(slot, CKF_RW, NULL, NULL, NULL));
  ANSWERS(CKR_ARGUMENTS_BAD, C_CreateObject(1, NULL, 3, &count));
  ANSWERS(CKR_ARGUMENTS_BAD, C_GenerateKey(1, NULL, NULL, 0, &count));
  ANSWERS(CKR_SLOT_ID_INVALID, C_OpenSession(~0UL - 1, CKF_RW, NULL, NULL, &count));
  ANSWERS(CKR_SESSION_HANDLE_INVALID, C_CloseSession(~0UL - 1));
}

static void lists(void) {
  CK_FUNCTION_LIST *two;
  ANSWERS(CKR_OK, C_GetFunctionList(&two));
  CHECK(two->version.major == 2 && two->C_WaitForSlotEvent == C_WaitForSlotEvent);
  CK_INTERFACE found[2];
  CK_ULONG count = 0;
  ANSWERS(CKR_OK, C_GetInterfaceList(NULL, &count));
  CHECK(count == 2);
  count = 1;
  ANSWERS(CKR_BUFFER_TOO_SMALL, C_GetInterfaceList(found, &count));
  ANSWERS(CKR_OK, C_GetInterfaceList(found, &count));
  CK_INTERFACE *one;
  CK_VERSION version = {3, 0};
  ANSWERS(CKR_OK, C_GetInterface((CK_UTF8CHAR_PTR) "PKCS 11", &version, &one, 1));
  CHECK(((CK_FUNCTION_LIST_3_0 *)one->pFunctionList)->C_MessageVerifyFinal == C_MessageVerifyFinal);
  ANSWERS(CKR_FUNCTION_FAILED, C_GetInterface((CK_UTF8CHAR_PTR) "PKCS 12", NULL, &one, 0));
  CK_SFNT_CA_FUNCTION_LIST *vendor;
  ANSWERS(CKR_OK, CA_GetFunctionList(&vendor));
  CHECK(vendor->functions[0] == (CA_FUNCTION)CA_GetFunctionList);
  CHECK(vendor->functions[CA_ORDER_LENGTH - 1] == (CA_FUNCTION)CA_GetFirmwareVersion);
}

static void tables(void) {
  CK_ULONG count = 0;
  ANSWERS(CKR_OK, C_GetSlotList(1, NULL, &count));
  CHECK(count > 0);
  CK_SLOT_ID *slots = calloc(count, sizeof *slots);
  CK_ULONG few = 0;
  ANSWERS(CKR_BUFFER_TOO_SMALL, C_GetSlotList(1, slots, &few));
  CHECK(few == count);
  ANSWERS(CKR_OK, C_GetSlotList(1, slots, &count));
  free(slots);
  CK_INFO info;
  ANSWERS(CKR_OK, C_GetInfo(&info));
  CHECK(info.cryptokiVersion.major == 2 && memcmp(info.libraryDescription, "Moonlet", 7) == 0);
  CK_TOKEN_INFO token;
  ANSWERS(CKR_OK, C_GetTokenInfo(slot, &token));
  CHECK(token.label[31] == ' ' && token.firmwareVersion.major >= 6);
  CK_ULONG major, minor, patch;
  ANSWERS(CKR_OK, CA_GetFirmwareVersion(slot, &major, &minor, &patch));
  CHECK(major == token.firmwareVersion.major && minor == token.firmwareVersion.minor);
  CK_MECHANISM_INFO mechanism;
  ANSWERS(CKR_OK, C_GetMechanismInfo(slot, CKM_AES_KEY_WRAP, &mechanism));
  CHECK(mechanism.ulMaxKeySize == 32);
}

// ---- objects and keys ----

static void attributes(CK_SESSION_HANDLE session) {
  CK_OBJECT_HANDLE key = aes_key(session, 32);
  char label[8] = "";
  CK_BYTE value[64];
  CK_ULONG length = 0;
  CK_ATTRIBUTE list[] = {{0x003, label, sizeof label}, {0x161, &length, sizeof length}, {0x011, value, sizeof value}};
  ANSWERS(CKR_ATTRIBUTE_SENSITIVE, C_GetAttributeValue(session, key, list, 3));
  CHECK(list[0].ulValueLen == 5 && memcmp(label, "check", 5) == 0);
  CHECK(list[1].ulValueLen == sizeof length && length == 32);
  CHECK(list[2].ulValueLen == CK_UNAVAILABLE);
  CK_ATTRIBUTE short_label = {0x003, label, 2};
  ANSWERS(CKR_BUFFER_TOO_SMALL, C_GetAttributeValue(session, key, &short_label, 1));
  CHECK(short_label.ulValueLen == CK_UNAVAILABLE);
  CK_ATTRIBUTE question = {0x003, NULL, 0};
  ANSWERS(CKR_OK, C_GetAttributeValue(session, key, &question, 1));
  CHECK(question.ulValueLen == 5);
  CK_ATTRIBUTE wide = {0x100000003UL, NULL, 0};
  CHECK(C_GetAttributeValue(session, key, &wide, 1) != CKR_OK && wide.ulValueLen == CK_UNAVAILABLE);
  // A template that holds itself.
  CK_ATTRIBUTE circle = {0x40000211, &circle, sizeof circle};
  CHECK(C_CreateObject(session, &circle, 1, &key) != CKR_OK);
  CK_ULONG index = 9;
  CK_ULONG both[] = {key, 0xfffffff0};
  CHECK(CA_DestroyMultipleObjects(session, 2, both, &index) != CKR_OK && index == 1);
}

static void whole(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key) {
  CK_BYTE data[1000], back[1000], cipher[1100];
  memset(data, 'm', sizeof data);
  CK_ULONG length = 0;
  ANSWERS(CKR_OK, C_EncryptInit(session, mechanism, key));
  ANSWERS(CKR_OK, C_Encrypt(session, data, sizeof data, NULL, &length));
  CHECK(length >= sizeof data && length <= sizeof cipher);
  CK_ULONG few = 3;
  ANSWERS(CKR_BUFFER_TOO_SMALL, C_Encrypt(session, data, sizeof data, cipher, &few));
  length = sizeof cipher;
  ANSWERS(CKR_OK, C_Encrypt(session, data, sizeof data, cipher, &length));
  ANSWERS(CKR_OPERATION_NOT_INITIALIZED, C_Encrypt(session, data, sizeof data, cipher, &few));
  ANSWERS(CKR_OK, C_DecryptInit(session, mechanism, key));
  CK_ULONG got = sizeof back;
  ANSWERS(CKR_OK, C_Decrypt(session, cipher, length, back, &got));
  CHECK(got == sizeof data && memcmp(back, data, got) == 0);
  calls += 8;
}

typedef struct {
  CK_BYTE *iv;
  CK_ULONG iv_length;
  CK_ULONG iv_bits;
  CK_BYTE *aad;
  CK_ULONG aad_length;
  CK_ULONG tag_bits;
} Gcm;

typedef struct {
  CK_ULONG hash;
  CK_ULONG mgf;
  CK_ULONG source;
  void *data;
  CK_ULONG length;
} Oaep;

static void ciphers(CK_SESSION_HANDLE session) {
  CK_OBJECT_HANDLE key = aes_key(session, 32);
  CK_BYTE iv[16] = "sixteen bytes ..";
  CK_MECHANISM cbc = {CKM_AES_CBC_PAD, iv, sizeof iv};
  whole(session, &cbc, key);
  Gcm parameter = {iv, 12, 96, (CK_BYTE *)"beside", 6, 128};
  CK_MECHANISM gcm = {CKM_AES_GCM, &parameter, sizeof parameter};
  whole(session, &gcm, key);
  CK_MECHANISM cut = {CKM_AES_GCM, &parameter, sizeof parameter - 1};
  ANSWERS(CKR_MECHANISM_PARAM_INVALID, C_EncryptInit(session, &cut, key));
  Gcm nowhere = {NULL, 12, 96, NULL, 0, 128};
  CK_MECHANISM null = {CKM_AES_GCM, &nowhere, sizeof nowhere};
  ANSWERS(CKR_MECHANISM_PARAM_INVALID, C_EncryptInit(session, &null, key));
  CK_MECHANISM none = {0x100000001UL, NULL, 0};
  ANSWERS(CKR_MECHANISM_INVALID, C_EncryptInit(session, &none, key));
  ANSWERS(CKR_OK, C_DestroyObject(session, key));
}

static void wrapping(CK_SESSION_HANDLE session) {
  CK_OBJECT_HANDLE by = aes_key(session, 32), key = aes_key(session, 16), back;
  CK_MECHANISM wrap = {CKM_AES_KEY_WRAP, NULL, 0};
  CK_BYTE wrapped[64];
  CK_ULONG length = sizeof wrapped;
  ANSWERS(CKR_OK, C_WrapKey(session, &wrap, by, key, wrapped, &length));
  CHECK(length == 24);
  CK_ULONG secret = 4, aes = 0x1f;
  CK_ATTRIBUTE list[] = {{0, &secret, 8}, {0x100, &aes, 8}, {1, &no, 1}};
  ANSWERS(CKR_OK, C_UnwrapKey(session, &wrap, by, wrapped, length, list, 3, &back));
  CK_ULONG index;
  CK_ULONG all[] = {by, key, back};
  ANSWERS(CKR_OK, CA_DestroyMultipleObjects(session, 3, all, &index));
}

static void pairs(CK_SESSION_HANDLE session) {
  CK_MECHANISM generate = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
  CK_ULONG bits = 2048;
  CK_ATTRIBUTE ours[] = {{0x121, &bits, 8}, {0x122, "\1\0\1", 3}, {1, &no, 1}, {0x104, &yes, 1}};
  CK_ATTRIBUTE theirs[] = {{1, &no, 1}, {0x105, &yes, 1}};
  CK_OBJECT_HANDLE open, secret;
  ANSWERS(CKR_OK, C_GenerateKeyPair(session, &generate, ours, 4, theirs, 2, &open, &secret));
  Oaep parameter = {CKM_SHA256, 2, 0, NULL, 0};
  CK_MECHANISM oaep = {CKM_RSA_PKCS_OAEP, &parameter, sizeof parameter};
  CK_BYTE cipher[256], back[256];
  CK_ULONG length = sizeof cipher, got = sizeof back;
  ANSWERS(CKR_OK, C_EncryptInit(session, &oaep, open));
  ANSWERS(CKR_OK, C_Encrypt(session, (CK_BYTE *)"short", 5, cipher, &length));
  ANSWERS(CKR_OK, C_DecryptInit(session, &oaep, secret));
  ANSWERS(CKR_OK, C_Decrypt(session, cipher, length, back, &got));
  CHECK(got == 5 && memcmp(back, "short", 5) == 0);
  CK_OBJECT_HANDLE found[8];
  CK_ULONG count = 0;
  ANSWERS(CKR_OK, C_FindObjectsInit(session, NULL, 0));
  ANSWERS(CKR_OK, C_FindObjects(session, found, 8, &count));
  ANSWERS(CKR_OK, C_FindObjectsFinal(session));
  CHECK(count >= 2);
  ANSWERS(CKR_OK, C_DestroyObject(session, open));
  ANSWERS(CKR_OK, C_DestroyObject(session, secret));
}

// ---- threads ----

static void *at_work(void *place) {
  CK_SESSION_HANDLE session = open_session();
  CK_OBJECT_HANDLE key = aes_key(session, 32);
  CK_BYTE iv[16];
  memset(iv, (int)(size_t)place, sizeof iv);
  CK_MECHANISM cbc = {CKM_AES_CBC_PAD, iv, sizeof iv};
  for (int i = 0; i < ROUNDS; i++) {
    CK_BYTE random[64] = {0};
    ANSWERS(CKR_OK, C_GenerateRandom(session, random, sizeof random));
    CK_BYTE cipher[80], back[80];
    CK_ULONG length = sizeof cipher, got = sizeof back;
    ANSWERS(CKR_OK, C_EncryptInit(session, &cbc, key));
    ANSWERS(CKR_OK, C_Encrypt(session, random, sizeof random, cipher, &length));
    ANSWERS(CKR_OK, C_DecryptInit(session, &cbc, key));
    ANSWERS(CKR_OK, C_Decrypt(session, cipher, length, back, &got));
    CHECK(got == sizeof random && memcmp(random, back, got) == 0);
    CK_SESSION_INFO info;
    ANSWERS(CKR_OK, C_GetSessionInfo(session, &info));
    CHECK(info.slotID == slot && info.state == 3);
    __atomic_add_fetch(&calls, 6, __ATOMIC_RELAXED);
  }
  ANSWERS(CKR_OK, C_CloseSession(session));
  return NULL;
}

static void threads(void) {
  pthread_t all[THREADS];
  for (size_t i = 0; i < THREADS; i++)
    CHECK(pthread_create(&all[i], NULL, at_work, (void *)i) == 0);
  for (size_t i = 0; i < THREADS; i++)
    pthread_join(all[i], NULL);
}

// ---- fork ----

// The child has nothing of its parent's, and may begin anew.
static void child(CK_SESSION_HANDLE session) {
  CK_SESSION_INFO info;
  ANSWERS(CKR_CRYPTOKI_NOT_INITIALIZED, C_GetSessionInfo(session, &info));
  ANSWERS(CKR_OK, C_Initialize(NULL));
  CK_SESSION_HANDLE own = open_session();
  ANSWERS(CKR_OK, C_GetSessionInfo(own, &info));
  CHECK(info.state == 2);
  log_in(own);
  CK_OBJECT_HANDLE key = aes_key(own, 16);
  ANSWERS(CKR_OK, C_DestroyObject(own, key));
  ANSWERS(CKR_OK, C_Finalize(NULL));
}

// A child of a process with threads has their memory and not them: it ends as a program that nobody looks at for leaks.
static void end_as_another(int code) {
  execl("/bin/true", "true", NULL);
  _exit(code + 1);
}

static void fork_once(CK_SESSION_HANDLE session, void (*end)(int)) {
  pid_t process = fork();
  CHECK(process >= 0);
  if (process == 0) {
    child(session);
    end(0);
  }
  int status;
  CHECK(waitpid(process, &status, 0) == process && status == 0);
  CK_SESSION_INFO info;
  ANSWERS(CKR_OK, C_GetSessionInfo(session, &info));
  CHECK(info.state == 3);
}

static void forks(CK_SESSION_HANDLE session) {
  fork_once(session, exit);
  pthread_t others[4];
  for (size_t i = 0; i < 4; i++)
    CHECK(pthread_create(&others[i], NULL, at_work, (void *)i) == 0);
  for (int i = 0; i < 4; i++)
    fork_once(session, end_as_another);
  for (size_t i = 0; i < 4; i++)
    pthread_join(others[i], NULL);
}

int main(int count, char **words) {
  CHECK(count == 3);
  slot = strtoul(words[1], NULL, 10);
  pin = (CK_UTF8CHAR_PTR)words[2];
  beginnings();
  lists();
  tables();
  CK_SESSION_HANDLE session = open_session();
  log_in(session);
  attributes(session);
  ciphers(session);
  wrapping(session);
  pairs(session);
  threads();
  forks(session);
  ANSWERS(CKR_OK, C_CloseAllSessions(slot));
  for (int i = 0; i < 20; i++) {
    ANSWERS(CKR_OK, C_Finalize(NULL));
    ANSWERS(CKR_OK, C_Initialize(NULL));
  }
  ANSWERS(CKR_OK, C_Finalize(NULL));
  printf("%lu calls on data\n", calls);
  return 0;
}
