// What utils/lsyscache.h answers about types: for the server's built-in ones from the table in the program,
// without a question to the upstream; for others from the catalogue of bridge/user_types.hpp.
//
// Without a session such a type is unknown. Functions that the server lets answer "none" for a missing type
// do so; those that must have an answer raise the server's look-up error.
#include "bridge/user_types.hpp"

extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
}

namespace {

const bgw::TypeInfo* must_find(Oid typid) {
  const bgw::TypeInfo* type = bgw::learn_type(typid);
  if (type == nullptr) elog(ERROR, "cache lookup failed for type %u", typid);
  return type;
}

Oid io_param(const bgw::TypeInfo* type) {
  const Oid element = bgw::catalogued_element(type);
  return OidIsValid(element) ? element : type->oid;
}

}  // namespace

extern "C" {

bool get_typisdefined(Oid typid) {
  return bgw::learn_type(typid) != nullptr;
}

int16 get_typlen(Oid typid) {
  const bgw::TypeInfo* type = bgw::learn_type(typid);
  return type != nullptr ? type->typlen : 0;
}

bool get_typbyval(Oid typid) {
  const bgw::TypeInfo* type = bgw::learn_type(typid);
  return type != nullptr && type->typbyval;
}

void get_typlenbyval(Oid typid, int16* typlen, bool* typbyval) {
  const bgw::TypeInfo* type = must_find(typid);
  *typlen = type->typlen;
  *typbyval = type->typbyval;
}

void get_typlenbyvalalign(Oid typid, int16* typlen, bool* typbyval, char* typalign) {
  const bgw::TypeInfo* type = must_find(typid);
  *typlen = type->typlen;
  *typbyval = type->typbyval;
  *typalign = type->typalign;
}

Oid getTypeIOParam(HeapTuple typeTuple) {
  Form_pg_type form = reinterpret_cast<Form_pg_type>(GETSTRUCT(typeTuple));
  return OidIsValid(form->typelem) ? form->typelem : form->oid;
}

void get_type_io_data(Oid typid, IOFuncSelector which_func, int16* typlen, bool* typbyval, char* typalign,
                      char* typdelim, Oid* typioparam, Oid* func) {
  const bgw::TypeInfo* type = must_find(typid);
  *typlen = type->typlen;
  *typbyval = type->typbyval;
  *typalign = type->typalign;
  *typdelim = type->typdelim;
  *typioparam = io_param(type);
  switch (which_func) {
    case IOFunc_input:
      *func = type->typinput;
      break;
    case IOFunc_output:
      *func = type->typoutput;
      break;
    case IOFunc_receive:
      *func = type->typreceive;
      break;
    case IOFunc_send:
      *func = type->typsend;
      break;
  }
}

char get_typstorage(Oid typid) {
  const bgw::TypeInfo* type = bgw::learn_type(typid);
  return type != nullptr ? type->typstorage : TYPSTORAGE_PLAIN;
}

char get_typtype(Oid typid) {
  const bgw::TypeInfo* type = bgw::learn_type(typid);
  return type != nullptr ? type->typtype : '\0';
}

bool type_is_rowtype(Oid typid) {
  if (typid == RECORDOID) return true;
  const char kind = get_typtype(typid);
  if (kind == TYPTYPE_COMPOSITE) return true;
  return kind == TYPTYPE_DOMAIN && get_typtype(getBaseType(typid)) == TYPTYPE_COMPOSITE;
}

bool type_is_enum(Oid typid) {
  return get_typtype(typid) == TYPTYPE_ENUM;
}

bool type_is_range(Oid typid) {
  return get_typtype(typid) == TYPTYPE_RANGE;
}

bool type_is_multirange(Oid typid) {
  return get_typtype(typid) == TYPTYPE_MULTIRANGE;
}

Oid get_element_type(Oid typid) {
  const bgw::TypeInfo* type = bgw::learn_type(typid);
  return type != nullptr ? type->typelem : InvalidOid;
}

Oid get_array_type(Oid typid) {
  const bgw::TypeInfo* type = bgw::learn_type(typid);
  return type != nullptr ? type->typarray : InvalidOid;
}

Oid get_promoted_array_type(Oid typid) {
  const Oid array = get_array_type(typid);
  if (OidIsValid(array)) return array;
  return OidIsValid(get_element_type(typid)) ? typid : InvalidOid;
}

Oid get_base_element_type(Oid typid) {
  return get_element_type(getBaseType(typid));
}

Oid getBaseType(Oid typid) {
  int32 typmod = -1;
  return getBaseTypeAndTypmod(typid, &typmod);
}

Oid getBaseTypeAndTypmod(Oid typid, int32* typmod) {
  return bgw::learn_base_type(typid, typmod);
}

Oid get_typmodin(Oid typid) {
  const bgw::TypeInfo* type = bgw::learn_type(typid);
  return type != nullptr ? type->typmodin : InvalidOid;
}

Oid get_typcollation(Oid typid) {
  const bgw::TypeInfo* type = bgw::learn_type(typid);
  return type != nullptr ? type->typcollation : InvalidOid;
}

bool type_is_collatable(Oid typid) {
  return OidIsValid(get_typcollation(typid));
}

Oid get_typ_typrelid(Oid typid) {
  return bgw::learn_row_relation(typid);
}

void getTypeInputInfo(Oid type, Oid* typInput, Oid* typIOParam) {
  const bgw::TypeInfo* info = must_find(type);
  *typInput = info->typinput;
  *typIOParam = io_param(info);
}

void getTypeOutputInfo(Oid type, Oid* typOutput, bool* typIsVarlena) {
  const bgw::TypeInfo* info = must_find(type);
  *typOutput = info->typoutput;
  *typIsVarlena = !info->typbyval && info->typlen == -1;
}

void getTypeBinaryInputInfo(Oid type, Oid* typReceive, Oid* typIOParam) {
  const bgw::TypeInfo* info = must_find(type);
  if (!OidIsValid(info->typreceive))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
                    errmsg("no binary input function available for type %s", format_type_be(type))));
  *typReceive = info->typreceive;
  *typIOParam = io_param(info);
}

void getTypeBinaryOutputInfo(Oid type, Oid* typSend, bool* typIsVarlena) {
  const bgw::TypeInfo* info = must_find(type);
  if (!OidIsValid(info->typsend))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
                    errmsg("no binary output function available for type %s", format_type_be(type))));
  *typSend = info->typsend;
  *typIsVarlena = !info->typbyval && info->typlen == -1;
}

}  // extern "C"
