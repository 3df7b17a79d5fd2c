// Types by the words that SQL has for them (parser/parse_type.h).
//
// What is read here: the grammar's own names ("double precision", "timestamp(3) with time zone"), the built-in
// types' names, with pg_catalog before them or not, quoted or not, modifiers in parentheses, and array
// brackets. Any other name is asked of the upstream when the process has a session. All of it is C style.
#include <cctype>
#include <cstring>

#include "bridge/type_io.hpp"

extern "C" {
#include "postgres.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "parser/parse_type.h"
#include "parser/scansup.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
}
#include "bridge/catalog_lookup.hpp"
#include "bridge/worker_session.hpp"

namespace {

struct Reader {
  const char* whole;
  const char* at;
  bool failed;
};

struct GrammarName {
  const char* words;
  Oid type;
};

// Longest first where one begins with another. "time" and "timestamp" may have their precision in the middle.
constexpr GrammarName grammar_names[] = {
    {"bit varying", VARBITOID},
    {"bit", BITOID},
    {"national character varying", VARCHAROID},
    {"national character", BPCHAROID},
    {"national char varying", VARCHAROID},
    {"national char", BPCHAROID},
    {"nchar", BPCHAROID},
    {"character varying", VARCHAROID},
    {"character", BPCHAROID},
    {"char varying", VARCHAROID},
    {"char", BPCHAROID},
    {"varchar", VARCHAROID},
    {"double precision", FLOAT8OID},
    {"float", FLOAT8OID},
    {"real", FLOAT4OID},
    {"smallint", INT2OID},
    {"integer", INT4OID},
    {"int", INT4OID},
    {"bigint", INT8OID},
    {"boolean", BOOLOID},
    {"decimal", NUMERICOID},
    {"dec", NUMERICOID},
    {"numeric", NUMERICOID},
    {"timestamp", TIMESTAMPOID},
    {"time", TIMEOID},
    {"interval", INTERVALOID},
};

void skip_space(Reader* r) {
  while (scanner_isspace(*r->at)) r->at++;
}

bool is_word_character(char c) {
  return isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || (c & 0x80) != 0;
}

// Takes the words, each separated by any white space, if they are what comes next.
bool take_words(Reader* r, const char* words) {
  const char* at = r->at;
  for (const char* w = words; *w != '\0'; w++) {
    if (*w == ' ') {
      if (!scanner_isspace(*at)) return false;
      while (scanner_isspace(*at)) at++;
    } else if (pg_tolower(static_cast<unsigned char>(*at++)) != static_cast<unsigned char>(*w)) {
      return false;
    }
  }
  if (is_word_character(*at) || *at == '"' || *at == '.') return false;
  r->at = at;
  skip_space(r);
  return true;
}

bool take(Reader* r, char c) {
  if (*r->at != c) return false;
  r->at++;
  skip_space(r);
  return true;
}

// A possibly quoted identifier, folded as SQL folds it; nullptr if there is none.
char* take_identifier(Reader* r) {
  if (*r->at == '"') {
    char* name = static_cast<char*>(palloc(strlen(r->at)));
    char* to = name;
    for (const char* at = r->at + 1; *at != '\0'; at++) {
      if (*at == '"' && *++at != '"') {
        *to = '\0';
        r->at = at;
        skip_space(r);
        return name;
      }
      *to++ = *at;
    }
    return nullptr;
  }
  const char* end = r->at;
  while (is_word_character(*end)) end++;
  if (end == r->at || isdigit(static_cast<unsigned char>(*r->at))) return nullptr;
  char* name = downcase_truncate_identifier(r->at, static_cast<int>(end - r->at), false);
  r->at = end;
  skip_space(r);
  return name;
}

// What stands in parentheses behind a type: "(10, 2)". count 0: nothing did.
struct Modifiers {
  Datum values[8];  // cstrings
  int count;
};

Modifiers take_modifiers(Reader* r) {
  Modifiers modifiers = {};
  if (*r->at != '(') return modifiers;
  do {
    r->at++;
    skip_space(r);
    const char* start = r->at;
    if (*r->at == '-') r->at++;
    while (is_word_character(*r->at)) r->at++;
    if (r->at == start || modifiers.count == lengthof(modifiers.values)) {
      r->failed = true;
      return modifiers;
    }
    modifiers.values[modifiers.count++] = CStringGetDatum(pnstrdup(start, static_cast<Size>(r->at - start)));
    skip_space(r);
  } while (*r->at == ',');
  if (!take(r, ')')) r->failed = true;
  return modifiers;
}

// The type's own function turns modifiers, an array of cstring, into the number that values are read with.
int32 typmod_of(Oid type, Modifiers* modifiers, const Reader* r) {
  if (modifiers->count == 0) return -1;
  Oid function = get_typmodin(type);
  if (!OidIsValid(function))
    ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR),
                    errmsg("type modifier is not allowed for type \"%s\"", format_type_be(type)),
                    errdetail("The type was given as \"%s\".", r->whole)));
  ArrayType* array = construct_array(modifiers->values, modifiers->count, CSTRINGOID, -2, false, TYPALIGN_CHAR);
  return DatumGetInt32(OidFunctionCall1(function, PointerGetDatum(array)));
}

// float(n) is one of two types, by the number of binary digits that are needed.
Oid float_of(Modifiers* modifiers) {
  if (modifiers->count == 0) return FLOAT8OID;
  const int32 digits = pg_strtoint32(DatumGetCString(modifiers->values[0]));
  modifiers->count = 0;
  if (digits < 1)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("precision for type float must be at least 1 bit")));
  if (digits > 53)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("precision for type float must be less than 54 bits")));
  return digits <= 24 ? FLOAT4OID : FLOAT8OID;
}

// One of the names that the grammar gives to types; InvalidOid if it is none of them.
Oid take_grammar_type(Reader* r, int32* typmod) {
  for (const GrammarName& name : grammar_names) {
    if (!take_words(r, name.words)) continue;
    Oid type = name.type;
    Modifiers modifiers = take_modifiers(r);
    if (r->failed) return InvalidOid;
    if (type == TIMESTAMPOID || type == TIMEOID) {
      if (take_words(r, "with time zone"))
        type = type == TIMESTAMPOID ? TIMESTAMPTZOID : TIMETZOID;
      else
        (void)take_words(r, "without time zone");
    }
    if (strcmp(name.words, "float") == 0) type = float_of(&modifiers);
    // "bit" and "character" without a length have the length 1.
    if (modifiers.count == 0 && (type == BITOID || type == BPCHAROID))
      *typmod = type == BITOID ? 1 : VARHDRSZ + 1;
    else
      *typmod = typmod_of(type, &modifiers, r);
    return type;
  }
  return InvalidOid;
}

Oid find_builtin_type(const char* name) {
  for (int i = 0; i < bgw::builtin_type_count(); i++)
    if (strcmp(bgw::builtin_type(i)->name, name) == 0) return bgw::builtin_type(i)->oid;
  return InvalidOid;
}

Oid take_named_type(Reader* r, int32* typmod) {
  const char* start = r->at;
  char* name = take_identifier(r);
  if (name == nullptr) {
    r->failed = true;
    return InvalidOid;
  }
  char* schema = nullptr;
  if (*r->at == '.') {
    r->at++;
    schema = name;
    name = take_identifier(r);
    if (name == nullptr) {
      r->failed = true;
      return InvalidOid;
    }
  }
  const char* end = r->at;
  Oid type = InvalidOid;
  if (schema == nullptr || strcmp(schema, "pg_catalog") == 0) type = find_builtin_type(name);
  if (!OidIsValid(type) && bgw_have_session())
    type = bgw_catalog_oid_by_name("a type's OID", "SELECT pg_catalog.to_regtype($1::text)::oid",
                                   pnstrdup(start, static_cast<Size>(end - start)));
  if (!OidIsValid(type)) return InvalidOid;
  Modifiers modifiers = take_modifiers(r);
  *typmod = r->failed ? -1 : typmod_of(type, &modifiers, r);
  return type;
}

// "[]", "[3]", "ARRAY": any number of them is the same type.
bool take_array(Reader* r) {
  bool is_array = false;
  if (take_words(r, "array")) is_array = true;
  while (take(r, '[')) {
    while (isdigit(static_cast<unsigned char>(*r->at))) r->at++;
    skip_space(r);
    if (!take(r, ']')) r->failed = true;
    is_array = true;
  }
  return is_array;
}

}  // namespace

extern "C" {

// A name that is no type is an error, or with `missing_ok` gives InvalidOid; what is not even a name is an
// error.
void parseTypeString(const char* str, Oid* typeid_p, int32* typmod_p, bool missing_ok) {
  Reader reader = {str, str, false};
  skip_space(&reader);
  *typmod_p = -1;
  Oid type = take_grammar_type(&reader, typmod_p);
  if (!OidIsValid(type) && !reader.failed) type = take_named_type(&reader, typmod_p);
  const bool is_array = !reader.failed && OidIsValid(type) && take_array(&reader);
  if (reader.failed || (OidIsValid(type) && *reader.at != '\0'))
    ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("invalid type name \"%s\"", str)));
  if (OidIsValid(type) && is_array) {
    type = get_array_type(type);
    if (!OidIsValid(type)) reader.at = str;
  }
  if (!OidIsValid(type) && !missing_ok)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("type \"%s\" does not exist", str)));
  *typeid_p = type;
}

}  // extern "C"
