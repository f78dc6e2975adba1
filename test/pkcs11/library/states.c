// A program that puts operations aside and takes them up in another session, through any PKCS#11 library: states MODULE SLOT PIN. Run by
// main.ts with our own library and with p11-kit's client.
#include <dlfcn.h>
#include <string.h>

#include "check.h"
#include "library.h"

#define CKM_GENERIC_SECRET_KEY_GEN 0x350
#define CKM_SHA256 0x250
#define CKM_SHA256_HMAC 0x251
#define CKR_OPERATION_NOT_INITIALIZED 0x91
#define CKR_SAVED_STATE_INVALID 0x160

static CK_FUNCTION_LIST *p11;
static unsigned long calls;
static CK_BBOOL yes = 1, no = 0;

static CK_BYTE *heap(CK_ULONG length) {
  CK_BYTE *bytes = malloc(length);
  CHECK(bytes != NULL);
  return bytes;
}

static CK_OBJECT_HANDLE make_key(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type) {
  CK_MECHANISM generate = {type, NULL, 0};
  CK_ULONG length = 32;
  CK_ATTRIBUTE list[] = {{0x161, &length, sizeof length}, {0x001, &no, 1}, {0x108, &yes, 1}, {0x10a, &yes, 1}};
  CK_OBJECT_HANDLE key;
  ANSWERS(CKR_OK, p11->C_GenerateKey(session, &generate, list, sizeof list / sizeof *list, &key));
  return key;
}

static void states(CK_SESSION_HANDLE session, CK_SESSION_HANDLE other) {
  CK_OBJECT_HANDLE key = make_key(session, CKM_GENERIC_SECRET_KEY_GEN);
  for (int keyed = 0; keyed < 2; keyed++) {
    CK_MECHANISM mechanism = {keyed ? CKM_SHA256_HMAC : CKM_SHA256, NULL, 0};
    CK_BYTE straight[32], resumed[32];
    CK_ULONG length = 32;
    if (keyed) {
      ANSWERS(CKR_OK, p11->C_SignInit(session, &mechanism, key));
      ANSWERS(CKR_OK, p11->C_Sign(session, (CK_BYTE *)"first second", 12, straight, &length));
      ANSWERS(CKR_OK, p11->C_SignInit(session, &mechanism, key));
      ANSWERS(CKR_OK, p11->C_SignUpdate(session, (CK_BYTE *)"first ", 6));
    } else {
      ANSWERS(CKR_OK, p11->C_DigestInit(session, &mechanism));
      ANSWERS(CKR_OK, p11->C_Digest(session, (CK_BYTE *)"first second", 12, straight, &length));
      ANSWERS(CKR_OK, p11->C_DigestInit(session, &mechanism));
      ANSWERS(CKR_OK, p11->C_DigestUpdate(session, (CK_BYTE *)"first ", 6));
    }
    CK_ULONG size = 0;
    ANSWERS(CKR_OK, p11->C_GetOperationState(session, NULL, &size));
    CHECK(size > 0 && size < 4096);
    CK_ULONG few = size - 1;
    CK_BYTE *state = heap(size);
    ANSWERS(CKR_BUFFER_TOO_SMALL, p11->C_GetOperationState(session, state, &few));
    ANSWERS(CKR_OK, p11->C_GetOperationState(session, state, &size));
    // Another session of the same program goes on with it.
    ANSWERS(CKR_OK, p11->C_SetOperationState(other, state, size, 0, keyed ? key : 0));
    length = 32;
    if (keyed) {
      ANSWERS(CKR_OK, p11->C_SignUpdate(other, (CK_BYTE *)"second", 6));
      ANSWERS(CKR_OK, p11->C_SignFinal(other, resumed, &length));
    } else {
      ANSWERS(CKR_OK, p11->C_DigestUpdate(other, (CK_BYTE *)"second", 6));
      ANSWERS(CKR_OK, p11->C_DigestFinal(other, resumed, &length));
    }
    CHECK(length == 32 && memcmp(straight, resumed, 32) == 0);
    state[size - 1] ^= 1;
    ANSWERS(CKR_SAVED_STATE_INVALID, p11->C_SetOperationState(other, state, size, 0, keyed ? key : 0));
    // What was saved goes on where it was, too.
    length = 32;
    if (keyed) {
      ANSWERS(CKR_OK, p11->C_SignUpdate(session, (CK_BYTE *)"second", 6));
      ANSWERS(CKR_OK, p11->C_SignFinal(session, resumed, &length));
    } else {
      ANSWERS(CKR_OK, p11->C_DigestUpdate(session, (CK_BYTE *)"second", 6));
      ANSWERS(CKR_OK, p11->C_DigestFinal(session, resumed, &length));
    }
    CHECK(length == 32 && memcmp(straight, resumed, 32) == 0);
    ANSWERS(CKR_OPERATION_NOT_INITIALIZED, p11->C_GetOperationState(session, state, &size));
    free(state);
    calls += 10;
  }
}

int main(int count, char **words) {
  CHECK(count == 4);
  void *module = dlopen(words[1], RTLD_NOW | RTLD_LOCAL);
  CHECK(module != NULL);
  // ISO C knows no function behind a pointer to an object.
  void *symbol = dlsym(module, "C_GetFunctionList");
  CK_RV (*functions)(CK_FUNCTION_LIST **);
  CHECK(symbol != NULL);
  memcpy(&functions, &symbol, sizeof functions);
  ANSWERS(CKR_OK, functions(&p11));
  CK_SLOT_ID slot = strtoul(words[2], NULL, 10);
  ANSWERS(CKR_OK, p11->C_Initialize(NULL));
  CK_SESSION_HANDLE session, other;
  ANSWERS(CKR_OK, p11->C_OpenSession(slot, 6, NULL, NULL, &session));
  ANSWERS(CKR_OK, p11->C_OpenSession(slot, 6, NULL, NULL, &other));
  ANSWERS(CKR_OK, p11->C_Login(session, 1, (CK_UTF8CHAR_PTR)words[3], strlen(words[3])));
  states(session, other);
  ANSWERS(CKR_OK, p11->C_Finalize(NULL));
  printf("%lu calls\n", calls);
  return 0;
}
