// Reading what a call is about: arguments and results as they are written on the command line, and functions as
// the upstream's catalog declares them. C style throughout.
#include "bridge/user_types.hpp"

#include <cctype>
#include <cstring>

extern "C" {
#include "postgres.h"
#include "catalog/pg_type_d.h"
#include "lib/stringinfo.h"
#include "parser/parse_type.h"
#include "parser/scansup.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
}
#include "bridge/catalog_lookup.hpp"
#include "bridge/worker_session.hpp"
#include "postmaster/call_declaration.hpp"

namespace bgw {

namespace {

bool begins_type_name(char c) {
  return isalpha(static_cast<unsigned char>(c)) || c == '_' || c == '"';
}

char* trimmed(const char* from, const char* to) {
  while (from < to && scanner_isspace(*from)) from++;
  while (to > from && scanner_isspace(to[-1])) to--;
  return pnstrdup(from, static_cast<Size>(to - from));
}

// Skips a word of any case and the space behind it.
bool skip_word(const char** at, const char* word) {
  const size_t length = strlen(word);
  if (pg_strncasecmp(*at, word, length) != 0) return false;
  const char* after = *at + length;
  if (isalnum(static_cast<unsigned char>(*after)) || *after == '_') return false;
  while (scanner_isspace(*after)) after++;
  *at = after;
  return true;
}

struct Column {
  char* name;
  Oid type;
  int32 typmod;
};

// "name type" from `from` to `to`.
Column read_column(const char* from, const char* to, const char* whole) {
  Column column = {};
  char* text = trimmed(from, to);
  char* name_end = text;
  if (*text == '"') {
    name_end = strchr(text + 1, '"');
    name_end = name_end ? name_end + 1 : text;
  } else {
    while (*name_end != '\0' && !scanner_isspace(*name_end)) name_end++;
  }
  char* type = name_end;
  while (scanner_isspace(*type)) type++;
  if (name_end == text || *type == '\0')
    ereport(ERROR,
            (errcode(ERRCODE_SYNTAX_ERROR), errmsg("invalid column \"%s\" in result type \"%s\"", text, whole),
             errhint("Write each column as NAME TYPE, with commas between them.")));
  column.name = *text == '"' ? pnstrdup(text + 1, static_cast<Size>(name_end - text - 2))
                             : downcase_truncate_identifier(text, static_cast<int>(name_end - text), false);
  parseTypeString(type, &column.type, &column.typmod, false);
  return column;
}

TupleDesc row_of(const Column* columns, int count) {
  TupleDesc desc = CreateTemplateTupleDesc(count);
  for (int i = 0; i < count; i++)
    TupleDescInitEntry(desc, static_cast<AttrNumber>(i + 1), columns[i].name, columns[i].type,
                       columns[i].typmod, 0);
  return desc;
}

constexpr int most_columns = 1600;

// The columns in "(name type, name type)"; `at` is at the parenthesis.
TupleDesc read_columns(const char* at, const char* whole) {
  auto* columns = static_cast<Column*>(palloc(sizeof(Column) * most_columns));
  int count = 0;
  int depth = 1;
  bool quoted = false;
  const char* start = ++at;
  for (; *at != '\0' && depth > 0; at++) {
    if (*at == '"') quoted = !quoted;
    if (quoted) continue;
    if (*at == '(') depth++;
    if (*at == ')') depth--;
    if ((*at == ',' && depth == 1) || depth == 0) {
      if (count == most_columns)
        ereport(ERROR, (errcode(ERRCODE_TOO_MANY_COLUMNS),
                        errmsg("a result can have at most %d columns", most_columns)));
      columns[count++] = read_column(start, at, whole);
      start = at + 1;
    }
  }
  while (scanner_isspace(*at)) at++;
  if (depth != 0 || *at != '\0')
    ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("invalid result type \"%s\"", whole)));
  return row_of(columns, count);
}

bool is_polymorphic(Oid type) {
  const TypeInfo* info = find_type(type);
  return info != nullptr && info->typtype == TYPTYPE_PSEUDO && strncmp(info->name, "any", 3) == 0;
}

const char* file_name_of(const char* module) {
  const char* slash = strrchr(module, '/');
  char* name = pstrdup(slash ? slash + 1 : module);
  const size_t length = strlen(name);
  if (length > 3 && strcmp(name + length - 3, ".so") == 0) name[length - 3] = '\0';
  return name;
}

Oid oid_of(const RowSet* rows, int row, int column) {
  return static_cast<Oid>(strtoul(rows->value(row, column), nullptr, 10));
}

bool truth_of(const RowSet* rows, int row, int column) {
  return rows->value(row, column)[0] == 't';
}

// "23 25 1007", as an oidvector prints.
int read_oids(const char* text, Oid* oids, int room) {
  int count = 0;
  char* end = nullptr;
  while (count < room) {
    const unsigned long oid = strtoul(text, &end, 10);
    if (end == text) break;
    oids[count++] = static_cast<Oid>(oid);
    text = end;
  }
  return count;
}

// The columns of a result that is declared by the function's OUT arguments; nullptr if it has none.
TupleDesc look_up_columns(Oid function) {
  char key[16];
  snprintf(key, sizeof key, "%u", function);
  const char* value = key;
  const Oid type = OIDOID;
  const RowSet* rows = bgw_session_lookup(
      "SELECT coalesce(nullif(p.proargnames[i], ''), 'column' || i), p.proallargtypes[i] "
      "FROM pg_catalog.pg_proc p, pg_catalog.generate_subscripts(p.proallargtypes, 1) i "
      "WHERE p.oid = $1 AND p.proargmodes[i] IN ('o', 'b', 't') ORDER BY i",
      1, &type, &value);
  const int count = rows->rows();
  if (count == 0) return nullptr;
  auto* columns = static_cast<Column*>(palloc(sizeof(Column) * static_cast<Size>(count)));
  for (int i = 0; i < count; i++) columns[i] = {pstrdup(rows->value(i, 0)), oid_of(rows, i, 1), -1};
  return row_of(columns, count);
}

constexpr const char* declarations_query =
    "SELECT p.oid, p.proname, p.proargtypes, p.pronargdefaults, p.proretset, p.proisstrict, p.prorettype, "
    "p.provariadic, t.typtype, pg_catalog.pg_get_function_identity_arguments(p.oid) "
    "FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang "
    "JOIN pg_catalog.pg_type t ON t.oid = p.prorettype "
    "WHERE l.lanname = 'c' AND p.prosrc = $1 "
    "AND pg_catalog.regexp_replace(pg_catalog.regexp_replace(p.probin, '^.*/', ''), '\\.so$', '') = $2 "
    "ORDER BY p.oid";

// Whether the declared function takes the arguments: by their number, and by the types of those that have one.
bool takes(const CallDeclaration* declared, int defaults, int nargs, const CallArgument* args) {
  const bool given_variadic = nargs > 0 && args[nargs - 1].variadic;
  const bool collects = declared->variadic && !given_variadic && nargs >= declared->nargs;
  if (given_variadic) {
    if (!(declared->variadic || declared->variadic_any) || nargs != declared->nargs) return false;
  } else if (declared->variadic_any) {
    if (nargs < declared->nargs) return false;
  } else if (!collects && (nargs > declared->nargs || nargs < declared->nargs - defaults)) {
    return false;
  }
  for (int i = 0; i < nargs; i++) {
    Oid wanted = declared->argtypes[Min(i, declared->nargs - 1)];
    if (args[i].type_name == nullptr || is_polymorphic(wanted)) continue;
    if (collects && i >= declared->nargs - 1) wanted = get_element_type(wanted);
    Oid type;
    int32 typmod;
    parseTypeString(args[i].type_name, &type, &typmod, true);
    if (type != wanted) return false;
  }
  return true;
}

// A default value as SQL; nullptr if there is none.
const char* default_argument_expression(Oid function, int number) {
  char key[16], index[16];
  snprintf(key, sizeof key, "%u", function);
  snprintf(index, sizeof index, "%d", number + 1);
  const Oid types[] = {OIDOID, INT4OID};
  const char* values[] = {key, index};
  return bgw_catalog_text("a default value", "SELECT pg_catalog.pg_get_function_arg_default($1, $2)", 2, types,
                          values);
}

}  // namespace

CallArgument read_call_argument(const char* written) {
  CallArgument argument = {written, nullptr, written, false};
  if (written == nullptr) return argument;
  constexpr char keyword[] = "variadic ";
  if (pg_strncasecmp(written, keyword, sizeof keyword - 1) == 0) {
    argument = read_call_argument(written + sizeof keyword - 1);
    argument.variadic = true;
    return argument;
  }
  if (pg_strncasecmp(written, "null", 4) == 0 && (written[4] == '\0' || strncmp(written + 4, "::", 2) == 0)) {
    argument.text = nullptr;
    if (written[4] != '\0') argument.type_name = written + 6;
    return argument;
  }
  if (!begins_type_name(written[0])) return argument;
  const char* colon = strchr(written, ':');
  if (colon == nullptr) return argument;
  argument.type_name = trimmed(written, colon);
  argument.text = colon + 1;
  return argument;
}

Oid guess_literal_type(const char* text) {
  if (pg_strcasecmp(text, "true") == 0 || pg_strcasecmp(text, "false") == 0) return BOOLOID;
  const char* at = text;
  if (*at == '-' || *at == '+') at++;
  const char* digits = at;
  while (isdigit(static_cast<unsigned char>(*at))) at++;
  int count = static_cast<int>(at - digits);
  if (*at == '\0' && count > 0) {
    errno = 0;
    char* end;
    const long long value = strtoll(text, &end, 10);
    if (errno == ERANGE) return NUMERICOID;
    return value >= PG_INT32_MIN && value <= PG_INT32_MAX ? INT4OID : INT8OID;
  }
  if (*at == '.') {
    for (at++; isdigit(static_cast<unsigned char>(*at)); at++) count++;
  }
  if (count == 0) return TEXTOID;
  if (*at == 'e' || *at == 'E') {
    at++;
    if (*at == '-' || *at == '+') at++;
    if (!isdigit(static_cast<unsigned char>(*at))) return TEXTOID;
    while (isdigit(static_cast<unsigned char>(*at))) at++;
  }
  return *at == '\0' ? NUMERICOID : TEXTOID;
}

CallResult read_call_result(const char* written) {
  CallResult result = {true, false, RECORDOID, -1, nullptr};
  const char* at = written;
  while (scanner_isspace(*at)) at++;
  if (skip_word(&at, "setof")) result.set = true;
  const char* type = at;
  const bool table = skip_word(&at, "table");
  if (table) {
    result.set = true;
  } else if (!skip_word(&at, "record")) {
    parseTypeString(type, &result.type, &result.typmod, false);
    return result;
  }
  if (*at == '(')
    result.row = read_columns(at, written);
  else if (*at != '\0' || table)
    ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("invalid result type \"%s\"", written),
                    errhint("Write TABLE(NAME TYPE, ...).")));
  return result;
}

CallDeclaration* look_up_declaration(const char* module, const char* function, int nargs,
                                     const CallArgument* args) {
  const Oid types[] = {TEXTOID, TEXTOID};
  const char* values[] = {function, file_name_of(module)};
  const RowSet* rows = bgw_session_lookup(declarations_query, 2, types, values);
  if (rows == nullptr || rows->rows() == 0) return nullptr;

  CallDeclaration* found = nullptr;
  int found_row = -1;
  StringInfoData candidates;
  initStringInfo(&candidates);
  bool unique = true;
  for (int row = 0; row < rows->rows(); row++) {
    appendStringInfo(&candidates, "%s%s(%s)", row > 0 ? ", " : "", rows->value(row, 1), rows->value(row, 9));
    auto* declared = static_cast<CallDeclaration*>(palloc0(sizeof(CallDeclaration)));
    declared->argtypes = static_cast<Oid*>(palloc0(sizeof(Oid) * FUNC_MAX_ARGS));
    declared->function = oid_of(rows, row, 0);
    declared->name = pstrdup(rows->value(row, 1));
    declared->nargs = read_oids(rows->value(row, 2), declared->argtypes, FUNC_MAX_ARGS);
    const int defaults = static_cast<int>(strtol(rows->value(row, 3), nullptr, 10));
    declared->strict = truth_of(rows, row, 5);
    const Oid variadic = oid_of(rows, row, 7);
    declared->variadic_any = variadic == ANYOID;
    declared->variadic = OidIsValid(variadic) && !declared->variadic_any;
    declared->result = {true, truth_of(rows, row, 4), oid_of(rows, row, 6), -1, nullptr};
    if (!takes(declared, defaults, nargs, args)) continue;
    if (found != nullptr) unique = false;
    found = declared;
    found_row = row;
  }
  if (found == nullptr)
    ereport(
        ERROR,
        (errcode(ERRCODE_UNDEFINED_FUNCTION),
         errmsg("function \"%s\" of module \"%s\" does not take these arguments", function, module),
         errdetail("This database declares: %s.", candidates.data),
         errhint("Give as many arguments, each as a bare literal or as TYPE:VALUE with the declared type.")));
  if (!unique)
    ereport(ERROR, (errcode(ERRCODE_AMBIGUOUS_FUNCTION),
                    errmsg("function \"%s\" of module \"%s\" is not unique", function, module),
                    errdetail("This database declares: %s.", candidates.data),
                    errhint("Give the arguments with their types, as TYPE:VALUE.")));

  CallResult* result = &found->result;
  if (result->type == RECORDOID)
    result->row = look_up_columns(found->function);
  else if (rows->value(found_row, 8)[0] == TYPTYPE_COMPOSITE)
    result->row = learn_row_columns(result->type);
  return found;
}

char* default_argument_text(Oid function, int number) {
  const char* expression = default_argument_expression(function, number);
  if (expression == nullptr) return nullptr;
  return bgw_catalog_text("a default value", psprintf("SELECT (%s)::pg_catalog.text", expression), 0, nullptr,
                          nullptr);
}

Oid default_argument_type(Oid function, int number) {
  return bgw_catalog_oid("a default value's type",
                         psprintf("SELECT pg_catalog.pg_typeof(%s)::pg_catalog.oid",
                                  default_argument_expression(function, number)),
                         0, nullptr, nullptr);
}

}  // namespace bgw
