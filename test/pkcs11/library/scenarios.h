// Calls with arguments of chance, whose every buffer is exactly as long as it is said to be: a sanitizer sees a byte too many.
#ifndef MOONLET_SCENARIOS_H
#define MOONLET_SCENARIOS_H

#include "library.h"

// A generator of chance: xorshift, not 0.
typedef uint64_t Chance;
uint32_t chance(Chance *state, uint32_t below);

#define SCENARIOS 26

// One of them. Ends the program where a call that answers CKR_OK has not kept to its buffer.
CK_RV scenario(unsigned which, Chance *state);

#endif
