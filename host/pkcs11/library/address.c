// Where the server listens: MOONLET_PKCS11, else `Moonlet = { Socket = PATH; }` in Chrystoki.conf, else the lab in its usual place.
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "library.h"

#define CONFIGURATION_MOST 65536
#define SECTION "Moonlet"
#define KEY "Socket"

static bool keep(char *path, size_t room, const char *text, size_t length) {
  if (length == 0 || length >= room)
    return false;
  memcpy(path, text, length);
  path[length] = '\0';
  return true;
}

// The form that p11-kit's variable has too.
static bool keep_address(char *path, size_t room, const char *text) {
  static const char prefix[] = "unix:path=";
  if (strncmp(text, prefix, sizeof prefix - 1) == 0)
    text += sizeof prefix - 1;
  return keep(path, room, text, strlen(text));
}

static const char *skip_space(const char *at) {
  while (*at != '\0') {
    if (*at == '#')
      at += strcspn(at, "\n");
    else if (isspace((unsigned char)*at))
      at++;
    else
      break;
  }
  return at;
}

// A name and what follows it up to one of the stops; its end without spaces.
static const char *word_end(const char *at, const char *stops) {
  const char *end = at + strcspn(at, stops);
  while (end > at && isspace((unsigned char)end[-1]))
    end--;
  return end;
}

static bool is_word(const char *at, const char *end, const char *word) {
  return strlen(word) == (size_t)(end - at) && memcmp(at, word, (size_t)(end - at)) == 0;
}

// Looks through `Section = { Key = value; … }`.
static bool find_in(const char *text, char *path, size_t room) {
  const char *at = skip_space(text);
  while (*at != '\0') {
    bool ours = is_word(at, word_end(at, "={"), SECTION);
    at += strcspn(at, "{");
    if (*at == '\0')
      return false;
    at = skip_space(at + 1);
    while (*at != '\0' && *at != '}') {
      const char *key_end = word_end(at, "=;}");
      const char *equals = at + strcspn(at, "=;}");
      if (*equals != '=') {
        at = skip_space(*equals == ';' ? equals + 1 : equals);
        continue;
      }
      const char *value = skip_space(equals + 1);
      if (ours && is_word(at, key_end, KEY))
        return keep(path, room, value, (size_t)(word_end(value, ";}\n") - value));
      at = value + strcspn(value, ";}");
      at = skip_space(*at == ';' ? at + 1 : at);
    }
    if (*at == '}')
      at = skip_space(at + 1);
  }
  return false;
}

static bool find_in_file(const char *name, char *path, size_t room) {
  FILE *file = fopen(name, "re");
  if (file == NULL)
    return false;
  char *text = malloc(CONFIGURATION_MOST);
  bool found = false;
  if (text != NULL) {
    size_t length = fread(text, 1, CONFIGURATION_MOST - 1, file);
    text[length] = '\0';
    found = find_in(text, path, room);
  }
  free(text);
  fclose(file);
  return found;
}

static bool find_configured(char *path, size_t room) {
  const char *folder = secure_getenv("ChrystokiConfigurationPath");
  if (folder == NULL || *folder == '\0')
    return find_in_file("/etc/Chrystoki.conf", path, room);
  char name[4096];
  int length = snprintf(name, sizeof name, "%s/Chrystoki.conf", folder);
  return length > 0 && (size_t)length < sizeof name && find_in_file(name, path, room);
}

static bool find_usual(char *path, size_t room) {
  const char *base = secure_getenv("XDG_STATE_HOME");
  const char *home = secure_getenv("HOME");
  int length;
  if (base != NULL && *base == '/')
    length = snprintf(path, room, "%s/moonlet/pkcs11/socket", base);
  else if (home != NULL && *home != '\0')
    length = snprintf(path, room, "%s/.local/state/moonlet/pkcs11/socket", home);
  else
    return false;
  return length > 0 && (size_t)length < room;
}

bool address_find(char *path, size_t room) {
  const char *given = secure_getenv("MOONLET_PKCS11");
  if (given != NULL && *given != '\0')
    return keep_address(path, room, given);
  return find_configured(path, room) || find_usual(path, room);
}
