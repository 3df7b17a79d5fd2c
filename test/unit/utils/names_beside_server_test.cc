// The property: lists of names taken apart, texts quoted, and names of types are what the server makes of the same texts in
// SQL, errors included.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/random_cases.hpp"

extern "C" {
#include "postgres.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/varlena.h"
}

namespace {

using namespace bgw_test;

const std::vector<const char*> name_pieces{"a",      "B",  "\"",       "\"\"",    ",",        ", ",
                                           " ",      "c1", "\xc3\xa9", ".",       "'",        "\"a b\"",
                                           "select", "_",  "$",        "\"C,d\"", "a, \"B\"", "\t"};

char* split_identifiers(std::string* text) {
  List* names;
  if (!SplitIdentifierString(pstrdup(text->c_str()), ',', &names))
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("invalid value for parameter \"search_path\": \"%s\"", text->c_str())));
  // As the server uses it: schemas that exist, each once.
  StringInfoData list;
  initStringInfo(&list);
  for (int i = 0; i < list_length(names); i++) {
    const char* name = static_cast<const char*>(list_nth(names, i));
    bool seen = strcmp(name, "a") != 0 && strcmp(name, "a b") != 0 && strcmp(name, "C,d") != 0 &&
                strcmp(name, "B") != 0 && strcmp(name, "c1") != 0 && strcmp(name, "b") != 0 &&
                strcmp(name, "select") != 0 && strcmp(name, "\"") != 0 && strcmp(name, "_") != 0;
    for (int k = 0; k < i; k++) seen = seen || strcmp(name, static_cast<const char*>(list_nth(names, k))) == 0;
    if (!seen) appendStringInfo(&list, "[%s]", name);
  }
  return list.data;
}

char* split_settings(std::string* text) {
  List* names;
  if (!SplitGUCList(pstrdup(text->c_str()), ',', &names)) elog(ERROR, "invalid list syntax in proconfig item");
  StringInfoData list;
  initStringInfo(&list);
  for (int i = 0; i < list_length(names); i++)
    appendStringInfo(&list, "%s%s", i ? ", " : "",
                     quote_literal_cstr(static_cast<const char*>(list_nth(names, i))));
  return list.data;
}

char* qualified_name(std::string* text) {
  List* names = textToQualifiedNameList(cstring_to_text(text->c_str()));
  if (list_length(names) > 1 || strchr(strVal(list_nth(names, 0)), '.') != nullptr)
    return pstrdup("more than one name");
  ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                  errmsg("relation \"%s\" does not exist", strVal(list_nth(names, 0)))));
}

TEST(DataToolsBesideServer, ListsOfNames) {
  BesideServer server;
  Random random(comparison_seed());
  for (const char* name : {"a", "\"a b\"", "\"C,d\"", "\"B\"", "c1", "b", "\"select\"", "\"\"\"\"", "_"})
    query(server.connection(), std::string("create schema ") + name);
  query(server.connection(),
        "create function public.path_of(t text) returns text language plpgsql as $$ begin "
        "perform set_config('search_path', t, true); "
        "return coalesce((select string_agg('[' || s || ']', '' order by n) from "
        "unnest(pg_catalog.current_schemas(false)) with ordinality u(s, n)), ''); end $$; "
        "create function public.libraries_of(t text) returns text language plpgsql as $$ begin "
        "perform set_config('session_preload_libraries', t, true); "
        "create or replace function public.holder() returns int language sql set session_preload_libraries "
        "from current "
        "as 'select 1'; "
        "t = substring(pg_get_functiondef('public.holder'::regproc) from 'session_preload_libraries TO "
        "([^\\n]*)\\n'); "
        "return t; end $$; "
        "create function public.named(t text) returns text language plpgsql as $$ begin "
        "return pg_get_serial_sequence(t, 'c'); "
        "exception when undefined_table then if sqlerrm !~ '[.]' then raise; end if; return 'more than one "
        "name'; "
        "when invalid_schema_name or feature_not_supported or syntax_error then return 'more than "
        "one name'; end $$");
  std::vector<std::string> expressions;
  std::vector<Answer> host;
  for (int i = 0; i < 400; i++) {
    std::string text = random.pieces(name_pieces, 6);
    expressions.push_back("public.path_of(" + sql_literal(text) + ")");
    host.push_back(answer_of(split_identifiers, &text));
    if (text.find_first_not_of(" \t") != std::string::npos) {
      expressions.push_back("public.libraries_of(" + sql_literal(text) + ")");
      host.push_back(answer_of(split_settings, &text));
    }
    expressions.push_back("public.named(" + sql_literal(text) + ")");
    host.push_back(answer_of(qualified_name, &text));
  }
  server.compare(expressions, host, "lists of names");
}

char* json_escaped(std::string* text) {
  StringInfoData json;
  initStringInfo(&json);
  escape_json(&json, text->c_str());
  return json.data;
}

char* identifier_quoted(std::string* text) {
  return pstrdup(quote_identifier(text->c_str()));
}

char* qualified_quoted(std::string* text) {
  return quote_qualified_identifier("B c", text->c_str());
}

char* literal_quoted(std::string* text) {
  return quote_literal_cstr(text->c_str());
}

TEST(DataToolsBesideServer, Quoting) {
  BesideServer server;
  Random random(comparison_seed());
  const std::vector<const char*> pieces{"a",  "B",        "\"",           "'", "\\", "\n", "\x01", "\x1f", "/",
                                        "<",  "\xc3\xa9", "\xe2\x82\xac", "_", "9",  " ",  "\t",   "\b",   "\f",
                                        "\r", "\x7f",     "table",        "$"};
  std::vector<std::string> expressions;
  std::vector<Answer> host;
  for (int i = 0; i < 500; i++) {
    std::string text = random.below(4)
                           ? random.pieces(pieces, 6)
                           : std::string(random.one_of({"select", "abort", "between", "year", "user", "table",
                                                        "level", "int", "left", "abc_1", "Abc", "1a", "a$b"}));
    std::string sql = sql_literal(text) + "::text";
    expressions.push_back("to_json(" + sql + ")");
    host.push_back(answer_of(json_escaped, &text));
    expressions.push_back("quote_ident(" + sql + ")");
    host.push_back(answer_of(identifier_quoted, &text));
    expressions.push_back("quote_ident('B c') || '.' || quote_ident(" + sql + ")");
    host.push_back(answer_of(qualified_quoted, &text));
    expressions.push_back("quote_literal(" + sql + ")");
    host.push_back(answer_of(literal_quoted, &text));
  }
  server.compare(expressions, host, "quoting");
}

struct TypeCase {
  Oid oid;
  int32 typmod;
};

char* type_named(TypeCase* c) {
  return format_type_with_typemod(c->oid, c->typmod);
}

char* type_named_plainly(TypeCase* c) {
  return format_type_be(c->oid);
}

// The types that a cluster has from the start, with and without modifiers, and OIDs that are none.
TEST(DataToolsBesideServer, NamesOfTypes) {
  BesideServer server;
  Random random(comparison_seed());
  PGresult* rows = PQexec(server.connection(), "select oid from pg_type where oid < 10000 order by oid");
  ASSERT_EQ(PQresultStatus(rows), PGRES_TUPLES_OK);
  std::vector<std::string> expressions;
  std::vector<Answer> host;
  int named = 0;
  for (int i = 0; i < PQntuples(rows); i++) {
    TypeCase plain{static_cast<Oid>(strtoul(PQgetvalue(rows, i, 0), nullptr, 10)), -1};
    Answer answer = answer_of(type_named_plainly, &plain);
    if (answer.compare(0, 4, "ok: ") != 0) continue;  // looked up in a session, which this test has not
    named++;
    expressions.push_back("format_type(" + std::to_string(plain.oid) + ", null)");
    host.push_back(answer);
    for (int32 typmod : {-1, 4, 10, 0x40004, (3 << 16 | 0xffff), (0x1c00 << 16 | 2), random.below(1 << 20)}) {
      TypeCase c{plain.oid, typmod};
      expressions.push_back("format_type(" + std::to_string(c.oid) + ", " + std::to_string(typmod) + ")");
      host.push_back(answer_of(type_named, &c));
    }
  }
  // Every set of fields, most of which are none that an interval can have.
  for (int32 fields = 0; fields < 0x8000; fields += 4) {
    TypeCase c{INTERVALOID, static_cast<int32>(fields << 16 | (random.below(2) ? 0xffff : random.below(7)))};
    expressions.push_back("format_type(" + std::to_string(c.oid) + ", " + std::to_string(c.typmod) + ")");
    host.push_back(answer_of(type_named, &c));
  }
  PQclear(rows);
  printf("%d types named\n", named);
  EXPECT_GE(named, 100);
  server.compare(expressions, host, "names of types");
}

}  // namespace
