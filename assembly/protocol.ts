// The one table of numbers: compiled into the firmware by AssemblyScript and into the host by TypeScript.
// Plain literals only, so that both compilers read them alike. SPEC.md explains every group.

/** Version of the command and PED frames and of the flash layout. */
export const PROTOCOL_VERSION = 1

// ---- ports of the firmware ------------------------------------------------------------------------------------------
export const PORT_COMMAND = 0
export const PORT_PED = 1
export const PORT_COUNT = 2
/** `service()` answers a set of these: a frame waits on the port (1 << port), or there is more work to do at once. */
export const SERVICE_COMMAND = 1
export const SERVICE_PED = 2
export const SERVICE_AGAIN = 0x80000000

// ---- command frame --------------------------------------------------------------------------------------------------
export const FRAME_HEADER = 16
/** Body limit of a command frame: one whole cloning message (65,536) and its wrapping. */
export const MAX_BODY = 66560
export const MAX_FRAME = 66576
/** Set in the command id of an answer. */
export const ANSWER = 0x8000
/** Frame flag: the body is sealed for a channel. */
export const FLAG_SEALED = 1
/** Sealed body: channel 4, counter 4, ciphertext, tag 16. */
export const SEALED_OVERHEAD = 24

// ---- commands -------------------------------------------------------------------------------------------------------
export const CMD_STATUS = 0x0001
export const CMD_CHANNEL_OPEN = 0x0002
export const CMD_SELF_TEST = 0x0003
export const CMD_RANDOM = 0x0004
export const CMD_CERTIFICATES = 0x0005
export const CMD_RANDOM_SEED = 0x0006
export const CMD_FACTORY_BEGIN = 0x0010
export const CMD_FACTORY_FINISH = 0x0011

export const CMD_SESSION_OPEN = 0x0100
export const CMD_SESSION_CLOSE = 0x0101
export const CMD_SESSION_INFO = 0x0102

export const CMD_HSM_INFO = 0x0200
export const CMD_HSM_INIT = 0x0201
export const CMD_HSM_FACTORY_RESET = 0x0202
export const CMD_HSM_ZEROIZE = 0x0203
export const CMD_HSM_POLICIES = 0x0204
export const CMD_HSM_SET_POLICY = 0x0205
export const CMD_FLASH_INFO = 0x0206

export const CMD_PARTITION_LIST = 0x0300
export const CMD_PARTITION_INFO = 0x0301
export const CMD_PARTITION_CREATE = 0x0302
export const CMD_PARTITION_DELETE = 0x0303
export const CMD_PARTITION_INIT = 0x0304
export const CMD_PARTITION_POLICIES = 0x0305
export const CMD_PARTITION_SET_POLICY = 0x0306
export const CMD_PARTITION_RESIZE = 0x0307
export const CMD_PARTITION_CLEAR = 0x0308
export const CMD_PARTITION_SET_DOMAIN = 0x0309
export const CMD_PARTITION_DOMAIN_ADD = 0x030a
export const CMD_PARTITION_DOMAIN_LIST = 0x030b
export const CMD_PARTITION_DOMAIN_REMOVE = 0x030c
export const CMD_PARTITION_DOMAIN_CHANGE = 0x030d

export const CMD_ROLE_LOGIN = 0x0400
export const CMD_ROLE_LOGOUT = 0x0401
export const CMD_ROLE_INFO = 0x0402
export const CMD_ROLE_INIT = 0x0403
export const CMD_ROLE_CHANGE_SECRET = 0x0404
export const CMD_ROLE_CREATE_CHALLENGE = 0x0405
export const CMD_ROLE_DEACTIVATE = 0x0406
export const CMD_ROLE_RESET_SECRET = 0x0407

export const CMD_PED_GET = 0x0500
export const CMD_PED_CONNECT = 0x0501
export const CMD_PED_DISCONNECT = 0x0502
export const CMD_PED_VECTOR_INIT = 0x0503
export const CMD_PED_VECTOR_ERASE = 0x0504

export const CMD_OBJECT_LIST = 0x0600
export const CMD_OBJECT_CREATE = 0x0601
export const CMD_OBJECT_GENERATE = 0x0602
export const CMD_OBJECT_GENERATE_PAIR = 0x0603
export const CMD_OBJECT_GET = 0x0604
export const CMD_OBJECT_SET = 0x0605
export const CMD_OBJECT_DESTROY = 0x0606
export const CMD_OBJECT_COPY = 0x0607
export const CMD_OBJECT_COUNT = 0x0608

export const CMD_MECHANISM_LIST = 0x0700
export const CMD_SIGN = 0x0701
export const CMD_VERIFY = 0x0702
export const CMD_ENCRYPT = 0x0703
export const CMD_DECRYPT = 0x0704
export const CMD_WRAP = 0x0705
export const CMD_UNWRAP = 0x0706
export const CMD_PART = 0x0707
export const CMD_DERIVE = 0x0708
export const CMD_MESSAGE_NONCE = 0x0709
export const CMD_MESSAGE_SEAL = 0x070a
export const CMD_AEAD_PART = 0x070b

export const CMD_CLONE_SOURCE_INIT = 0x0800
export const CMD_CLONE_TARGET_INIT = 0x0801
export const CMD_CLONE_SOURCE_HELLO = 0x0802
export const CMD_CLONE_SOURCE_BATCH = 0x0803
export const CMD_CLONE_TARGET_BATCH = 0x0804
export const CMD_CLONE_SOURCE_RESULT = 0x0805
export const CMD_CLONE_SOURCE_CLOSE = 0x0806
export const CMD_CLONE_TARGET_CLOSE = 0x0807

export const CMD_AUDIT_STATUS = 0x0900
export const CMD_AUDIT_CONFIG = 0x0901
export const CMD_AUDIT_SET_DOMAIN = 0x0902
export const CMD_AUDIT_READ = 0x0903
export const CMD_AUDIT_CLEAR = 0x0904
export const CMD_AUDIT_VERIFY = 0x0905
export const CMD_AUDIT_EXPORT = 0x0906
export const CMD_AUDIT_IMPORT = 0x0907
export const CMD_AUDIT_MESSAGE = 0x0908

export const CMD_TAMPER_SHOW = 0x0a00
export const CMD_TAMPER_CLEAR = 0x0a01
export const CMD_STM_TRANSPORT = 0x0a02
export const CMD_STM_VERIFY = 0x0a03
export const CMD_STM_RECOVER = 0x0a04
export const CMD_SRK_SHOW = 0x0a05
export const CMD_SRK_ENABLE = 0x0a06
export const CMD_SRK_DISABLE = 0x0a07
export const CMD_SRK_GENERATE = 0x0a08
export const CMD_SRK_TRANSPORT = 0x0a09
export const CMD_SRK_RECOVER = 0x0a0a

// ---- return codes ---------------------------------------------------------------------------------------------------
// Bit 31 clear: the high 16 bits are the CKR value, the low 16 refine it. Bit 31 set: the vendor's CKR value itself.
export const RC_OK = 0x00000000
/** Internal to the firmware: the command waits for the PED. Never on a wire. */
export const RC_PARKED = 0x7fffffff

export const RC_CANCEL = 0x00010000
export const RC_SLOT_ID_INVALID = 0x00030000
export const RC_GENERAL_ERROR = 0x00050000
export const RC_FUNCTION_FAILED = 0x00060000
export const RC_ARGUMENTS_BAD = 0x00070000
export const RC_FRAME_MALFORMED = 0x00070001
export const RC_CHANNEL_REQUIRED = 0x00070002
export const RC_CHANNEL_INVALID = 0x00070003
export const RC_ATTRIBUTE_READ_ONLY = 0x00100000
export const RC_ATTRIBUTE_SENSITIVE = 0x00110000
export const RC_ATTRIBUTE_TYPE_INVALID = 0x00120000
export const RC_ATTRIBUTE_VALUE_INVALID = 0x00130000
export const RC_DATA_INVALID = 0x00200000
export const RC_POLICY_VALUE_INVALID = 0x00200a00
export const RC_POLICY_ID_INVALID = 0x8000007b
export const RC_DATA_LEN_RANGE = 0x00210000
export const RC_DEVICE_ERROR = 0x00300000
export const RC_SELF_TEST_FAILED = 0x00300023
export const RC_SELF_TEST_IMAGE = 0x00300022
export const RC_SELF_TEST_SHA = 0x0030000a
export const RC_SELF_TEST_RSA = 0x0030000b
export const RC_SELF_TEST_RNG = 0x00300010
export const RC_SELF_TEST_AES = 0x00300018
export const RC_SELF_TEST_KEY_WRAP = 0x00300019
export const RC_SELF_TEST_GCM = 0x0030001a
export const RC_SELF_TEST_HMAC = 0x0030001b
export const RC_SELF_TEST_KDF = 0x0030001c
export const RC_SELF_TEST_PBKDF2 = 0x0030001d
export const RC_SELF_TEST_DRBG = 0x0030001e
export const RC_SELF_TEST_ECC = 0x00300024
/** Error state: the flash image does not belong to the counter, or does not hold together. */
export const RC_STORAGE_INTEGRITY = 0x00300030
/** The flash image was written by a newer layout version. */
export const RC_STORAGE_VERSION = 0x00300031
/** The token failed a self-test or its storage check and answers status only. */
export const RC_ERROR_STATE = 0x00300032
export const RC_NOT_MANUFACTURED = 0x00300033
export const RC_ALREADY_MANUFACTURED = 0x00300034
/** The flash is at the end of its life: what it holds can be read and deleted, nothing new is stored. */
export const RC_STORAGE_WORN = 0x00300038
/** Another command holds the PED. */
export const RC_PED_BUSY = 0x00300143
export const RC_DEVICE_MEMORY = 0x00310000
export const RC_ENCRYPTED_DATA_INVALID = 0x00400000
export const RC_ENCRYPTED_DATA_LEN_RANGE = 0x00410000
export const RC_FUNCTION_CANCELED = 0x00500000
export const RC_FUNCTION_NOT_SUPPORTED = 0x00540000
/** An ordinary command on a backup device. */
export const RC_COMMAND_NON_BACKUP = 0x00540002
export const RC_KEY_HANDLE_INVALID = 0x00600000
export const RC_KEY_SIZE_RANGE = 0x00620000
export const RC_KEY_TYPE_INCONSISTENT = 0x00630000
export const RC_KEY_INDIGESTIBLE = 0x00670000
export const RC_KEY_FUNCTION_NOT_PERMITTED = 0x00680000
export const RC_KEY_NOT_WRAPPABLE = 0x00690000
export const RC_KEY_UNEXTRACTABLE = 0x006a0000
export const RC_MECHANISM_INVALID = 0x00700000
export const RC_MECHANISM_PARAM_INVALID = 0x00710000
export const RC_OBJECT_HANDLE_INVALID = 0x00820000
export const RC_PIN_INCORRECT = 0x00a00000
export const RC_PIN_INCORRECT_ZEROIZED = 0x00a00001
export const RC_PIN_INCORRECT_LOCKED = 0x00a00002
export const RC_PIN_INVALID = 0x00a10000
export const RC_PIN_LEN_RANGE = 0x00a20000
export const RC_PIN_EXPIRED = 0x00a30000
export const RC_PIN_LOCKED = 0x00a40000
export const RC_SESSION_COUNT = 0x00b10000
export const RC_SESSION_HANDLE_INVALID = 0x00b30000
export const RC_SESSION_READ_ONLY = 0x00b50000
export const RC_SIGNATURE_INVALID = 0x00c00000
export const RC_SIGNATURE_LEN_RANGE = 0x00c10000
export const RC_TEMPLATE_INCOMPLETE = 0x00d00000
export const RC_TEMPLATE_INCONSISTENT = 0x00d10000
export const RC_TOKEN_NOT_PRESENT = 0x00e00000
export const RC_TOKEN_NOT_RECOGNIZED = 0x00e10000
export const RC_UNWRAPPING_KEY_HANDLE_INVALID = 0x00f00000
export const RC_WRAPPED_KEY_INVALID = 0x01100000
export const RC_WRAPPED_KEY_LEN_RANGE = 0x01120000
export const RC_WRAPPING_KEY_HANDLE_INVALID = 0x01130000
export const RC_USER_ALREADY_LOGGED_IN = 0x01000000
export const RC_USER_NOT_LOGGED_IN = 0x01010000
export const RC_USER_PIN_NOT_INITIALIZED = 0x01020000
export const RC_USER_TYPE_INVALID = 0x01030000
export const RC_USER_ANOTHER_ALREADY_LOGGED_IN = 0x01040000
export const RC_RANDOM_NO_RNG = 0x01210000
export const RC_DOMAIN_PARAMS_INVALID = 0x01300000
export const RC_CURVE_NOT_SUPPORTED = 0x01400000
export const RC_BUFFER_TOO_SMALL = 0x01500000
export const RC_SAVED_STATE_INVALID = 0x01600000

export const RC_CONTAINER_HANDLE_INVALID = 0x80000005
export const RC_TOO_MANY_CONTAINERS = 0x80000006
export const RC_USER_LOCKED_OUT = 0x80000007
export const RC_CLONING_PARAMETER_ALREADY_EXISTS = 0x80000008
export const RC_CLONING_PARAMETER_MISSING = 0x80000009
export const RC_CERTIFICATE_DATA_INVALID = 0x8000000b
export const RC_USER_NOT_AUTHORIZED = 0x8000001a
export const RC_MAX_OBJECT_COUNT_EXCEEDED = 0x8000001b
export const RC_SO_LOGIN_FAILURE_THRESHOLD = 0x8000001c
export const RC_UNABLE_TO_CONNECT = 0x8000001f
export const RC_CALLBACK_ERROR = 0x80000021
export const RC_SECURITY_PARAMETER_MISSING = 0x80000022
export const RC_TIMEOUT = 0x80000024
export const RC_MTK_ZEROIZED = 0x80000026
export const RC_MTK_STATE_INVALID = 0x80000027
export const RC_HSM_STORAGE_FULL = 0x8000002a
export const RC_CONTAINER_STORAGE_FULL = 0x8000002c
export const RC_PED_CLIENT_NOT_RUNNING = 0x8000002d
export const RC_PED_UNPLUGGED = 0x8000002e
export const RC_OPERATION_NOT_ALLOWED = 0x80000030
export const RC_LICENSE_CAPACITY_EXCEEDED = 0x80000031
export const RC_LOG_FULL = 0x80000035
export const RC_LOG_NO_KCV = 0x80000036
export const RC_LOG_BAD_RECORD_HMAC = 0x80000037
export const RC_LOG_AUDIT_NOT_INITIALIZED = 0x80000039
export const RC_AUDIT_LOGIN_TIMEOUT_IN_PROGRESS = 0x8000003b
export const RC_AUDIT_LOGIN_FAILURE_THRESHOLD = 0x8000003c
export const RC_USER_ALREADY_ACTIVATED = 0x80000044
export const RC_CHALLENGE_INCORRECT = 0x80000067
export const RC_STM_CMD_NON_TRANSPORT = 0x8000006e
export const RC_OBJECT_ALREADY_EXISTS = 0x8000006f
export const RC_HSM_TAMPERED = 0x80000076
export const RC_CONFIG_CHANGE_ILLEGAL = 0x80000077
export const RC_CONFIG_FAILS_DEPENDENCIES = 0x8000007d
export const RC_PED_UNSUPPORTED = 0x8000009d
export const RC_PED_ERROR = 0x8000009e
export const RC_CLONE_FAILED = 0x80000106
export const RC_CLONE_NOT_ATTEMPTED = 0x80000107
export const RC_NEGOTIATION_NO_PSK = 0x80000108
export const RC_NEGOTIATION_NO_ROOTS = 0x80000109
export const RC_NEGOTIATION_NO_ALGS = 0x8000010a
export const RC_NEGOTIATION_EXPIRED = 0x8000010b
export const RC_NEGOTIATION_INVALID = 0x8000010c
export const RC_CLONE_SESSION_INVALID = 0x8000010d
/** The key has been used as often as its limit says. */
export const RC_KEY_NOT_ACTIVE = 0x80000136

// ---- token ----------------------------------------------------------------------------------------------------------
export const STATE_BLANK = 0
export const STATE_ZEROIZED = 1
export const STATE_FUNCTIONAL = 2
export const STATE_ERROR = 3
export const STATE_TAMPERED = 4

/** Flags of STATUS: what the token is and knows, then what state it is in. */
export const STATUS_BACKUP = 0x0001
export const STATUS_PED = 0x0002
export const STATUS_INITIALIZED = 0x0004
export const STATUS_VECTOR = 0x0008
export const STATUS_NON_FIPS = 0x0010
export const STATUS_PARTITION_SO = 0x0020
/** Firmware 7 and later. */
export const STATUS_GENERATION_7 = 0x0040
export const STATUS_EXTENDED_DOMAINS = 0x0080
/** As a source of clones it ends a job at the first object that the target refuses. */
export const STATUS_STOPS_AT_FAILURE = 0x0100
/** Transport mode is `stm`, not `srk`. */
export const STATUS_STM = 0x0200
/** A tamper that nobody has cleared. */
export const STATUS_TAMPERED = 0x0400
export const STATUS_TRANSPORT = 0x0800
export const STATUS_DECOMMISSIONED = 0x1000
/** A split of the master tamper key is on a purple key. */
export const STATUS_EXTERNAL_SPLIT = 0x2000
export const STATUS_AUDITOR = 0x4000

/** What the manufacturing record makes of the one firmware. */
export const MODEL_NETWORK = 1
export const MODEL_PCIE = 2
export const MODEL_BACKUP = 3

export const AUTH_PASSWORD = 1
export const AUTH_PED = 2

/** Firmware profiles, as major, minor, patch, 0 in one word. */
export const PROFILE_6_27_0 = 0x061b0000
export const PROFILE_6_28_0 = 0x061c0000
export const PROFILE_7_0_3 = 0x07000300
export const PROFILE_7_7_1 = 0x07070100
export const PROFILE_7_8_0 = 0x07080000

/** How a profile is put into secure transport mode: by the purple key (`srk`), or with a verification string (`stm`). */
export const TRANSPORT_SRK = 1
export const TRANSPORT_STM = 2

/** Causes that the tamper line gives; any other number but 0 is a tamper too. */
export const TAMPER_CHASSIS = 1
export const TAMPER_REMOVAL = 2
export const TAMPER_TEMPERATURE = 3
export const TAMPER_VOLTAGE = 4
export const TAMPER_BATTERY = 5
/** No tamper: the decommission pins or button. */
export const TAMPER_DECOMMISSION = 256
/** Characters of the random user string and of the verification string of transport mode. */
export const STM_STRING = 16

/** Partition id of the HSM itself: where the HSM SO logs in. */
export const ADMIN_PARTITION = 0
export const MAX_PARTITIONS = 100
export const LABEL_MAX = 32
export const SERIAL_OWN_MULTIPLIER = 1000

/** Partition flags in PARTITION_INFO and PARTITION_LIST. */
export const PARTITION_INITIALIZED = 1
/** The HSM SO owns it (a container of the older kind); clear = it has a Partition SO. */
export const PARTITION_LEGACY = 2
export const PARTITION_HAS_DOMAIN = 4

export const ROLE_SO = 0
export const ROLE_PARTITION_SO = 1
export const ROLE_CRYPTO_OFFICER = 2
export const ROLE_CRYPTO_USER = 3
export const ROLE_COUNT = 4
/** On the HSM itself, beside its SO. */
export const ROLE_AUDITOR = 4
export const ROLE_NONE = 255

/** Role state flags, the vendor's published numbers. */
export const ROLE_INITIALIZED = 0x01
export const ROLE_LOCKED_OUT = 0x02
export const ROLE_ACTIVATED = 0x04
/** The role's first secret, or its challenge, has to be changed by its owner before anything else. */
export const ROLE_PIN_CHANGE = 0x10
export const ROLE_CHALLENGE_CHANGE = 0x20
export const ROLE_HAS_CHALLENGE = 0x40

export const ROLE_AUTH_NONE = 0
export const ROLE_AUTH_PASSWORD = 1
export const ROLE_AUTH_PED = 2

export const PASSWORD_MIN = 7
export const PASSWORD_MAX = 255
export const CHALLENGE_MAX = 64
export const DOMAIN_TEXT_MAX = 128
/** Where a domain comes from: a red key, or a text (OBC-1 §4). */
export const DOMAIN_RED = 1
export const DOMAIN_TEXT = 2
/** PARTITION_DOMAIN_ADD and _CHANGE: make it the primary domain. */
export const DOMAIN_PRIMARY = 1
export const SO_LOGIN_ATTEMPTS = 3
export const USER_LOGIN_ATTEMPTS = 10

/** Login answer flags. */
export const LOGIN_WAS_ACTIVATED = 1
export const LOGIN_NOW_ACTIVATED = 2

/** Session flags. */
export const SESSION_RW = 1

/** What PART works on, and its flags: the last part; the data is the value of a key. */
export const PART_DIGEST = 0
export const PART_SIGN = 1
export const PART_VERIFY = 2
export const PART_LAST = 1
export const PART_KEY = 2

/** What AEAD_PART does with a part, and its flags: the last part; the parameter is that of MESSAGE_SEAL. */
export const AEAD_SEAL = 0
export const AEAD_CHECK = 1
export const AEAD_OPEN = 2
export const AEAD_LAST = 1
export const AEAD_MESSAGE = 2
/** Bytes of an IV of GCM that the token makes where non-FIPS algorithms are off. */
export const GCM_MADE_IV = 16

/** Flags of MESSAGE_…: the first message of a process; its nonce was given out before. */
export const MESSAGE_FIRST = 1
export const MESSAGE_BEGUN = 2
/** Who makes the nonce of a message (PKCS#11 3.0; the last 3.1). */
export const CKG_NO_GENERATE = 0
export const CKG_GENERATE = 1
export const CKG_GENERATE_COUNTER = 2
export const CKG_GENERATE_RANDOM = 3
export const CKG_GENERATE_COUNTER_XOR = 4

// ---- policies: the vendor's published numbers -----------------------------------------------------------------------
export const HSM_POLICY_PIN_AUTH = 0
export const HSM_POLICY_PED_AUTH = 1
export const HSM_POLICY_MASKING = 6
export const HSM_POLICY_CLONING = 7
export const HSM_POLICY_FULL_FUNCTION = 9
export const HSM_POLICY_NON_FIPS = 12
export const HSM_POLICY_SO_RESET_PIN = 15
export const HSM_POLICY_NETWORK_REPLICATION = 16
export const HSM_POLICY_FORCE_PIN_CHANGE = 21
export const HSM_POLICY_OFFBOARD_STORAGE = 22
export const HSM_POLICY_REMOTE_PED = 25
export const HSM_POLICY_STORAGE = 27
export const HSM_POLICY_MAX_PARTITIONS = 33
export const HSM_POLICY_SINGLE_DOMAIN = 35
export const HSM_POLICY_M_OF_N = 37
export const HSM_POLICY_DECOMMISSION_ON_TAMPER = 40
export const HSM_POLICY_NO_DECOMMISSION = 46
export const HSM_POLICY_CONTROLLED_TAMPER = 48
export const HSM_POLICY_RESTRICTED_RESTORE = 55

export const POLICY_PRIVATE_CLONING = 0
export const POLICY_PRIVATE_WRAPPING = 1
export const POLICY_PRIVATE_UNWRAPPING = 2
export const POLICY_SECRET_CLONING = 4
export const POLICY_SECRET_WRAPPING = 5
export const POLICY_SECRET_UNWRAPPING = 6
export const POLICY_MULTIPURPOSE = 10
export const POLICY_CHANGE_ATTRIBUTES = 11
export const POLICY_IGNORE_FAILED_CHALLENGE = 15
export const POLICY_NON_LOCAL_SIGNING = 17
export const POLICY_RAW_RSA = 18
export const POLICY_STORAGE = 19
export const POLICY_MAX_FAILED_LOGINS = 20
export const POLICY_ACTIVATION = 22
export const POLICY_AUTO_ACTIVATION = 23
export const POLICY_MIN_PIN = 25
export const POLICY_MAX_PIN = 26
export const POLICY_KEY_MANAGEMENT = 28
export const POLICY_RSA_PKCS = 33
export const POLICY_NON_FIPS = 43
export const POLICY_EXTENDED_DOMAINS = 44

/** Flags of a policy record. */
export const POLICY_OFF_TO_ON_DESTRUCTIVE = 1
export const POLICY_ON_TO_OFF_DESTRUCTIVE = 2
/** The policy is a number, not a switch. */
export const POLICY_NUMERIC = 4
/** The capability allows no change. */
export const POLICY_FIXED = 8

// ---- audit log ------------------------------------------------------------------------------------------------------
/** What is logged: events that failed, that succeeded, and of these which kinds. */
export const AUDIT_FAILURE = 0x01
export const AUDIT_SUCCESS = 0x02
export const AUDIT_ACCESS = 0x04
export const AUDIT_MANAGE = 0x08
export const AUDIT_KEY_MANAGE = 0x10
export const AUDIT_USAGE = 0x20
export const AUDIT_EXTERNAL = 0x40
export const AUDIT_LOG_MANAGE = 0x80
export const AUDIT_ALL = 0xff
/** Bytes of a record as it is read and verified, and of the text of AUDIT_MESSAGE. */
export const AUDIT_RECORD = 156
export const AUDIT_TEXT = 48
/** Records of one AUDIT_READ or AUDIT_VERIFY. */
export const AUDIT_BATCH = 400
export const AUDIT_SECRET = 72
/** The command of a record that tells of a power-up. */
export const AUDIT_POWER_UP = 0

// ---- PED port -------------------------------------------------------------------------------------------------------
export const PED_MAGIC = 0x4d504431
export const PED_HEADER = 16
export const PED_MAX_FRAME = 512
export const PED_ID_LOCAL = 0
export const PED_ID_REMOTE = 100
export const PED_HELLO = 1
export const PED_HELLO_ACK = 2
export const PED_REQUEST = 3
export const PED_ANSWER = 4
export const PED_CANCEL = 5
export const PED_CLOSE = 6
export const PED_ALERT = 0x7f

export const PED_OP_PRESENT = 1
export const PED_OP_MAKE = 2
export const PED_OP_SHOW = 3

/** What a PED key holds. A colour is only a sticker: black and gray keys both hold a user secret. */
export const PED_KIND_SO = 1
export const PED_KIND_USER = 2
export const PED_KIND_DOMAIN = 3
export const PED_KIND_REMOTE = 4
export const PED_KIND_MTK = 5
export const PED_KIND_AUDIT = 6
/** Request flag: a gray key is meant (a hint for the person; the PED cannot tell it from a black one). */
export const PED_HINT_LIMITED = 1

export const PED_STATUS_OK = 0
export const PED_STATUS_CANCELLED = 1
export const PED_STATUS_TIMEOUT = 2
export const PED_STATUS_ERROR = 3
export const PED_ANSWER_REUSED = 1
export const PED_SECRET = 48

/** Line state of the board's PED connectors, import `ped_line`. */
export const PED_LINE_LOCAL = 1
export const PED_LINE_REMOTE = 2

/** Milliseconds: waiting for a key, one whole PED operation, an idle remote connection. */
export const PED_KEY_TIMEOUT = 200000
export const PED_OPERATION_TIMEOUT = 820000
export const PED_REMOTE_IDLE_TIMEOUT = 1800000

// ---- peripherals ----------------------------------------------------------------------------------------------------
export const BATTERY_KEK = 0
export const BATTERY_MTK = 1
/** Auto-activation secrets; lost after two hours without power. */
export const BATTERY_ACTIVATION = 2
/** What happened to the HSM: tamper, transport, decommissioning. Readable when no key is. */
export const BATTERY_STATE = 3
export const BATTERY_REGIONS = 4
export const BATTERY_ACTIVATION_SIZE = 8192
/** Milliseconds that auto-activation survives without power. */
export const ACTIVATION_POWER_OFF = 7200000

export const PKA_EC_GENERATE = 1
export const PKA_EC_PUBLIC = 2
export const PKA_ECDH = 3
export const PKA_ECDSA_SIGN = 4
export const PKA_ECDSA_VERIFY = 5
export const PKA_RSA_GENERATE = 6
export const PKA_RSA_PRIVATE = 7
export const PKA_RSA_PUBLIC = 8
export const PKA_ED_PUBLIC = 9
export const PKA_ED_SIGN = 10
export const PKA_ED_VERIFY = 11
export const PKA_NAMED_PUBLIC = 12
export const PKA_NAMED_ECDH = 13
export const PKA_NAMED_SIGN = 14
export const PKA_NAMED_VERIFY = 15
export const PKA_DSA_PARAMETERS = 16
export const PKA_DSA_GENERATE = 17
export const PKA_DSA_SIGN = 18
export const PKA_DSA_VERIFY = 19

/** Status of every peripheral call. */
export const PERIPHERAL_OK = 0
export const PERIPHERAL_FAILED = 1
export const PERIPHERAL_INVALID = 2
/** PKA only: the signature does not verify. */
export const PERIPHERAL_MISMATCH = 3

export const CURVE_P256 = 1
export const CURVE_P384 = 2
export const CURVE_P521 = 3
export const CURVE_SECP256K1 = 4
export const CURVE_ED25519 = 5
export const CURVE_ED448 = 6

/** Flash geometry: the erase unit, and which units hold what. */
export const FLASH_SECTOR = 65536
export const FLASH_FACTORY_SECTOR = 0
export const FLASH_SUPERBLOCK_A = 1
export const FLASH_SUPERBLOCK_B = 3
export const FLASH_SUPERBLOCK_SECTORS = 2
export const FLASH_AUDIT = 5
export const FLASH_AUDIT_SECTORS = 4
/** What zeroization leaves of the configuration. */
export const FLASH_KEPT = 9
export const FLASH_LOG = 10
/** Erases that a sector is good for. */
export const FLASH_ENDURANCE = 100000
/** Bytes of flash on a board unless its maker says otherwise. */
export const FLASH_SIZE = 33554432

// ---- OBC-1 ----------------------------------------------------------------------------------------------------------
export const OBC_MAX_MESSAGE = 65536
export const OBC_MAX_BATCH = 1024
/** Batches that a target answers again, so many may be under way to it; a source seals one more before it has results. */
export const OBC_BATCHES_OUT = 5
export const OBC_CERTIFICATE = 256
export const OBC_TOKEN_PED = 1
export const OBC_TOKEN_FIPS = 2
export const OBC_TOKEN_BACKUP = 4
/** Milliseconds without a message after which a cloning session ends. */
export const OBC_IDLE_TIMEOUT = 600000
/** CLONE_SOURCE_BATCH flag. */
export const CLONE_LAST = 1
/** CLONE_TARGET_BATCH flag: go on after an object that fails. */
export const CLONE_CONTINUE = 1

/** Object attribute bits in records and envelopes (OBC-1 §5.4). */
export const BIT_TOKEN = 0x01
export const BIT_PRIVATE = 0x02
export const BIT_MODIFIABLE = 0x04
export const BIT_SENSITIVE = 0x08
export const BIT_EXTRACTABLE = 0x10
export const BIT_ALWAYS_SENSITIVE = 0x20
export const BIT_NEVER_EXTRACTABLE = 0x40
export const BIT_LOCAL = 0x80

// ---- PKCS#11 --------------------------------------------------------------------------------------------------------
export const UNAVAILABLE = 0xffffffff
export const CKO_DATA = 0
export const CKO_CERTIFICATE = 1
export const CKO_PUBLIC_KEY = 2
export const CKO_PRIVATE_KEY = 3
export const CKO_SECRET_KEY = 4
export const CKO_DOMAIN_PARAMETERS = 6

export const CKK_RSA = 0x00
export const CKK_DSA = 0x01
export const CKK_EC = 0x03
export const CKK_GENERIC_SECRET = 0x10
export const CKK_RC2 = 0x11
export const CKK_RC4 = 0x12
export const CKK_DES = 0x13
export const CKK_DES2 = 0x14
export const CKK_DES3 = 0x15
export const CKK_CAST3 = 0x17
export const CKK_CAST128 = 0x18
export const CKK_AES = 0x1f
export const CKK_ARIA = 0x26
export const CKK_SEED = 0x2f
export const CKK_EC_EDWARDS = 0x40
/** The vendor's own numbers for two of them. */
export const CKK_LUNA_SEED = 0x80000011
export const CKK_LUNA_EC_EDWARDS = 0x80000012

export const CKC_X_509 = 0

export const CKA_CLASS = 0x000
export const CKA_TOKEN = 0x001
export const CKA_PRIVATE = 0x002
export const CKA_LABEL = 0x003
export const CKA_APPLICATION = 0x010
export const CKA_VALUE = 0x011
export const CKA_OBJECT_ID = 0x012
export const CKA_CERTIFICATE_TYPE = 0x080
export const CKA_ISSUER = 0x081
export const CKA_SERIAL_NUMBER = 0x082
export const CKA_TRUSTED = 0x086
export const CKA_CERTIFICATE_CATEGORY = 0x087
export const CKA_CHECK_VALUE = 0x090
export const CKA_KEY_TYPE = 0x100
export const CKA_SUBJECT = 0x101
export const CKA_ID = 0x102
export const CKA_SENSITIVE = 0x103
export const CKA_ENCRYPT = 0x104
export const CKA_DECRYPT = 0x105
export const CKA_WRAP = 0x106
export const CKA_UNWRAP = 0x107
export const CKA_SIGN = 0x108
export const CKA_SIGN_RECOVER = 0x109
export const CKA_VERIFY = 0x10a
export const CKA_VERIFY_RECOVER = 0x10b
export const CKA_DERIVE = 0x10c
export const CKA_START_DATE = 0x110
export const CKA_END_DATE = 0x111
export const CKA_MODULUS = 0x120
export const CKA_MODULUS_BITS = 0x121
export const CKA_PUBLIC_EXPONENT = 0x122
export const CKA_PRIVATE_EXPONENT = 0x123
export const CKA_PRIME_1 = 0x124
export const CKA_PRIME_2 = 0x125
export const CKA_EXPONENT_1 = 0x126
export const CKA_EXPONENT_2 = 0x127
export const CKA_COEFFICIENT = 0x128
export const CKA_PRIME = 0x130
export const CKA_SUBPRIME = 0x131
export const CKA_BASE = 0x132
export const CKA_PRIME_BITS = 0x133
export const CKA_SUBPRIME_BITS = 0x134
export const CKA_VALUE_LEN = 0x161
export const CKA_EXTRACTABLE = 0x162
export const CKA_LOCAL = 0x163
export const CKA_NEVER_EXTRACTABLE = 0x164
export const CKA_ALWAYS_SENSITIVE = 0x165
export const CKA_KEY_GEN_MECHANISM = 0x166
export const CKA_MODIFIABLE = 0x170
export const CKA_EC_PARAMS = 0x180
export const CKA_EC_POINT = 0x181
/** Vendor attribute: the 12-byte object UID, kept across clones (the published LUNA_ATTR_OUID). */
export const CKA_OUID = 0x80000005
/** Vendor attributes: how often a key was used, and may be. */
export const CKA_USAGE_COUNT = 0x80000101
export const CKA_USAGE_LIMIT = 0x80000200
/** What OBJECT_COUNT does with the count. */
export const COUNT_INCREMENT = 1
export const COUNT_SET = 2

export const CKM_RSA_PKCS_KEY_PAIR_GEN = 0x0000
export const CKM_RSA_PKCS = 0x0001
export const CKM_RSA_X_509 = 0x0003
export const CKM_SHA1_RSA_PKCS = 0x0006
export const CKM_RSA_PKCS_OAEP = 0x0009
export const CKM_RSA_X9_31_KEY_PAIR_GEN = 0x000a
export const CKM_RSA_PKCS_PSS = 0x000d
export const CKM_SHA1_RSA_PKCS_PSS = 0x000e
export const CKM_DSA_KEY_PAIR_GEN = 0x0010
export const CKM_DSA = 0x0011
export const CKM_DSA_SHA1 = 0x0012
export const CKM_DSA_SHA224 = 0x0013
export const CKM_DSA_SHA256 = 0x0014
export const CKM_DSA_SHA384 = 0x0015
export const CKM_DSA_SHA512 = 0x0016
export const CKM_DSA_SHA3_224 = 0x0018
export const CKM_DSA_SHA3_256 = 0x0019
export const CKM_DSA_SHA3_384 = 0x001a
export const CKM_DSA_SHA3_512 = 0x001b
export const CKM_SHA256_RSA_PKCS = 0x0040
export const CKM_SHA384_RSA_PKCS = 0x0041
export const CKM_SHA512_RSA_PKCS = 0x0042
export const CKM_SHA256_RSA_PKCS_PSS = 0x0043
export const CKM_SHA384_RSA_PKCS_PSS = 0x0044
export const CKM_SHA512_RSA_PKCS_PSS = 0x0045
export const CKM_SHA224_RSA_PKCS = 0x0046
export const CKM_SHA224_RSA_PKCS_PSS = 0x0047
export const CKM_SHA3_256_RSA_PKCS = 0x0060
export const CKM_SHA3_384_RSA_PKCS = 0x0061
export const CKM_SHA3_512_RSA_PKCS = 0x0062
export const CKM_SHA3_256_RSA_PKCS_PSS = 0x0063
export const CKM_SHA3_384_RSA_PKCS_PSS = 0x0064
export const CKM_SHA3_512_RSA_PKCS_PSS = 0x0065
export const CKM_SHA3_224_RSA_PKCS = 0x0066
export const CKM_SHA3_224_RSA_PKCS_PSS = 0x0067
export const CKM_RC2_KEY_GEN = 0x0100
export const CKM_RC2_ECB = 0x0101
export const CKM_RC2_CBC = 0x0102
export const CKM_RC2_MAC = 0x0103
export const CKM_RC2_CBC_PAD = 0x0105
export const CKM_RC4_KEY_GEN = 0x0110
export const CKM_RC4 = 0x0111
export const CKM_DES_KEY_GEN = 0x0120
export const CKM_DES_ECB = 0x0121
export const CKM_DES_CBC = 0x0122
export const CKM_DES_MAC = 0x0123
export const CKM_DES_MAC_GENERAL = 0x0124
export const CKM_DES_CBC_PAD = 0x0125
export const CKM_DES2_KEY_GEN = 0x0130
export const CKM_DES3_KEY_GEN = 0x0131
export const CKM_DES3_ECB = 0x0132
export const CKM_DES3_CBC = 0x0133
export const CKM_DES3_MAC = 0x0134
export const CKM_DES3_MAC_GENERAL = 0x0135
export const CKM_DES3_CBC_PAD = 0x0136
export const CKM_DES3_CMAC_GENERAL = 0x0137
export const CKM_DES3_CMAC = 0x0138
export const CKM_MD2 = 0x0200
export const CKM_MD5 = 0x0210
export const CKM_MD5_HMAC = 0x0211
export const CKM_MD5_HMAC_GENERAL = 0x0212
export const CKM_SHA_1 = 0x0220
export const CKM_SHA_1_HMAC = 0x0221
export const CKM_SHA_1_HMAC_GENERAL = 0x0222
export const CKM_SHA256 = 0x0250
export const CKM_SHA256_HMAC = 0x0251
export const CKM_SHA256_HMAC_GENERAL = 0x0252
export const CKM_SHA224 = 0x0255
export const CKM_SHA224_HMAC = 0x0256
export const CKM_SHA224_HMAC_GENERAL = 0x0257
export const CKM_SHA384 = 0x0260
export const CKM_SHA384_HMAC = 0x0261
export const CKM_SHA384_HMAC_GENERAL = 0x0262
export const CKM_SHA512 = 0x0270
export const CKM_SHA512_HMAC = 0x0271
export const CKM_SHA512_HMAC_GENERAL = 0x0272
export const CKM_SHA3_256 = 0x02b0
export const CKM_SHA3_256_HMAC = 0x02b1
export const CKM_SHA3_256_HMAC_GENERAL = 0x02b2
export const CKM_SHA3_224 = 0x02b5
export const CKM_SHA3_224_HMAC = 0x02b6
export const CKM_SHA3_224_HMAC_GENERAL = 0x02b7
export const CKM_SHA3_384 = 0x02c0
export const CKM_SHA3_384_HMAC = 0x02c1
export const CKM_SHA3_384_HMAC_GENERAL = 0x02c2
export const CKM_SHA3_512 = 0x02d0
export const CKM_SHA3_512_HMAC = 0x02d1
export const CKM_SHA3_512_HMAC_GENERAL = 0x02d2
export const CKM_CAST3_KEY_GEN = 0x0310
export const CKM_CAST128_KEY_GEN = 0x0320
export const CKM_CAST128_ECB = 0x0321
export const CKM_CAST128_CBC = 0x0322
export const CKM_CAST128_MAC = 0x0323
export const CKM_CAST128_MAC_GENERAL = 0x0324
export const CKM_CAST128_CBC_PAD = 0x0325
export const CKM_GENERIC_SECRET_KEY_GEN = 0x0350
export const CKM_CONCATENATE_BASE_AND_KEY = 0x0360
export const CKM_CONCATENATE_BASE_AND_DATA = 0x0362
export const CKM_CONCATENATE_DATA_AND_BASE = 0x0363
export const CKM_XOR_BASE_AND_DATA = 0x0364
export const CKM_EXTRACT_KEY_FROM_KEY = 0x0365
export const CKM_MD5_KEY_DERIVATION = 0x0390
export const CKM_MD2_KEY_DERIVATION = 0x0391
export const CKM_SHA1_KEY_DERIVATION = 0x0392
export const CKM_SHA256_KEY_DERIVATION = 0x0393
export const CKM_SHA384_KEY_DERIVATION = 0x0394
export const CKM_SHA512_KEY_DERIVATION = 0x0395
export const CKM_SHA224_KEY_DERIVATION = 0x0396
export const CKM_SHA3_256_KEY_DERIVATION = 0x0397
export const CKM_SHA3_224_KEY_DERIVATION = 0x0398
export const CKM_SHA3_384_KEY_DERIVATION = 0x0399
export const CKM_SHA3_512_KEY_DERIVATION = 0x039a
export const CKM_SP800_108_COUNTER_KDF = 0x03ac
export const CKM_SP800_108_FEEDBACK_KDF = 0x03ad
export const CKM_PKCS5_PBKD2 = 0x03b0
export const CKM_ARIA_KEY_GEN = 0x0560
export const CKM_ARIA_ECB = 0x0561
export const CKM_ARIA_CBC = 0x0562
export const CKM_ARIA_MAC = 0x0563
export const CKM_ARIA_MAC_GENERAL = 0x0564
export const CKM_ARIA_CBC_PAD = 0x0565
export const CKM_ARIA_ECB_ENCRYPT_DATA = 0x0566
export const CKM_ARIA_CBC_ENCRYPT_DATA = 0x0567
export const CKM_SEED_KEY_GEN = 0x0650
export const CKM_SEED_ECB = 0x0651
export const CKM_SEED_CBC = 0x0652
export const CKM_SEED_MAC = 0x0653
export const CKM_SEED_MAC_GENERAL = 0x0654
export const CKM_SEED_CBC_PAD = 0x0655
export const CKM_SEED_ECB_ENCRYPT_DATA = 0x0656
export const CKM_SEED_CBC_ENCRYPT_DATA = 0x0657
export const CKM_EC_KEY_PAIR_GEN = 0x1040
export const CKM_ECDSA = 0x1041
export const CKM_ECDSA_SHA1 = 0x1042
export const CKM_ECDSA_SHA224 = 0x1043
export const CKM_ECDSA_SHA256 = 0x1044
export const CKM_ECDSA_SHA384 = 0x1045
export const CKM_ECDSA_SHA512 = 0x1046
export const CKM_ECDSA_SHA3_224 = 0x1047
export const CKM_ECDSA_SHA3_256 = 0x1048
export const CKM_ECDSA_SHA3_384 = 0x1049
export const CKM_ECDSA_SHA3_512 = 0x104a
export const CKM_ECDH1_DERIVE = 0x1050
export const CKM_ECDH1_COFACTOR_DERIVE = 0x1051
export const CKM_EC_EDWARDS_KEY_PAIR_GEN = 0x1055
export const CKM_EDDSA = 0x1057
export const CKM_AES_KEY_GEN = 0x1080
export const CKM_AES_ECB = 0x1081
export const CKM_AES_CBC = 0x1082
export const CKM_AES_MAC = 0x1083
export const CKM_AES_MAC_GENERAL = 0x1084
export const CKM_AES_CBC_PAD = 0x1085
export const CKM_AES_CTR = 0x1086
export const CKM_AES_GCM = 0x1087
export const CKM_AES_CCM = 0x1088
export const CKM_AES_CMAC_GENERAL = 0x1089
export const CKM_AES_CMAC = 0x108a
export const CKM_AES_GMAC = 0x108e
export const CKM_DES_ECB_ENCRYPT_DATA = 0x1100
export const CKM_DES_CBC_ENCRYPT_DATA = 0x1101
export const CKM_DES3_ECB_ENCRYPT_DATA = 0x1102
export const CKM_DES3_CBC_ENCRYPT_DATA = 0x1103
export const CKM_AES_ECB_ENCRYPT_DATA = 0x1104
export const CKM_AES_CBC_ENCRYPT_DATA = 0x1105
export const CKM_DSA_PARAMETER_GEN = 0x2000
export const CKM_AES_KEY_WRAP = 0x2109
export const CKM_AES_KEY_WRAP_PAD = 0x210a
export const CKM_AES_KEY_WRAP_KWP = 0x210b
export const CKM_HKDF_DERIVE = 0x402a
export const CKM_HKDF_DATA = 0x402b
/** The vendor's own numbers, from its published constants: for mechanisms of the same kind as above, and for its own. */
export const CKM_LUNA_SEED_KEY_GEN = 0x80000103
export const CKM_LUNA_SEED_ECB = 0x80000104
export const CKM_LUNA_SEED_CBC = 0x80000105
export const CKM_LUNA_SEED_CBC_PAD = 0x80000106
export const CKM_LUNA_SEED_MAC = 0x80000107
export const CKM_LUNA_SEED_MAC_GENERAL = 0x80000108
export const CKM_LUNA_ECDSA_SHA224 = 0x80000122
export const CKM_LUNA_ECDSA_SHA256 = 0x80000123
export const CKM_LUNA_ECDSA_SHA384 = 0x80000124
export const CKM_LUNA_ECDSA_SHA512 = 0x80000125
export const CKM_LUNA_AES_GMAC = 0x80000126
export const CKM_LUNA_ARIA_CMAC = 0x80000128
export const CKM_LUNA_ARIA_CMAC_GENERAL = 0x80000129
export const CKM_LUNA_SEED_CMAC = 0x8000012c
export const CKM_LUNA_SEED_CMAC_GENERAL = 0x8000012d
export const CKM_LUNA_DSA_SHA224 = 0x80000140
export const CKM_LUNA_DSA_SHA256 = 0x80000141
export const CKM_LUNA_AES_KW = 0x80000170
export const CKM_LUNA_AES_KWP = 0x80000171
export const CKM_LUNA_DES2_DUKPT_IPEK = 0x80000610
export const CKM_LUNA_NIST_PRF_KDF = 0x80000a02
export const CKM_LUNA_EC_EDWARDS_KEY_PAIR_GEN = 0x80000c01
export const CKM_LUNA_EDDSA = 0x80000c03
