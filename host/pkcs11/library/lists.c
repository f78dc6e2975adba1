// The lists of functions by which programs find the rest.
#include <string.h>

#include "library.h"
#include "vendor.h"

#define ENTRY(name, parameters) .name = name,

static CK_FUNCTION_LIST functions_2_40 = {.version = {2, 40}, CK_FUNCTIONS_2_40(ENTRY)};
static CK_FUNCTION_LIST_3_0 functions_3_0 = {
    .version = {3, 0},
    CK_FUNCTIONS_2_40(ENTRY)
    CK_FUNCTIONS_3_0(ENTRY)
};

static CK_UTF8CHAR standard[] = "PKCS 11";

// The first is what is given to who names no version.
static CK_INTERFACE interfaces[] = {
    {standard, &functions_3_0, CKF_INTERFACE_FORK_SAFE},
    {standard, &functions_2_40, CKF_INTERFACE_FORK_SAFE},
};
#define INTERFACES (sizeof interfaces / sizeof interfaces[0])

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list) {
  if (list == NULL)
    return CKR_ARGUMENTS_BAD;
  *list = &functions_2_40;
  return CKR_OK;
}

CK_RV C_GetInterfaceList(CK_INTERFACE *list, CK_ULONG_PTR count) {
  if (count == NULL)
    return CKR_ARGUMENTS_BAD;
  CK_ULONG room = *count;
  *count = INTERFACES;
  if (list == NULL)
    return CKR_OK;
  if (room < INTERFACES)
    return CKR_BUFFER_TOO_SMALL;
  memcpy(list, interfaces, sizeof interfaces);
  return CKR_OK;
}

static bool suits(const CK_INTERFACE *one, const CK_UTF8CHAR *name, const CK_VERSION *version, CK_FLAGS flags) {
  const CK_VERSION *own = one->pFunctionList;
  if (name != NULL && strcmp((const char *)name, (const char *)one->pInterfaceName) != 0)
    return false;
  if (version != NULL && (version->major != own->major || version->minor != own->minor))
    return false;
  return (flags & ~one->flags) == 0;
}

CK_RV C_GetInterface(CK_UTF8CHAR_PTR name, CK_VERSION *version, CK_INTERFACE **interface, CK_FLAGS flags) {
  if (interface == NULL)
    return CKR_ARGUMENTS_BAD;
  for (size_t i = 0; i < INTERFACES; i++) {
    if (suits(&interfaces[i], name, version, flags)) {
      *interface = &interfaces[i];
      return CKR_OK;
    }
  }
  return CKR_FUNCTION_FAILED;
}

// Copied once: the vendor's list is a structure of the caller's to read, with the version before the functions.
static CK_SFNT_CA_FUNCTION_LIST vendor_functions = {.version = {1, 0}};

CK_RV CA_GetFunctionList(CK_SFNT_CA_FUNCTION_LIST **list) {
  if (list == NULL)
    return CKR_ARGUMENTS_BAD;
  *list = &vendor_functions;
  return CKR_OK;
}

__attribute__((constructor)) static void fill_vendor_functions(void) {
  memcpy(vendor_functions.functions, moonlet_ca_functions, sizeof vendor_functions.functions);
}
