// Functions by name (parser/parse_func.h), as a schema-qualified or plain name and the types of the arguments,
// found by the upstream in the session's search path.
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "catalog/namespace.h"
#include "catalog/pg_type_d.h"
#include "lib/stringinfo.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
}

#include "bridge/catalog_lookup.hpp"

namespace {

struct FunctionName {
  const char* schema;  // nullptr: wherever the search path leads
  const char* name;
};

// The names of the list, the last one last.
FunctionName take_name(List* names) {
  switch (list_length(names)) {
    case 1:
      return {nullptr, strVal(linitial(names))};
    case 2:
      return {strVal(linitial(names)), strVal(lsecond(names))};
    case 3: {
      const char* database =
          bgw_catalog_text("LookupFuncName", "SELECT pg_catalog.current_database()", 0, nullptr, nullptr);
      if (database == nullptr || strcmp(strVal(linitial(names)), database) != 0)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("cross-database references are not implemented: %s", NameListToString(names))));
      return {strVal(lsecond(names)), strVal(lthird(names))};
    }
    default:
      ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR),
                      errmsg("improper qualified name (too many dotted names): %s", NameListToString(names))));
  }
  pg_unreachable();
}

const char* vector_text(int count, const Oid* types) {
  StringInfoData text;
  initStringInfo(&text);
  for (int i = 0; i < count; i++) appendStringInfo(&text, i > 0 ? " %u" : "%u", types[i]);
  return text.data;
}

// The one function, or InvalidOid. With nargs -1 whatever its arguments; *several then says that there are
// more.
Oid find_function(const FunctionName& name, int nargs, const Oid* argtypes, bool* several) {
  *several = false;
  const char* values[3] = {name.name, name.schema, nargs > 0 ? vector_text(nargs, argtypes) : ""};
  const Oid types[3] = {NAMEOID, NAMEOID, OIDVECTOROID};
  if (nargs >= 0)
    return bgw_catalog_oid(
        "LookupFuncName",
        "SELECT p.oid FROM pg_catalog.pg_proc p WHERE p.proname OPERATOR(pg_catalog.=) $1 AND p.proargtypes "
        "OPERATOR(pg_catalog.=) $3 AND CASE WHEN $2 IS NULL THEN pg_catalog.pg_function_is_visible(p.oid) "
        "ELSE p.pronamespace OPERATOR(pg_catalog.=) (SELECT n.oid FROM pg_catalog.pg_namespace n "
        "WHERE n.nspname OPERATOR(pg_catalog.=) $2) END",
        3, types, values);
  const Oid found = bgw_catalog_oid(
      "LookupFuncName",
      "SELECT CASE WHEN pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 THEN 4294967295::pg_catalog.oid "
      "ELSE pg_catalog.min(p.oid) END FROM pg_catalog.pg_proc p WHERE p.proname OPERATOR(pg_catalog.=) $1 AND "
      "CASE WHEN $2 IS NULL THEN pg_catalog.pg_function_is_visible(p.oid) ELSE p.pronamespace "
      "OPERATOR(pg_catalog.=) (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname "
      "OPERATOR(pg_catalog.=) $2) END",
      2, types, values);
  *several = found == 4294967295u;
  return *several ? InvalidOid : found;
}

}  // namespace

extern "C" {

const char* funcname_signature_string(const char* funcname, int nargs, List* argnames, const Oid* argtypes) {
  StringInfoData text;
  initStringInfo(&text);
  appendStringInfo(&text, "%s(", funcname);
  const int unnamed = nargs - list_length(argnames);
  for (int i = 0; i < nargs; i++) {
    if (i > 0) appendStringInfoString(&text, ", ");
    if (i >= unnamed) appendStringInfo(&text, "%s => ", static_cast<char*>(list_nth(argnames, i - unnamed)));
    appendStringInfoString(&text, format_type_be(argtypes[i]));
  }
  appendStringInfoChar(&text, ')');
  return text.data;
}

const char* func_signature_string(List* funcname, int nargs, List* argnames, const Oid* argtypes) {
  return funcname_signature_string(NameListToString(funcname), nargs, argnames, argtypes);
}

Oid LookupFuncName(List* funcname, int nargs, const Oid* argtypes, bool missing_ok) {
  const FunctionName name = take_name(funcname);
  if (name.schema != nullptr) (void)LookupExplicitNamespace(name.schema, missing_ok);
  bool several;
  const Oid found = find_function(name, nargs, argtypes, &several);
  if (several)
    ereport(ERROR, (errcode(ERRCODE_AMBIGUOUS_FUNCTION),
                    errmsg("function name \"%s\" is not unique", NameListToString(funcname)),
                    errhint("Specify the argument list to select the function unambiguously.")));
  if (OidIsValid(found) || missing_ok) return found;
  if (nargs < 0)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
                    errmsg("could not find a function named \"%s\"", NameListToString(funcname))));
  ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
                  errmsg("function %s does not exist", func_signature_string(funcname, nargs, NIL, argtypes))));
  pg_unreachable();
}

}  // extern "C"
