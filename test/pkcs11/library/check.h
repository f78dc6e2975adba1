// What the test programs share.
#ifndef MOONLET_CHECK_H
#define MOONLET_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(holds)                                                      \
  do {                                                                    \
    if (!(holds)) {                                                       \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #holds); \
      _Exit(1);                                                           \
    }                                                                     \
  } while (0)

// The call answers this CK_RV.
#define ANSWERS(ckr, call)                                                                                     \
  do {                                                                                                         \
    CK_RV answered_ = (call);                                                                                  \
    if (answered_ != (CK_RV)(ckr)) {                                                                           \
      fprintf(stderr, "%s:%d: %s is 0x%lx, not 0x%lx\n", __FILE__, __LINE__, #call, answered_, (CK_RV)(ckr)); \
      _Exit(1);                                                                                                \
    }                                                                                                          \
  } while (0)

#endif
