// Types and numbers of PKCS#11 2.40 and 3.0 that the library needs, and those of the vendor's extension. Names, numbers and the order of
// fields are the standard's: a program compiled with any other header of it meets the same bytes.
#ifndef MOONLET_CRYPTOKI_H
#define MOONLET_CRYPTOKI_H

typedef unsigned char CK_BYTE;
typedef CK_BYTE CK_CHAR;
typedef CK_BYTE CK_UTF8CHAR;
typedef CK_BYTE CK_BBOOL;
typedef unsigned long CK_ULONG;
typedef CK_ULONG CK_FLAGS;
typedef CK_ULONG CK_RV;
typedef CK_ULONG CK_SLOT_ID;
typedef CK_ULONG CK_SESSION_HANDLE;
typedef CK_ULONG CK_OBJECT_HANDLE;
typedef CK_ULONG CK_MECHANISM_TYPE;
typedef CK_ULONG CK_ATTRIBUTE_TYPE;
typedef CK_ULONG CK_USER_TYPE;
typedef CK_ULONG CK_STATE;
typedef CK_ULONG CK_NOTIFICATION;
typedef void *CK_VOID_PTR;
typedef CK_VOID_PTR *CK_VOID_PTR_PTR;
typedef CK_BYTE *CK_BYTE_PTR;
typedef CK_UTF8CHAR *CK_UTF8CHAR_PTR;
typedef CK_ULONG *CK_ULONG_PTR;

typedef CK_RV (*CK_NOTIFY)(CK_SESSION_HANDLE session, CK_NOTIFICATION event, CK_VOID_PTR application);

typedef struct {
  CK_BYTE major;
  CK_BYTE minor;
} CK_VERSION;

typedef struct {
  CK_VERSION cryptokiVersion;
  CK_UTF8CHAR manufacturerID[32];
  CK_FLAGS flags;
  CK_UTF8CHAR libraryDescription[32];
  CK_VERSION libraryVersion;
} CK_INFO;

typedef struct {
  CK_UTF8CHAR slotDescription[64];
  CK_UTF8CHAR manufacturerID[32];
  CK_FLAGS flags;
  CK_VERSION hardwareVersion;
  CK_VERSION firmwareVersion;
} CK_SLOT_INFO;

typedef struct {
  CK_UTF8CHAR label[32];
  CK_UTF8CHAR manufacturerID[32];
  CK_UTF8CHAR model[16];
  CK_CHAR serialNumber[16];
  CK_FLAGS flags;
  CK_ULONG ulMaxSessionCount;
  CK_ULONG ulSessionCount;
  CK_ULONG ulMaxRwSessionCount;
  CK_ULONG ulRwSessionCount;
  CK_ULONG ulMaxPinLen;
  CK_ULONG ulMinPinLen;
  CK_ULONG ulTotalPublicMemory;
  CK_ULONG ulFreePublicMemory;
  CK_ULONG ulTotalPrivateMemory;
  CK_ULONG ulFreePrivateMemory;
  CK_VERSION hardwareVersion;
  CK_VERSION firmwareVersion;
  CK_CHAR utcTime[16];
} CK_TOKEN_INFO;

typedef struct {
  CK_ULONG ulMinKeySize;
  CK_ULONG ulMaxKeySize;
  CK_FLAGS flags;
} CK_MECHANISM_INFO;

typedef struct {
  CK_SLOT_ID slotID;
  CK_STATE state;
  CK_FLAGS flags;
  CK_ULONG ulDeviceError;
} CK_SESSION_INFO;

typedef struct {
  CK_ATTRIBUTE_TYPE type;
  CK_VOID_PTR pValue;
  CK_ULONG ulValueLen;
} CK_ATTRIBUTE;

typedef struct {
  CK_MECHANISM_TYPE mechanism;
  CK_VOID_PTR pParameter;
  CK_ULONG ulParameterLen;
} CK_MECHANISM;

typedef struct {
  CK_UTF8CHAR *pInterfaceName;
  CK_VOID_PTR pFunctionList;
  CK_FLAGS flags;
} CK_INTERFACE;

typedef CK_ATTRIBUTE *CK_ATTRIBUTE_PTR;
typedef CK_MECHANISM *CK_MECHANISM_PTR;

// What a role may do, as CA_RoleStateGet says it.
typedef struct {
  CK_BYTE flags;
  CK_BYTE loginAttemptsLeft;
  CK_BYTE primaryAuthMech;
  CK_BYTE secondaryAuthMech;
} CA_ROLE_STATE;

// One object of CA_MigrateKeys: what it is, and what became of it.
typedef struct {
  CK_ULONG objectType;
  CK_OBJECT_HANDLE sourceHandle;
  CK_OBJECT_HANDLE targetHandle;
  CK_RV rv;
} CK_OBJECT_MIGRATION_DATA;

// Parameters of the vendor's CA_Extract and CA_Insert.
#define CKM_CPV4_EXTRACT 0x80000208UL
#define CKM_CPV4_INSERT 0x80000209UL
typedef struct {
  CK_ULONG inputLength;
  CK_BYTE_PTR input;
  CK_ULONG sessionOuidLen;
  CK_BYTE_PTR sessionOuid;
  CK_ULONG extractionFlags;
  CK_ULONG numberOfObjects;
  CK_ULONG_PTR objectType;
  CK_ULONG_PTR objectHandle;
  CK_ULONG_PTR result;
  CK_ULONG_PTR keyBlobLen;
  CK_BYTE_PTR *keyBlob;
} CK_CPV4_EXTRACT_PARAMS;
typedef struct {
  CK_ULONG inputLength;
  CK_BYTE_PTR input;
  CK_ULONG sessionOuidLen;
  CK_BYTE_PTR sessionOuid;
  CK_ULONG insertionFlags;
  CK_ULONG numberOfObjects;
  CK_ULONG_PTR objectType;
  CK_ULONG_PTR storageType;
  CK_ULONG_PTR keyBlobLen;
  CK_BYTE_PTR *keyBlob;
  CK_ULONG_PTR result;
  CK_ULONG_PTR objectHandle;
} CK_CPV4_INSERT_PARAMS;

// Parameters of messages (PKCS#11 3.0): the token writes to nonce and tag.
typedef struct {
  CK_BYTE_PTR pIv;
  CK_ULONG ulIvLen;
  CK_ULONG ulIvFixedBits;
  CK_ULONG ivGenerator;
  CK_BYTE_PTR pTag;
  CK_ULONG ulTagBits;
} CK_GCM_MESSAGE_PARAMS;
typedef struct {
  CK_ULONG ulDataLen;
  CK_BYTE_PTR pNonce;
  CK_ULONG ulNonceLen;
  CK_ULONG ulNonceFixedBits;
  CK_ULONG nonceGenerator;
  CK_BYTE_PTR pMAC;
  CK_ULONG ulMACLen;
} CK_CCM_MESSAGE_PARAMS;

#define CKR_OK 0x000UL
#define CKR_HOST_MEMORY 0x002UL
#define CKR_FUNCTION_FAILED 0x006UL
#define CKR_ARGUMENTS_BAD 0x007UL
#define CKR_ATTRIBUTE_VALUE_INVALID 0x013UL
#define CKR_DATA_LEN_RANGE 0x021UL
#define CKR_DEVICE_ERROR 0x030UL
#define CKR_FUNCTION_NOT_PARALLEL 0x051UL
#define CKR_FUNCTION_NOT_SUPPORTED 0x054UL
#define CKR_MECHANISM_INVALID 0x070UL
#define CKR_MECHANISM_PARAM_INVALID 0x071UL
#define CKR_BUFFER_TOO_SMALL 0x150UL
#define CKR_CRYPTOKI_NOT_INITIALIZED 0x190UL
#define CKR_CRYPTOKI_ALREADY_INITIALIZED 0x191UL

#define CK_UNAVAILABLE (~0UL)
#define CKF_INTERFACE_FORK_SAFE 0x1UL

#endif
