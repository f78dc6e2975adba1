// A program that uses the message calls of PKCS#11 3.0 at a real server: messages SLOT PIN. Every buffer
// is as long as it is said to be, on the heap: valgrind and sanitizers see a byte too many. Run by main.ts alone.
#include <string.h>

#include "check.h"
#include "library.h"

#define CKM_AES_KEY_GEN 0x1080
#define CKM_AES_GCM 0x1087
#define CKM_AES_CCM 0x1088
#define CKM_GENERIC_SECRET_KEY_GEN 0x350
#define CKM_SHA256_HMAC 0x251
#define CKG_NO_GENERATE 0
#define CKG_GENERATE_COUNTER 2
#define CKG_GENERATE_RANDOM 3
#define CKF_END_OF_MESSAGE 1
#define CKR_AEAD_DECRYPT_FAILED 0x42
#define CKR_OPERATION_ACTIVE 0x90
#define CKR_OPERATION_NOT_INITIALIZED 0x91
#define CKR_SIGNATURE_INVALID 0xc0

static CK_FUNCTION_LIST_3_0 *p11;
static unsigned long calls;
static CK_BBOOL yes = 1, no = 0;

static CK_BYTE *heap(CK_ULONG length) {
  CK_BYTE *bytes = malloc(length);
  CHECK(bytes != NULL);
  memset(bytes, 0xee, length);
  return bytes;
}

static CK_OBJECT_HANDLE make_key(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type) {
  CK_MECHANISM generate = {type, NULL, 0};
  CK_ULONG length = 32;
  CK_ATTRIBUTE list[] = {{0x161, &length, sizeof length}, {0x001, &no, 1},  {0x104, &yes, 1},
                         {0x105, &yes, 1},                {0x108, &yes, 1}, {0x10a, &yes, 1}};
  CK_OBJECT_HANDLE key;
  ANSWERS(CKR_OK, p11->C_GenerateKey(session, &generate, list, sizeof list / sizeof *list, &key));
  return key;
}

// ---- one message after the other ----

typedef struct {
  CK_GCM_MESSAGE_PARAMS gcm;
  CK_CCM_MESSAGE_PARAMS ccm;
  void *parameter;
  CK_ULONG length;
  CK_BYTE *nonce;
  CK_BYTE *tag;
} Parameter;

static void make(Parameter *p, CK_MECHANISM_TYPE type, CK_ULONG generator, CK_ULONG fixed, CK_ULONG data) {
  p->nonce = heap(12);
  p->tag = heap(16);
  p->gcm = (CK_GCM_MESSAGE_PARAMS){p->nonce, 12, fixed, generator, p->tag, 128};
  p->ccm = (CK_CCM_MESSAGE_PARAMS){data, p->nonce, 12, fixed, generator, p->tag, 16};
  p->parameter = type == CKM_AES_GCM ? (void *)&p->gcm : (void *)&p->ccm;
  p->length = type == CKM_AES_GCM ? sizeof p->gcm : sizeof p->ccm;
}

static void drop(Parameter *p) {
  free(p->nonce);
  free(p->tag);
}

static void opens(CK_SESSION_HANDLE session, Parameter *p, CK_BYTE *cipher, const CK_BYTE *data, CK_ULONG length) {
  CK_BYTE *back = heap(length);
  CK_ULONG got = 0;
  ANSWERS(CKR_OK, p11->C_DecryptMessage(session, p->parameter, p->length, (CK_BYTE *)"beside", 6, cipher, length, NULL, &got));
  CHECK(got == length);
  ANSWERS(CKR_OK, p11->C_DecryptMessage(session, p->parameter, p->length, (CK_BYTE *)"beside", 6, cipher, length, back, &got));
  CHECK(got == length && memcmp(back, data, length) == 0);
  // In parts, in place.
  memcpy(back, cipher, length);
  CK_ULONG none = length;
  ANSWERS(CKR_OK, p11->C_DecryptMessageBegin(session, p->parameter, p->length, (CK_BYTE *)"beside", 6));
  ANSWERS(CKR_OK, p11->C_DecryptMessageNext(session, p->parameter, p->length, back, 10, back, &none, 0));
  CHECK(none == 0);
  got = length;
  ANSWERS(CKR_OK, p11->C_DecryptMessageNext(session, p->parameter, p->length, back + 10, length - 10, back, &got,
                                            CKF_END_OF_MESSAGE));
  CHECK(got == length && memcmp(back, data, length) == 0);
  p->tag[3] ^= 1;
  ANSWERS(CKR_AEAD_DECRYPT_FAILED,
          p11->C_DecryptMessage(session, p->parameter, p->length, (CK_BYTE *)"beside", 6, cipher, length, back, &got));
  p->tag[3] ^= 1;
  calls += 6;
  free(back);
}

static void ciphers(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, CK_ULONG generator, CK_ULONG fixed) {
  CK_OBJECT_HANDLE key = make_key(session, CKM_AES_KEY_GEN);
  // What stands in a parameter of Init is not looked at: here it is no structure of either kind.
  CK_BYTE *junk = heap(sizeof(CK_GCM_MESSAGE_PARAMS));
  CK_MECHANISM mechanism = {type, junk, sizeof(CK_GCM_MESSAGE_PARAMS)};
  ANSWERS(CKR_OK, p11->C_MessageEncryptInit(session, &mechanism, key));
  ANSWERS(CKR_OPERATION_ACTIVE, p11->C_MessageEncryptInit(session, &mechanism, key));
  ANSWERS(CKR_OK, p11->C_MessageDecryptInit(session, &mechanism, key));
  CK_ULONG length = 100;
  CK_BYTE *data = heap(length), *cipher = heap(length), *last = heap(12);
  memset(data, 'd', length);
  for (int i = 0; i < 8; i++) {
    Parameter p;
    make(&p, type, generator, fixed, length);
    CK_ULONG got = 0;
    if (i % 2 == 0) {
      ANSWERS(CKR_OK, p11->C_EncryptMessage(session, p.parameter, p.length, (CK_BYTE *)"beside", 6, data, length, NULL, &got));
      CHECK(got == length && p.nonce[11] == 0xee && p.tag[0] == 0xee);
      got = length - 1;
      ANSWERS(CKR_BUFFER_TOO_SMALL,
              p11->C_EncryptMessage(session, p.parameter, p.length, (CK_BYTE *)"beside", 6, data, length, cipher, &got));
      CHECK(got == length && cipher[0] == (i == 0 ? 0xee : cipher[0]));
      ANSWERS(CKR_OK,
              p11->C_EncryptMessage(session, p.parameter, p.length, (CK_BYTE *)"beside", 6, data, length, cipher, &got));
    } else {
      ANSWERS(CKR_OK, p11->C_EncryptMessageBegin(session, p.parameter, p.length, (CK_BYTE *)"beside", 6));
      // GCM gives what it has, CCM all of it at the end.
      CK_ULONG early = type == CKM_AES_GCM ? 33 : 0;
      got = length;
      ANSWERS(CKR_OK, p11->C_EncryptMessageNext(session, p.parameter, p.length, data, 33, cipher, &got, 0));
      CHECK(got == early);
      got = length - early;
      ANSWERS(CKR_OK, p11->C_EncryptMessageNext(session, p.parameter, p.length, data + 33, length - 33, cipher + early, &got,
                                                CKF_END_OF_MESSAGE));
      got += early;
    }
    CHECK(got == length);
    if (generator == CKG_GENERATE_COUNTER)
      CHECK(p.nonce[0] == 0xee && p.nonce[4] == 0 && p.nonce[11] == i);
    if (generator == CKG_NO_GENERATE)
      CHECK(p.nonce[0] == 0xee && p.nonce[11] == 0xee);
    if (generator == CKG_GENERATE_RANDOM)
      CHECK(memcmp(p.nonce, last, 12) != 0);
    memcpy(last, p.nonce, 12);
    opens(session, &p, cipher, data, length);
    drop(&p);
    calls += 2;
  }
  ANSWERS(CKR_OK, p11->C_MessageEncryptFinal(session));
  ANSWERS(CKR_OPERATION_NOT_INITIALIZED, p11->C_MessageEncryptFinal(session));
  ANSWERS(CKR_OK, p11->C_MessageDecryptInit(session, NULL, 0));
  ANSWERS(CKR_OPERATION_NOT_INITIALIZED, p11->C_MessageDecryptFinal(session));
  ANSWERS(CKR_OK, p11->C_DestroyObject(session, key));
  free(data);
  free(cipher);
  free(last);
  free(junk);
}

// Structures of other sizes, with lengths that no memory has, with pointers that are null.
static void parameters(CK_SESSION_HANDLE session) {
  CK_OBJECT_HANDLE key = make_key(session, CKM_AES_KEY_GEN);
  CK_MECHANISM mechanism = {CKM_AES_GCM, NULL, 0};
  ANSWERS(CKR_OK, p11->C_MessageEncryptInit(session, &mechanism, key));
  CK_BYTE iv[12] = "", tag[16], out[8];
  const CK_GCM_MESSAGE_PARAMS good = {iv, 12, 0, 0, tag, 128};
  CK_GCM_MESSAGE_PARAMS wrong[] = {good, good, good, good, good, good};
  wrong[0].pIv = NULL;
  wrong[1].ulIvLen = ~0UL;
  wrong[2].ulTagBits = ~0UL;
  wrong[3].pTag = NULL;
  wrong[4].ivGenerator = ~0UL;
  wrong[5].ulIvFixedBits = ~0UL;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    CK_ULONG got = sizeof out;
    ANSWERS(CKR_MECHANISM_PARAM_INVALID,
            p11->C_EncryptMessage(session, &wrong[i], sizeof good, NULL, 0, (CK_BYTE *)"12345678", 8, out, &got));
  }
  CK_ULONG got = sizeof out;
  CK_GCM_MESSAGE_PARAMS copy = good;
  ANSWERS(CKR_MECHANISM_PARAM_INVALID,
          p11->C_EncryptMessage(session, &copy, sizeof copy - 1, NULL, 0, (CK_BYTE *)"12345678", 8, out, &got));
  ANSWERS(CKR_MECHANISM_PARAM_INVALID, p11->C_EncryptMessage(session, NULL, 0, NULL, 0, (CK_BYTE *)"1", 1, out, &got));
  ANSWERS(CKR_ARGUMENTS_BAD, p11->C_EncryptMessage(session, &copy, sizeof copy, NULL, 0, (CK_BYTE *)"1", 1, out, NULL));
  ANSWERS(CKR_ARGUMENTS_BAD, p11->C_EncryptMessage(session, &copy, sizeof copy, NULL, 0, NULL, 1, out, &got));
  // Of no data comes no more than a tag.
  got = 0;
  ANSWERS(CKR_OK, p11->C_EncryptMessage(session, &copy, sizeof copy, NULL, 0, NULL, 0, NULL, &got));
  CHECK(got == 0);
  ANSWERS(CKR_OK, p11->C_MessageEncryptFinal(session));
}

static void signatures(CK_SESSION_HANDLE session) {
  CK_OBJECT_HANDLE key = make_key(session, CKM_GENERIC_SECRET_KEY_GEN);
  CK_MECHANISM mechanism = {CKM_SHA256_HMAC, NULL, 0};
  ANSWERS(CKR_OK, p11->C_MessageSignInit(session, &mechanism, key));
  ANSWERS(CKR_OK, p11->C_MessageVerifyInit(session, &mechanism, key));
  CK_BYTE *one = heap(32), *two = heap(32), *data = (CK_BYTE *)"a message in parts";
  for (int i = 0; i < 4; i++) {
    CK_ULONG length = 0;
    ANSWERS(CKR_OK, p11->C_SignMessage(session, NULL, 0, data, 18, NULL, &length));
    CHECK(length == 32);
    ANSWERS(CKR_OK, p11->C_SignMessage(session, NULL, 0, data, 18, one, &length));
    ANSWERS(CKR_OK, p11->C_SignMessageBegin(session, NULL, 0));
    ANSWERS(CKR_OK, p11->C_SignMessageNext(session, NULL, 0, data, 10, NULL, NULL));
    length = 0;
    ANSWERS(CKR_OK, p11->C_SignMessageNext(session, NULL, 0, data + 10, 8, NULL, &length));
    ANSWERS(CKR_OK, p11->C_SignMessageNext(session, NULL, 0, data + 10, 8, two, &length));
    CHECK(length == 32 && memcmp(one, two, 32) == 0);
    ANSWERS(CKR_OK, p11->C_VerifyMessage(session, NULL, 0, data, 18, one, 32));
    ANSWERS(CKR_SIGNATURE_INVALID, p11->C_VerifyMessage(session, NULL, 0, data, 17, one, 32));
    ANSWERS(CKR_OK, p11->C_VerifyMessageBegin(session, NULL, 0));
    ANSWERS(CKR_OK, p11->C_VerifyMessageNext(session, NULL, 0, data, 10, NULL, 0));
    ANSWERS(CKR_OK, p11->C_VerifyMessageNext(session, NULL, 0, data + 10, 8, two, 32));
    calls += 12;
  }
  ANSWERS(CKR_MECHANISM_PARAM_INVALID, p11->C_SignMessageBegin(session, one, 32));
  ANSWERS(CKR_OK, p11->C_MessageSignFinal(session));
  ANSWERS(CKR_OK, p11->C_MessageVerifyFinal(session));
  free(one);
  free(two);
}

int main(int count, char **words) {
  CHECK(count == 3);
  CK_SLOT_ID slot = strtoul(words[1], NULL, 10);
  CK_INTERFACE *found;
  CK_VERSION version = {3, 0};
  ANSWERS(CKR_OK, C_GetInterface((CK_UTF8CHAR_PTR) "PKCS 11", &version, &found, 0));
  p11 = found->pFunctionList;
  ANSWERS(CKR_OK, p11->C_Initialize(NULL));
  CK_SESSION_HANDLE session;
  ANSWERS(CKR_OK, p11->C_OpenSession(slot, 6, NULL, NULL, &session));
  ANSWERS(CKR_OK, p11->C_LoginUser(session, 1, (CK_UTF8CHAR_PTR)words[2], strlen(words[2]), NULL, 0));
  CK_MECHANISM_INFO info;
  ANSWERS(CKR_OK, p11->C_GetMechanismInfo(slot, CKM_AES_GCM, &info));
  CHECK((info.flags & 0x26) == 0x26);
  ciphers(session, CKM_AES_GCM, CKG_NO_GENERATE, 0);
  ciphers(session, CKM_AES_GCM, CKG_GENERATE_COUNTER, 32);
  ciphers(session, CKM_AES_GCM, CKG_GENERATE_RANDOM, 0);
  ciphers(session, CKM_AES_CCM, CKG_NO_GENERATE, 0);
  ciphers(session, CKM_AES_CCM, CKG_GENERATE_COUNTER, 32);
  parameters(session);
  signatures(session);
  ANSWERS(CKR_OK, p11->C_Finalize(NULL));
  printf("%lu messages\n", calls);
  return 0;
}
