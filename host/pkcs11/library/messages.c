// The message calls of PKCS#11 3.0. The parameter of a message is a structure that the token writes to: what it makes of nonce and tag comes
// back into the program's memory.
#include <string.h>

#include "library.h"

#define CALL(name) (&moonlet_calls[CALL_##name])

// As long as any nonce and tag that a token takes.
#define NONCE_MOST 256
#define TAG_MOST 16
enum { FORM_NONE, FORM_GCM, FORM_CCM };

// What the two structures have in common; they are told apart by their size, for the library knows no session's mechanism.
typedef struct {
  CK_ULONG form;
  CK_ULONG data;
  CK_BYTE_PTR nonce;
  CK_ULONG nonceLength;
  CK_ULONG fixed;
  CK_ULONG generator;
  CK_BYTE_PTR tag;
  // As the program says it, and in bytes.
  CK_ULONG tagSays;
  CK_ULONG tagLength;
} Message;

static CK_RV read_message(Message *message, const void *parameter, CK_ULONG length) {
  *message = (Message){.form = FORM_NONE};
  if (parameter != NULL && length == sizeof(CK_GCM_MESSAGE_PARAMS)) {
    CK_GCM_MESSAGE_PARAMS gcm;
    memcpy(&gcm, parameter, sizeof gcm);
    *message = (Message){
        FORM_GCM,  0, gcm.pIv, gcm.ulIvLen, gcm.ulIvFixedBits, gcm.ivGenerator, gcm.pTag, gcm.ulTagBits,
        gcm.ulTagBits > 8 * TAG_MOST ? TAG_MOST + 1 : (gcm.ulTagBits + 7) / 8,
    };
  } else if (parameter != NULL && length == sizeof(CK_CCM_MESSAGE_PARAMS)) {
    CK_CCM_MESSAGE_PARAMS ccm;
    memcpy(&ccm, parameter, sizeof ccm);
    *message = (Message){
        FORM_CCM, ccm.ulDataLen, ccm.pNonce, ccm.ulNonceLen, ccm.ulNonceFixedBits, ccm.nonceGenerator, ccm.pMAC, ccm.ulMACLen, ccm.ulMACLen,
    };
  }
  bool fits = message->nonceLength <= NONCE_MOST && message->tagLength <= TAG_MOST;
  bool there = message->nonce != NULL || message->nonceLength == 0;
  return message->form != FORM_NONE && fits && there ? CKR_OK : CKR_MECHANISM_PARAM_INVALID;
}

static CK_RV need_tag(const Message *message) {
  return message->tag != NULL || message->tagLength == 0 ? CKR_OK : CKR_MECHANISM_PARAM_INVALID;
}

// Values of a parameter, in the order of the calls.
#define PARAMETER(message)                                                                                       \
  a_number((message).form), a_number((message).data), a_bytes((message).nonce, (message).nonceLength),           \
      a_number((message).fixed), a_number((message).generator), a_number((message).tagSays)

// The parameter of a cipher comes with its messages; one that comes with the key says nothing, and may be a structure of either kind.
static CK_RV begin(const Call *call, CK_SESSION_HANDLE session, const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key) {
  CK_MECHANISM bare = {.mechanism = mechanism == NULL ? 0 : mechanism->mechanism};
  const Argument arguments[] = {a_number(session), a_mechanism(mechanism == NULL ? NULL : &bare), a_number(key)};
  return moonlet_call(call, arguments);
}

CK_RV C_MessageEncryptInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key) {
  return begin(CALL(C_MessageEncryptInit), session, mechanism, key);
}

CK_RV C_MessageDecryptInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key) {
  return begin(CALL(C_MessageDecryptInit), session, mechanism, key);
}

// ---- encryption ----

CK_RV C_EncryptMessage(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameterLength, CK_BYTE_PTR aad,
                       CK_ULONG aadLength, CK_BYTE_PTR data, CK_ULONG length, CK_BYTE_PTR out, CK_ULONG_PTR outLength) {
  Message message;
  CK_RV ckr = read_message(&message, parameter, parameterLength);
  if (ckr == CKR_OK)
    ckr = need_tag(&message);
  if (ckr != CKR_OK)
    return ckr;
  const Argument arguments[] = {
      a_number(session),
      PARAMETER(message),
      a_bytes(aad, aadLength),
      a_bytes(data, length),
      a_room(out, outLength),
      a_room(message.nonce, &message.nonceLength),
      a_room(message.tag, &message.tagLength),
  };
  return moonlet_call(CALL(C_EncryptMessage), arguments);
}

CK_RV C_EncryptMessageBegin(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameterLength, CK_BYTE_PTR aad,
                            CK_ULONG aadLength) {
  Message message;
  CK_RV ckr = read_message(&message, parameter, parameterLength);
  if (ckr != CKR_OK)
    return ckr;
  const Argument arguments[] = {
      a_number(session),
      PARAMETER(message),
      a_bytes(aad, aadLength),
      a_room(message.nonce, &message.nonceLength),
  };
  return moonlet_call(CALL(C_EncryptMessageBegin), arguments);
}

CK_RV C_EncryptMessageNext(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameterLength, CK_BYTE_PTR data,
                           CK_ULONG length, CK_BYTE_PTR out, CK_ULONG_PTR outLength, CK_FLAGS flags) {
  Message message;
  CK_RV ckr = read_message(&message, parameter, parameterLength);
  if (ckr == CKR_OK && flags != 0)
    ckr = need_tag(&message);
  if (ckr != CKR_OK)
    return ckr;
  const Argument arguments[] = {
      a_number(session),
      a_bytes(data, length),
      a_number(flags),
      a_room(out, outLength),
      a_room(message.tag, &message.tagLength),
  };
  return moonlet_call(CALL(C_EncryptMessageNext), arguments);
}

// ---- decryption ----

CK_RV C_DecryptMessage(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameterLength, CK_BYTE_PTR aad,
                       CK_ULONG aadLength, CK_BYTE_PTR data, CK_ULONG length, CK_BYTE_PTR out, CK_ULONG_PTR outLength) {
  Message message;
  CK_RV ckr = read_message(&message, parameter, parameterLength);
  if (ckr == CKR_OK)
    ckr = need_tag(&message);
  if (ckr != CKR_OK)
    return ckr;
  const Argument arguments[] = {
      a_number(session),
      PARAMETER(message),
      a_bytes(message.tag, message.tagLength),
      a_bytes(aad, aadLength),
      a_bytes(data, length),
      a_room(out, outLength),
  };
  return moonlet_call(CALL(C_DecryptMessage), arguments);
}

CK_RV C_DecryptMessageBegin(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameterLength, CK_BYTE_PTR aad,
                            CK_ULONG aadLength) {
  Message message;
  CK_RV ckr = read_message(&message, parameter, parameterLength);
  if (ckr != CKR_OK)
    return ckr;
  const Argument arguments[] = {a_number(session), PARAMETER(message), a_bytes(aad, aadLength)};
  return moonlet_call(CALL(C_DecryptMessageBegin), arguments);
}

CK_RV C_DecryptMessageNext(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameterLength, CK_BYTE_PTR data,
                           CK_ULONG length, CK_BYTE_PTR out, CK_ULONG_PTR outLength, CK_FLAGS flags) {
  Message message;
  CK_RV ckr = read_message(&message, parameter, parameterLength);
  if (ckr == CKR_OK && flags != 0)
    ckr = need_tag(&message);
  if (ckr != CKR_OK)
    return ckr;
  // The tag is known when the message has ended.
  bool last = flags != 0;
  const Argument arguments[] = {
      a_number(session),
      a_bytes(data, length),
      a_number(flags),
      last ? a_bytes(message.tag, message.tagLength) : a_bytes(NULL, 0),
      a_room(out, outLength),
  };
  return moonlet_call(CALL(C_DecryptMessageNext), arguments);
}

// ---- signatures: a pointer that is null says that the message goes on ----

static CK_RV sign_begin(const Call *call, CK_SESSION_HANDLE session, CK_ULONG parameterLength) {
  const Argument arguments[] = {a_number(session), a_number(parameterLength)};
  return moonlet_call(call, arguments);
}

static CK_RV sign_next(const Call *call, CK_SESSION_HANDLE session, CK_ULONG parameterLength, CK_BYTE_PTR data,
                       CK_ULONG length) {
  const Argument arguments[] = {a_number(session), a_number(parameterLength), a_bytes(data, length)};
  return moonlet_call(call, arguments);
}

// The last argument is where the signature goes, or the one that is looked at.
static CK_RV sign_end(const Call *call, CK_SESSION_HANDLE session, CK_ULONG parameterLength, CK_BYTE_PTR data,
                      CK_ULONG length, Argument signature) {
  const Argument arguments[] = {a_number(session), a_number(parameterLength), a_bytes(data, length), signature};
  return moonlet_call(call, arguments);
}

CK_RV C_SignMessage(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameterLength, CK_BYTE_PTR data,
                    CK_ULONG length, CK_BYTE_PTR signature, CK_ULONG_PTR signatureLength) {
  (void)parameter;
  return sign_end(CALL(C_SignMessage), session, parameterLength, data, length, a_room(signature, signatureLength));
}

CK_RV C_SignMessageBegin(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameterLength) {
  (void)parameter;
  return sign_begin(CALL(C_SignMessageBegin), session, parameterLength);
}

CK_RV C_SignMessageNext(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameterLength, CK_BYTE_PTR data,
                        CK_ULONG length, CK_BYTE_PTR signature, CK_ULONG_PTR signatureLength) {
  (void)parameter;
  if (signatureLength == NULL)
    return sign_next(CALL(C_SignMessageNext), session, parameterLength, data, length);
  return sign_end(CALL(C_SignMessageEnd), session, parameterLength, data, length, a_room(signature, signatureLength));
}

CK_RV C_VerifyMessage(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameterLength, CK_BYTE_PTR data,
                      CK_ULONG length, CK_BYTE_PTR signature, CK_ULONG signatureLength) {
  (void)parameter;
  return sign_end(CALL(C_VerifyMessage), session, parameterLength, data, length, a_bytes(signature, signatureLength));
}

CK_RV C_VerifyMessageBegin(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameterLength) {
  (void)parameter;
  return sign_begin(CALL(C_VerifyMessageBegin), session, parameterLength);
}

CK_RV C_VerifyMessageNext(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameterLength, CK_BYTE_PTR data,
                          CK_ULONG length, CK_BYTE_PTR signature, CK_ULONG signatureLength) {
  (void)parameter;
  if (signature == NULL)
    return sign_next(CALL(C_VerifyMessageNext), session, parameterLength, data, length);
  return sign_end(CALL(C_VerifyMessageEnd), session, parameterLength, data, length, a_bytes(signature, signatureLength));
}
