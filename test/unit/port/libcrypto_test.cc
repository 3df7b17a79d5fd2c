// The functions of libcrypto that the distribution's libpgcommon calls do what they are called for, though the
// library is loaded late.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

extern "C" {
#include "postgres.h"
#include "common/cryptohash.h"
#include "common/hmac.h"
#include "common/sha2.h"
}

namespace {

std::string hex(const uint8* bytes, size_t size) {
  std::string text;
  for (size_t i = 0; i < size; i++) {
    char two[3];
    snprintf(two, sizeof two, "%02x", bytes[i]);
    text += two;
  }
  return text;
}

// FIPS 180-2, appendix B.1.
TEST(Libcrypto, Sha256OfAbc) {
  uint8 digest[PG_SHA256_DIGEST_LENGTH];
  const uint8 abc[] = {'a', 'b', 'c'};
  pg_cryptohash_ctx* context = pg_cryptohash_create(PG_SHA256);
  ASSERT_NE(context, nullptr);
  EXPECT_GE(pg_cryptohash_init(context), 0);
  EXPECT_GE(pg_cryptohash_update(context, abc, sizeof abc), 0);
  EXPECT_GE(pg_cryptohash_final(context, digest, sizeof digest), 0);
  pg_cryptohash_free(context);
  EXPECT_EQ(hex(digest, sizeof digest), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// RFC 4231, test case 2.
TEST(Libcrypto, HmacSha256) {
  uint8 digest[PG_SHA256_DIGEST_LENGTH];
  const std::string key = "Jefe", data = "what do ya want for nothing?";
  pg_hmac_ctx* context = pg_hmac_create(PG_SHA256);
  ASSERT_NE(context, nullptr);
  EXPECT_GE(pg_hmac_init(context, reinterpret_cast<const uint8*>(key.data()), key.size()), 0);
  EXPECT_GE(pg_hmac_update(context, reinterpret_cast<const uint8*>(data.data()), data.size()), 0);
  EXPECT_GE(pg_hmac_final(context, digest, sizeof digest), 0);
  pg_hmac_free(context);
  EXPECT_EQ(hex(digest, sizeof digest), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Libcrypto, RandomBytesDiffer) {
  uint64 a = 0, b = 0;
  ASSERT_TRUE(pg_strong_random(&a, sizeof a));
  ASSERT_TRUE(pg_strong_random(&b, sizeof b));
  EXPECT_NE(a, b);
}

}  // namespace
