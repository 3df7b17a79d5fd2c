// Taking lists of names apart: identifiers, directories, and the values of list settings.
//
// The names found point into the caller's string, which is changed; SplitDirectoriesString() returns copies.
extern "C" {
#include "postgres.h"
#include "nodes/value.h"
#include "parser/scansup.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/varlena.h"
}

namespace {

char* skip_spaces(char* at) {
  while (scanner_isspace(*at)) at++;
  return at;
}

// Takes the quotes off the name that begins at `at`; null if they do not end. *end is behind the closing one.
char* take_quoted(char* at, char** end) {
  char* name = ++at;
  char* to = name;
  for (;; ++at) {
    if (*at == '\0') return nullptr;
    if (*at == '"') {
      if (at[1] != '"') break;
      at++;
    }
    *to++ = *at;
  }
  *end = at + 1;
  // The closing quote lies at or behind `to`: it may be overwritten.
  *to = '\0';
  return name;
}

using AddName = List* (*)(List* names, char* name, bool quoted);

// The loop that the three syntaxes share. `inner_spaces`: an unquoted name may have spaces inside.
bool split(char* raw, char separator, bool inner_spaces, AddName add, List** names) {
  *names = NIL;
  char* at = skip_spaces(raw);
  if (*at == '\0') return true;
  for (;;) {
    char* name = at;
    char* end;
    bool quoted = *at == '"';
    if (quoted) {
      name = take_quoted(at, &end);
      if (!name) return false;
      at = end;
    } else {
      while (*at && *at != separator && (inner_spaces || !scanner_isspace(*at))) at++;
      end = at;
      if (inner_spaces)
        while (end > name && scanner_isspace(end[-1])) end--;
      if (end == name) return false;
    }
    at = skip_spaces(at);
    bool more = *at == separator && *at != '\0';
    if (!more && *at != '\0') return false;
    if (more) at = skip_spaces(at + 1);
    if (!quoted) *end = '\0';
    *names = add(*names, name, quoted);
    if (!more) return true;
  }
}

List* add_identifier(List* names, char* name, bool quoted) {
  int length = static_cast<int>(strlen(name));
  if (!quoted) {
    char* lower = downcase_truncate_identifier(name, length, false);
    strcpy(name, lower);
    pfree(lower);
  }
  truncate_identifier(name, static_cast<int>(strlen(name)), false);
  return lappend(names, name);
}

List* add_directory(List* names, char* name, bool) {
  if (strlen(name) >= MAXPGPATH) name[MAXPGPATH - 1] = '\0';
  char* copy = pstrdup(name);
  canonicalize_path(copy);
  return lappend(names, copy);
}

List* add_as_it_is(List* names, char* name, bool) {
  return lappend(names, name);
}

}  // namespace

extern "C" {

bool SplitIdentifierString(char* rawstring, char separator, List** namelist) {
  return split(rawstring, separator, false, add_identifier, namelist);
}

bool SplitDirectoriesString(char* rawstring, char separator, List** namelist) {
  return split(rawstring, separator, true, add_directory, namelist);
}

bool SplitGUCList(char* rawstring, char separator, List** namelist) {
  return split(rawstring, separator, false, add_as_it_is, namelist);
}

// "schema.table" as a list of String nodes.
List* stringToQualifiedNameList(const char* string) {
  char* raw = pstrdup(string);
  List* names;
  if (!SplitIdentifierString(raw, '.', &names) || names == NIL)
    ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("invalid name syntax")));
  List* result = NIL;
  ListCell* cell;
  foreach (cell, names) result = lappend(result, makeString(pstrdup(static_cast<char*>(lfirst(cell)))));
  pfree(raw);
  list_free(names);
  return result;
}

List* textToQualifiedNameList(text* textval) {
  char* string = text_to_cstring(textval);
  List* names = stringToQualifiedNameList(string);
  pfree(string);
  return names;
}

}  // extern "C"
