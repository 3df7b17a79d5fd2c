// How far two texts are apart (utils/varlena.h): the least cost of inserting, deleting and substituting
// characters that makes the one the other. Characters are those of the database's encoding, of any number of
// bytes. C style.
#include <cstring>

extern "C" {
#include "postgres.h"
#include "mb/pg_wchar.h"
#include "utils/varlena.h"
}

namespace {

constexpr int longest = 255;  // characters, of what is not trusted

// Where the characters of `text` begin, and its end behind the last: `count` + 1 places.
const char** starts_of(const char* text, int length, int count) {
  const char** starts = static_cast<const char**>(palloc(sizeof(char*) * (static_cast<size_t>(count) + 1)));
  const char* end = text + length;
  for (int i = 0; i < count; i++) {
    starts[i] = text;
    text += pg_mblen_range(text, end);
  }
  starts[count] = text;
  return starts;
}

bool same(const char* const* a, const char* const* b) {
  size_t length = static_cast<size_t>(a[1] - a[0]);
  return b[1] - b[0] == a[1] - a[0] && memcmp(a[0], b[0], length) == 0;
}

// `limit` < 0: none; else a distance above it is told as limit + 1.
int distance(const char* source, int slen, const char* target, int tlen, int ins_c, int del_c, int sub_c,
             int limit, bool trusted) {
  int m = pg_mbstrlen_with_len(source, slen);
  int n = pg_mbstrlen_with_len(target, tlen);
  if (m == 0) return n * ins_c;
  if (n == 0) return m * del_c;
  if (!trusted && (m > longest || n > longest))
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("levenshtein argument exceeds maximum length of %d characters", longest)));
  if (limit >= 0 && (n > m ? (n - m) * ins_c : (m - n) * del_c) > limit) return limit + 1;

  const char** from = starts_of(source, slen, m);
  const char** to = starts_of(target, tlen, n);
  // costs[i]: from the first i characters of the source to those of the target that have been gone through.
  int* costs = static_cast<int*>(palloc(sizeof(int) * (static_cast<size_t>(m) + 1)));
  for (int i = 0; i <= m; i++) costs[i] = i * del_c;
  for (int j = 1; j <= n; j++) {
    int diagonal = costs[0];
    costs[0] = j * ins_c;
    int least = costs[0];
    for (int i = 1; i <= m; i++) {
      int cost = Min(costs[i] + ins_c, costs[i - 1] + del_c);
      cost = Min(cost, diagonal + (same(from + i - 1, to + j - 1) ? 0 : sub_c));
      diagonal = costs[i];
      costs[i] = cost;
      least = Min(least, cost);
    }
    if (limit >= 0 && least > limit) break;
  }
  int result = costs[m];
  pfree(costs);
  pfree(to);
  pfree(from);
  return limit >= 0 && result > limit ? limit + 1 : result;
}

}  // namespace

extern "C" {

int varstr_levenshtein(const char* source, int slen, const char* target, int tlen, int ins_c, int del_c,
                       int sub_c, bool trusted) {
  return distance(source, slen, target, tlen, ins_c, del_c, sub_c, -1, trusted);
}

int varstr_levenshtein_less_equal(const char* source, int slen, const char* target, int tlen, int ins_c,
                                  int del_c, int sub_c, int max_d, bool trusted) {
  return distance(source, slen, target, tlen, ins_c, del_c, sub_c, max_d, trusted);
}

}  // extern "C"
