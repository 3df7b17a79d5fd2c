// libcrypto, loaded when it is first needed: the few functions of it that the distribution's libpgcommon and
// libpgport call.
//
// Linked, it would add five mappings and a hundred pages of relocated data to every process that is forked, and
// hardly any worker hashes anything. The names below are the program's own and are not exported, so a library
// that brings libcrypto along (libpq does) is not affected. Any process may call them; not from signal
// handlers.
#define OPENSSL_SUPPRESS_DEPRECATED

#include <dlfcn.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <cstdio>

namespace {

[[noreturn]] void cannot_load() noexcept {
  const char* reason = dlerror();
  std::fprintf(stderr, "bgworkerd: could not load libcrypto: %s\n", reason ? reason : "unknown reason");
  std::fprintf(stderr, "bgworkerd: install OpenSSL's library (Debian package libssl3)\n");
  std::fflush(stderr);
  ::_exit(1);
}

void* find(const char* name) noexcept {
  static void* library = dlopen(BGW_LIBCRYPTO_SONAME, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) cannot_load();
  void* address = dlsym(library, name);
  if (address == nullptr) cannot_load();
  return address;
}

}  // namespace

#define FORWARD(result, name, parameters, arguments)                         \
  result name parameters {                                                   \
    static const auto real = reinterpret_cast<decltype(&name)>(find(#name)); \
    return real arguments;                                                   \
  }

extern "C" {

FORWARD(int, CRYPTO_memcmp, (const void* a, const void* b, size_t size), (a, b, size))
FORWARD(void, ERR_clear_error, (void), ())
FORWARD(unsigned long, ERR_get_error, (void), ())
FORWARD(const char*, ERR_reason_error_string, (unsigned long error), (error))
FORWARD(int, EVP_DigestFinal_ex, (EVP_MD_CTX * context, unsigned char* digest, unsigned int* size),
        (context, digest, size))
FORWARD(int, EVP_DigestInit_ex, (EVP_MD_CTX * context, const EVP_MD* type, ENGINE* engine),
        (context, type, engine))
FORWARD(int, EVP_DigestUpdate, (EVP_MD_CTX * context, const void* data, size_t size), (context, data, size))
FORWARD(void, EVP_MD_CTX_free, (EVP_MD_CTX * context), (context))
FORWARD(EVP_MD_CTX*, EVP_MD_CTX_new, (void), ())
FORWARD(const EVP_MD*, EVP_md5, (void), ())
FORWARD(const EVP_MD*, EVP_sha1, (void), ())
FORWARD(const EVP_MD*, EVP_sha224, (void), ())
FORWARD(const EVP_MD*, EVP_sha256, (void), ())
FORWARD(const EVP_MD*, EVP_sha384, (void), ())
FORWARD(const EVP_MD*, EVP_sha512, (void), ())
FORWARD(void, HMAC_CTX_free, (HMAC_CTX * context), (context))
FORWARD(HMAC_CTX*, HMAC_CTX_new, (void), ())
FORWARD(int, HMAC_Final, (HMAC_CTX * context, unsigned char* digest, unsigned int* size),
        (context, digest, size))
FORWARD(int, HMAC_Init_ex, (HMAC_CTX * context, const void* key, int size, const EVP_MD* type, ENGINE* engine),
        (context, key, size, type, engine))
FORWARD(int, HMAC_Update, (HMAC_CTX * context, const unsigned char* data, size_t size), (context, data, size))
FORWARD(int, RAND_bytes, (unsigned char* bytes, int count), (bytes, count))
FORWARD(int, RAND_poll, (void), ())
FORWARD(int, RAND_status, (void), ())
}
