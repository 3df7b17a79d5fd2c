// Changing the case of strings (utils/formatting.h). ASCII letters only: whatever the collation, no locale of
// the upstream's is known here.
extern "C" {
#include "postgres.h"
#include "utils/formatting.h"
}

extern "C" {

char* asc_tolower(const char* buff, size_t nbytes) {
  if (!buff) return nullptr;
  char* result = pnstrdup(buff, nbytes);
  for (char* at = result; *at; ++at) *at = static_cast<char>(pg_ascii_tolower(static_cast<unsigned char>(*at)));
  return result;
}

char* asc_toupper(const char* buff, size_t nbytes) {
  if (!buff) return nullptr;
  char* result = pnstrdup(buff, nbytes);
  for (char* at = result; *at; ++at) *at = static_cast<char>(pg_ascii_toupper(static_cast<unsigned char>(*at)));
  return result;
}

// The first letter of each run of letters and digits in upper case, the others in lower case.
char* asc_initcap(const char* buff, size_t nbytes) {
  if (!buff) return nullptr;
  char* result = pnstrdup(buff, nbytes);
  bool inside = false;
  for (char* at = result; *at; ++at) {
    unsigned char byte = static_cast<unsigned char>(*at);
    *at = static_cast<char>(inside ? pg_ascii_tolower(byte) : pg_ascii_toupper(byte));
    inside = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
  }
  return result;
}

char* str_tolower(const char* buff, size_t nbytes, Oid collid) {
  return asc_tolower(buff, nbytes);
}
char* str_toupper(const char* buff, size_t nbytes, Oid collid) {
  return asc_toupper(buff, nbytes);
}
char* str_initcap(const char* buff, size_t nbytes, Oid collid) {
  return asc_initcap(buff, nbytes);
}

}  // extern "C"
