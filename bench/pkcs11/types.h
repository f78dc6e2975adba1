/* The few types of PKCS#11 v2.40 that the C programs of the bench need. */
#ifndef BENCH_PKCS11_TYPES_H
#define BENCH_PKCS11_TYPES_H

typedef unsigned long ulong_t;
typedef unsigned char byte_t;

typedef struct {
  ulong_t type;
  void *value;
  ulong_t length;
} attribute_t;

typedef struct {
  ulong_t mechanism;
  void *parameter;
  ulong_t length;
} mechanism_t;

#endif
