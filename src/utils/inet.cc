// inet and cidr (utils/inet.h): addresses with a network mask, read and printed.
//
// A cidr may leave out trailing octets of an IPv4 network, and must have no bit set behind its mask.
#include <arpa/inet.h>
#include <sys/socket.h>

#include <cstring>

extern "C" {
#include "postgres.h"
#include "libpq/pqformat.h"
#include "port.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inet.h"
}

namespace {

// "/n" to the end of the text, at most `most`; -1 if it is none.
int read_bits(const char* text, int most) {
  if (*text++ != '/' || *text == '\0') return -1;
  int bits = 0;
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9') return -1;
    bits = bits * 10 + (*text - '0');
    if (bits > most) return -1;
  }
  return bits;
}

// The mask that a network with left-out octets and no mask has: by the classes of old, but never less than what
// was written.
int class_bits(unsigned first, int octets) {
  const int bits = first >= 240 ? 32 : first >= 224 ? 8 : first >= 192 ? 24 : first >= 128 ? 16 : 8;
  return Max(bits, octets * 8);
}

bool read_ipv4(const char* text, bool is_cidr, unsigned char* address, int* bits) {
  memset(address, 0, 4);
  int octets = 0;
  for (;;) {
    if (*text < '0' || *text > '9' || octets == 4) return false;
    unsigned value = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
      value = value * 10 + static_cast<unsigned>(*text - '0');
      if (value > 255) return false;
    }
    address[octets++] = static_cast<unsigned char>(value);
    if (*text != '.') break;
    text++;
  }
  if (octets < 4 && !is_cidr) return false;
  *bits = *text == '/'    ? read_bits(text, 32)
          : *text == '\0' ? (octets == 4 ? 32 : class_bits(address[0], octets))
                          : -1;
  return *bits >= 0;
}

bool read_ipv6(const char* text, unsigned char* address, int* bits) {
  char plain[INET6_ADDRSTRLEN];
  const char* slash = strchr(text, '/');
  const size_t len = slash != nullptr ? static_cast<size_t>(slash - text) : strlen(text);
  if (len >= sizeof(plain)) return false;
  memcpy(plain, text, len);
  plain[len] = '\0';
  if (inet_pton(AF_INET6, plain, address) != 1) return false;
  *bits = slash != nullptr ? read_bits(slash, 128) : 128;
  return *bits >= 0;
}

bool only_network_bits(const unsigned char* address, int size, int bits) {
  for (int i = bits / 8; i < size; i++) {
    const unsigned mask = i == bits / 8 ? 0xffu >> (bits % 8) : 0xffu;
    if ((address[i] & mask) != 0) return false;
  }
  return true;
}

inet* read_network(const char* text, bool is_cidr) {
  inet* value = static_cast<inet*>(palloc0(sizeof(inet)));
  int bits = -1;
  ip_family(value) = strchr(text, ':') != nullptr ? PGSQL_AF_INET6 : PGSQL_AF_INET;
  const bool good = ip_family(value) == PGSQL_AF_INET6 ? read_ipv6(text, ip_addr(value), &bits)
                                                       : read_ipv4(text, is_cidr, ip_addr(value), &bits);
  if (!good)
    ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                    errmsg("invalid input syntax for type %s: \"%s\"", is_cidr ? "cidr" : "inet", text)));
  if (is_cidr && !only_network_bits(ip_addr(value), ip_addrsize(value), bits))
    ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION), errmsg("invalid cidr value: \"%s\"", text),
                    errdetail("Value has bits set to right of mask.")));
  ip_bits(value) = static_cast<unsigned char>(bits);
  SET_INET_VARSIZE(value);
  return value;
}

char* write_network(const inet* value, bool is_cidr) {
  char text[INET6_ADDRSTRLEN + 8];
  if (pg_inet_net_ntop(ip_family(value), ip_addr(value), ip_bits(value), text, sizeof(text)) == nullptr)
    ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("could not format inet value: %m")));
  if (is_cidr && strchr(text, '/') == nullptr) return psprintf("%s/%u", text, ip_bits(value));
  return pstrdup(text);
}

// The family, the bits of the mask, whether it is a cidr, and the address behind its length.
inet* receive_network(StringInfo message, bool is_cidr) {
  const char* name = is_cidr ? "cidr" : "inet";
  auto invalid = [name](const char* what) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
                    errmsg("invalid %s in external \"%s\" value", what, name)));
  };
  inet* value = static_cast<inet*>(palloc0(sizeof(inet)));
  ip_family(value) = static_cast<unsigned char>(pq_getmsgbyte(message));
  if (ip_family(value) != PGSQL_AF_INET && ip_family(value) != PGSQL_AF_INET6) invalid("address family");
  const int bits = pq_getmsgbyte(message);
  if (bits > ip_maxbits(value)) invalid("bits");
  ip_bits(value) = static_cast<unsigned char>(bits);
  (void)pq_getmsgbyte(message);
  if (pq_getmsgbyte(message) != ip_addrsize(value)) invalid("length");
  for (int i = 0; i < ip_addrsize(value); i++) ip_addr(value)[i] = static_cast<unsigned char>(pq_getmsgbyte(message));
  if (is_cidr && !only_network_bits(ip_addr(value), ip_addrsize(value), bits))
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("invalid external \"cidr\" value"),
             errdetail("Value has bits set to right of mask.")));
  SET_INET_VARSIZE(value);
  return value;
}

bytea* send_network(inet* value, bool is_cidr) {
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendbyte(&out, ip_family(value));
  pq_sendbyte(&out, ip_bits(value));
  pq_sendbyte(&out, is_cidr ? 1 : 0);
  pq_sendbyte(&out, static_cast<uint8>(ip_addrsize(value)));
  pq_sendbytes(&out, reinterpret_cast<const char*>(ip_addr(value)), ip_addrsize(value));
  return pq_endtypsend(&out);
}

int compare(const inet* a, const inet* b) {
  if (ip_family(a) != ip_family(b)) return ip_family(a) - ip_family(b);
  int order = bitncmp(ip_addr(a), ip_addr(b), Min(ip_bits(a), ip_bits(b)));
  if (order == 0) order = static_cast<int>(ip_bits(a)) - static_cast<int>(ip_bits(b));
  return order != 0 ? order : bitncmp(ip_addr(a), ip_addr(b), ip_maxbits(a));
}

}  // namespace

extern "C" {

Datum inet_in(PG_FUNCTION_ARGS) {
  PG_RETURN_INET_P(read_network(PG_GETARG_CSTRING(0), false));
}
Datum cidr_in(PG_FUNCTION_ARGS) {
  PG_RETURN_INET_P(read_network(PG_GETARG_CSTRING(0), true));
}
Datum inet_out(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(write_network(PG_GETARG_INET_PP(0), false));
}
Datum cidr_out(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(write_network(PG_GETARG_INET_PP(0), true));
}

Datum inet_recv(PG_FUNCTION_ARGS) {
  PG_RETURN_INET_P(receive_network(reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0)), false));
}
Datum cidr_recv(PG_FUNCTION_ARGS) {
  PG_RETURN_INET_P(receive_network(reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0)), true));
}
Datum inet_send(PG_FUNCTION_ARGS) {
  PG_RETURN_BYTEA_P(send_network(PG_GETARG_INET_PP(0), false));
}
Datum cidr_send(PG_FUNCTION_ARGS) {
  PG_RETURN_BYTEA_P(send_network(PG_GETARG_INET_PP(0), true));
}

Datum network_eq(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(PG_GETARG_INET_PP(0), PG_GETARG_INET_PP(1)) == 0);
}
Datum network_cmp(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(compare(PG_GETARG_INET_PP(0), PG_GETARG_INET_PP(1)));
}

// Cuts the zone of a scoped address off, in place: inet has none.
void clean_ipv6_addr(int addr_family, char* addr) {
  if (addr_family != AF_INET6) return;
  char* percent = strchr(addr, '%');
  if (percent != nullptr) *percent = '\0';
}

int bitncmp(const unsigned char* l, const unsigned char* r, int n) {
  const int order = memcmp(l, r, static_cast<size_t>(n / 8));
  if (order != 0 || n % 8 == 0) return order;
  const int shift = 8 - n % 8;
  const int left = l[n / 8] >> shift, right = r[n / 8] >> shift;
  return (left > right) - (left < right);
}

int bitncommon(const unsigned char* l, const unsigned char* r, int n) {
  for (int i = 0; i < n; i++) {
    const int mask = 0x80 >> (i % 8);
    if (((l[i / 8] ^ r[i / 8]) & mask) != 0) return i;
  }
  return n;
}

}  // extern "C"
