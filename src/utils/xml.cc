// xml (utils/xml.h): the text itself. What the upstream sends is well-formed and is taken as it stands; whether
// text from a module is, the upstream is asked.
//
// Printing leaves out the encoding that a declaration names, and a declaration that then says nothing: a text
// is always in the database's encoding.
#include <cstring>

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
}

#include "bridge/type_io.hpp"
#include "bridge/worker_session.hpp"

namespace {

struct Part {
  const char* at = nullptr;  // nullptr: not there
  int len = 0;
};

struct Declaration {
  Part version, standalone;
  const char* behind = nullptr;
};

inline bool space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// NAME = "VALUE" or 'VALUE' after at least one space; moves on behind it.
Part read_attribute(const char** text, const char* name) {
  const char* at = *text;
  if (!space(*at)) return {};
  while (space(*at)) at++;
  const std::size_t len = strlen(name);
  if (strncmp(at, name, len) != 0) return {};
  at += len;
  while (space(*at)) at++;
  if (*at++ != '=') return {};
  while (space(*at)) at++;
  const char quote = *at++;
  if (quote != '"' && quote != '\'') return {};
  const char* end = strchr(at, quote);
  if (end == nullptr) return {};
  *text = end + 1;
  return {at, static_cast<int>(end - at)};
}

// False: the text does not begin with a declaration.
bool read_declaration(const char* text, Declaration* declaration) {
  if (strncmp(text, "<?xml", 5) != 0) return false;
  text += 5;
  declaration->version = read_attribute(&text, "version");
  if (declaration->version.at == nullptr) return false;
  (void)read_attribute(&text, "encoding");
  declaration->standalone = read_attribute(&text, "standalone");
  while (space(*text)) text++;
  if (strncmp(text, "?>", 2) != 0) return false;
  declaration->behind = text + 2;
  return true;
}

}  // namespace

extern "C" {

Datum xml_in(PG_FUNCTION_ARGS) {
  const char* text = PG_GETARG_CSTRING(0);
  if (!bgw::trusted_text) {
    if (!bgw_have_session() || !IsTransactionState())
      ereport(ERROR,
              (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("xml needs a transaction of a database session"),
               errdetail("Whether the text is well-formed is for the upstream to say.")));
    const Oid argument = TEXTOID;
    // What raises the server's error; the answer says nothing more than that there was none.
    (void)bgw_session_lookup("SELECT pg_catalog.xml($1) IS NULL", 1, &argument, &text);
  }
  PG_RETURN_TEXT_P(cstring_to_text(text));
}

Datum xml_out(PG_FUNCTION_ARGS) {
  char* printed = text_to_cstring(PG_GETARG_TEXT_PP(0));
  Declaration declaration;
  if (!read_declaration(printed, &declaration)) PG_RETURN_CSTRING(printed);
  StringInfoData out;
  initStringInfo(&out);
  const bool usual = declaration.version.len == 3 && memcmp(declaration.version.at, "1.0", 3) == 0;
  const char* rest = declaration.behind;
  if (!usual || declaration.standalone.at != nullptr) {
    appendStringInfo(&out, "<?xml version=\"%.*s\"", declaration.version.len, declaration.version.at);
    if (declaration.standalone.at != nullptr)
      appendStringInfo(&out, " standalone=\"%.*s\"", declaration.standalone.len, declaration.standalone.at);
    appendStringInfoString(&out, "?>");
  } else if (*rest == '\n') {
    rest++;
  }
  appendStringInfoString(&out, rest);
  PG_RETURN_CSTRING(out.data);
}

// The text, in the database's encoding.
Datum xml_recv(PG_FUNCTION_ARGS) {
  StringInfo message = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
  int length;
  char* text = pq_getmsgtext(message, message->len - message->cursor, &length);
  return DirectFunctionCall1(xml_in, CStringGetDatum(text));
}

Datum xml_send(PG_FUNCTION_ARGS) {
  const char* text = DatumGetCString(DirectFunctionCall1(xml_out, PG_GETARG_DATUM(0)));
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendtext(&out, text, static_cast<int>(strlen(text)));
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

Datum xmltotext(PG_FUNCTION_ARGS) {
  PG_RETURN_TEXT_P(PG_GETARG_TEXT_PP(0));
}

}  // extern "C"
