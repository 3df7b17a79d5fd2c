// The properties: a tuple gives back the values it was formed from, by every way of reading it; a tuple built
// from text equals, byte for byte, the one that heap_form_tuple makes of the same values; copies, modifications
// and conversions keep the values; what the fast readers accept they read as the types' input functions do.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "bridge/tuple_builder.hpp"
#include "support/caught.hpp"

extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/typcache.h"
}

namespace {

unsigned run_seed() {
  const char* given = getenv("BGW_TEST_SEED");
  const unsigned seed =
      given != nullptr ? static_cast<unsigned>(strtoul(given, nullptr, 10)) : std::random_device{}();
  printf("BGW_TEST_SEED=%u\n", seed);
  return seed;
}

constexpr Oid kinds[] = {BOOLOID,    INT2OID, INT4OID, INT8OID,  TEXTOID,      NAMEOID, FLOAT8OID,
                         VARCHAROID, CHAROID, UUIDOID, BYTEAOID, INT4ARRAYOID, JSONOID, OIDOID};

std::string random_text(Oid type, std::mt19937& random) {
  auto below = [&](unsigned n) { return random() % n; };
  switch (type) {
    case BOOLOID:
      return below(2) != 0 ? "t" : "f";
    case INT2OID:
      return std::to_string(static_cast<int>(below(65536)) - 32768);
    case INT4OID:
      return std::to_string(static_cast<int>(random()));
    case INT8OID:
      return std::to_string(static_cast<int64_t>((static_cast<uint64_t>(random()) << 32) | random()));
    case OIDOID:
      return std::to_string(random() >> 1);  // above, a fetched Datum has other high bits
    case FLOAT8OID:
      return std::to_string(static_cast<int>(random())) + ".5";
    case NAMEOID:
      return std::string(below(64), 'n');
    case CHAROID:
      return "c";
    case UUIDOID:
      return "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    case BYTEAOID:
      return "\\x00ff";
    case INT4ARRAYOID:
      return "{1,NULL,3}";
    case JSONOID:
      return "{\"a\": 1}";
    default:
      return std::string(below(10) == 0 ? 100 + below(60) : below(9), 't');
  }
}

struct Row {
  TupleDesc desc;
  std::vector<std::string> texts;
  std::vector<const char*> pointers;
  std::vector<int> lengths;
  Datum values[64];
  bool isnull[64];
};

void random_row(std::mt19937& random, bool nulls, Row* row) {
  const int n = 1 + static_cast<int>(random() % 20);
  std::vector<std::string> names;
  std::vector<const char*> name_pointers;
  std::vector<Oid> types;
  for (int i = 0; i < n; i++) {
    names.push_back("column" + std::to_string(i));
    types.push_back(kinds[random() % (sizeof(kinds) / sizeof(kinds[0]))]);
  }
  for (const std::string& name : names) name_pointers.push_back(name.c_str());
  row->desc = bgw::build_result_tupdesc(n, name_pointers.data(), types.data(), nullptr);
  for (int i = 0; i < n; i++) row->texts.push_back(random_text(types[static_cast<size_t>(i)], random));
  for (int i = 0; i < n; i++) {
    const size_t at = static_cast<size_t>(i);
    row->isnull[i] = nulls && random() % 4 == 0;
    row->pointers.push_back(row->isnull[i] ? nullptr : row->texts[at].c_str());
    row->lengths.push_back(static_cast<int>(row->texts[at].size()));
    row->values[i] = 0;
    if (!row->isnull[i])
      bgw::type_from_text(bgw::lookup_type(types[at]), InvalidOid, -1, row->texts[at].c_str(),
                          row->texts[at].size(), &row->values[i]);
  }
}

void expect_values(HeapTuple tuple, Row* row) {
  Datum values[64];
  bool isnull[64];
  TupleDesc fresh = CreateTupleDescCopy(row->desc);
  for (int i = 0; i < fresh->natts; i++) TupleDescAttr(fresh, i)->attcacheoff = -1;
  // Backwards first, so that offsets are not known yet; then again with those that are.
  for (int pass = 0; pass < 2; pass++) {
    for (int i = fresh->natts - 1; i >= 0; i--) {
      bool null;
      const Datum value = heap_getattr(tuple, i + 1, fresh, &null);
      const FormData_pg_attribute* att = TupleDescAttr(fresh, i);
      ASSERT_EQ(null, row->isnull[i]);
      ASSERT_EQ(heap_attisnull(tuple, i + 1, fresh), row->isnull[i]);
      if (null) continue;
      ASSERT_TRUE(datum_image_eq(value, row->values[i], att->attbyval, att->attlen)) << i;
    }
  }
  heap_deform_tuple(tuple, row->desc, values, isnull);
  for (int i = 0; i < row->desc->natts; i++) {
    const FormData_pg_attribute* att = TupleDescAttr(row->desc, i);
    ASSERT_EQ(isnull[i], row->isnull[i]);
    if (isnull[i]) continue;
    ASSERT_TRUE(datum_image_eq(values[i], row->values[i], att->attbyval, att->attlen)) << i;
  }
}

TEST(HeapTuple, GivesBackWhatItWasFormedFrom) {
  std::mt19937 random(run_seed());
  for (int round = 0; round < 300; round++) {
    Row row;
    random_row(random, round % 2 == 0, &row);
    HeapTuple formed = heap_form_tuple(row.desc, row.values, row.isnull);
    expect_values(formed, &row);

    bgw::TupleBuilder* builder = bgw::make_tuple_builder(row.desc);
    HeapTuple built = bgw::build_tuple(builder, row.pointers.data(), row.lengths.data());
    ASSERT_EQ(built->t_len, formed->t_len);
    ASSERT_EQ(memcmp(built->t_data, formed->t_data, built->t_len), 0);
    bgw::free_tuple_builder(builder);

    expect_values(heap_copytuple(formed), &row);
    MinimalTuple minimal = heap_form_minimal_tuple(row.desc, row.values, row.isnull);
    expect_values(heap_tuple_from_minimal_tuple(minimal), &row);
    MinimalTuple converted = minimal_tuple_from_heap_tuple(formed);
    ASSERT_EQ(converted->t_len, minimal->t_len);
    ASSERT_EQ(
        memcmp(&converted->t_infomask2, &minimal->t_infomask2, minimal->t_len - MINIMAL_TUPLE_DATA_OFFSET), 0);

    bool replace[64] = {};
    const int changed = static_cast<int>(random() % static_cast<unsigned>(row.desc->natts));
    replace[changed] = true;
    row.isnull[changed] = true;
    expect_values(heap_modify_tuple(formed, row.desc, row.values, row.isnull, replace), &row);
  }
}

TEST(HeapTuple, OtherTypesHoldTheirText) {
  const char* names[] = {"p"};
  const Oid types[] = {PG_NDISTINCTOID};
  TupleDesc desc = bgw::build_result_tupdesc(1, names, types, nullptr);
  EXPECT_FALSE(bgw::is_constructible(TupleDescAttr(desc, 0)));
  EXPECT_EQ(TupleDescAttr(desc, 0)->attlen, -1);
  const char* values[] = {"{\"1, 2\": 3}"};
  const int lengths[] = {11};
  HeapTuple tuple = bgw::build_tuple(bgw::make_tuple_builder(desc), values, lengths);
  bool isnull;
  const Datum value = heap_getattr(tuple, 1, desc, &isnull);
  EXPECT_STREQ(bgw::type_to_text(bgw::lookup_type(PG_NDISTINCTOID), value), "{\"1, 2\": 3}");
  EXPECT_STREQ(bgw::lookup_type(PG_NDISTINCTOID)->name, "pg_ndistinct");
  EXPECT_EQ(bgw::find_type(123456), nullptr);
}

TEST(TypeIo, FastReadersAgreeWithInputFunctions) {
  struct {
    Oid type;
    const char* text;
  } cases[] = {{INT2OID, "-32768"},
               {INT4OID, "2147483647"},
               {INT8OID, "-9223372036854775808"},
               {INT8OID, "123"},
               {OIDOID, "4294967295"},
               {FLOAT8OID, "1e308"},
               {FLOAT8OID, "-0"},
               {FLOAT8OID, "NaN"},
               {FLOAT8OID, "-Infinity"},
               {FLOAT4OID, "1.1754944e-38"},
               {DATEOID, "2000-02-29"},
               {DATEOID, "0001-01-01"},
               {DATEOID, "0044-03-15 BC"},
               {DATEOID, "9999-12-31"},
               {DATEOID, "10000-01-01"},
               {TIMESTAMPOID, "1999-12-31 23:59:59.999999"},
               {TIMESTAMPOID, "infinity"},
               {TIMESTAMPTZOID, "2024-02-29 12:00:00+05:30"},
               {TIMESTAMPTZOID, "1900-01-01 00:00:00.1-00:17:30"},
               {TIMESTAMPTZOID, "2262-04-11 23:47:16.854775+14"}};
  for (const auto& one : cases) {
    const bgw::TypeInfo* type = bgw::lookup_type(one.type);
    Datum fast;
    ASSERT_TRUE(bgw::type_from_text(type, InvalidOid, -1, one.text, strlen(one.text), &fast));
    const Datum slow = OidInputFunctionCall(type->typinput, pstrdup(one.text), type->oid, -1);
    EXPECT_EQ(fast, slow) << type->name << " " << one.text;
  }
}

TEST(TupleDesc, RecordsGetNumbers) {
  const auto make = [](Oid second) {
    TupleDesc desc = CreateTemplateTupleDesc(2);
    TupleDescInitEntry(desc, 1, "a", INT4OID, -1, 0);
    TupleDescInitEntry(desc, 2, "b", second, -1, 0);
    return desc;
  };
  TupleDesc one = BlessTupleDesc(make(TEXTOID)), same = BlessTupleDesc(make(TEXTOID)),
            other = BlessTupleDesc(make(INT8OID));
  EXPECT_GE(one->tdtypmod, 0);
  EXPECT_EQ(one->tdtypmod, same->tdtypmod);
  EXPECT_NE(one->tdtypmod, other->tdtypmod);
  EXPECT_TRUE(equalTupleDescs(one, same));
  EXPECT_EQ(hashTupleDesc(one), hashTupleDesc(same));
  TupleDesc found = lookup_rowtype_tupdesc(RECORDOID, other->tdtypmod);
  EXPECT_EQ(TupleDescAttr(found, 1)->atttypid, static_cast<Oid>(INT8OID));
  ReleaseTupleDesc(found);

  char first[] = "7", second[] = "seven";
  char* values[] = {first, second};
  HeapTuple tuple = BuildTupleFromCStrings(TupleDescGetAttInMetadata(one), values);
  bool isnull;
  EXPECT_EQ(DatumGetInt32(heap_getattr(tuple, 1, one, &isnull)), 7);
  EXPECT_STREQ(TextDatumGetCString(heap_getattr(tuple, 2, one, &isnull)), "seven");
}

TEST(Fmgr, CallsByOidAndNamesWhatIsMissing) {
  EXPECT_EQ(DatumGetInt32(OidFunctionCall1(1257, CStringGetTextDatum("äbc"))), 3);  // textlen
  const bgw_test::Caught missing = bgw_test::caught([](void*) { OidFunctionCall1(999999, 0); });
  EXPECT_TRUE(missing.raised);
  EXPECT_EQ(missing.message, "function with OID 999999 is not available outside the server");
  EXPECT_EQ(missing.sqlstate, "0A000");
}

}  // namespace
