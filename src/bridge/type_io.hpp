// Between the server's text and values in this process's memory: what the host knows of each type, and how one
// value is read or printed.
//
// Results come from the upstream as text with a type OID per column. A type is *constructible* when the host
// has its in-memory form: module code may then look at the Datum as it would in the server. Every other type
// travels as a varlena that holds the server's text, which prints right and can be looked at in no other way.
//
// Nothing here keeps state, uses the C++ heap or leaves a destructor pending: malformed text raises the error
// of the type's own input function.
#pragma once

#include <cstddef>

extern "C" {
#include "postgres.h"
#include "fmgr.h"
}

namespace bgw {

// One row of pg_type, in the catalog's spelling, and the functions that the host has for it.
struct TypeInfo {
  Oid oid;
  int16 typlen;
  bool typbyval;
  char typalign;
  char typstorage;
  char typcategory;
  char typtype;
  char typdelim;
  Oid typelem;  // 0 unless a true array (subscripted as one)
  Oid typarray;
  Oid typcollation;
  Oid typinput;
  Oid typoutput;
  Oid typreceive;
  Oid typsend;
  Oid typmodin;
  const char* name;   // pg_type.typname
  PGFunction input;   // nullptr unless constructible
  PGFunction output;  // nullptr unless constructible
  bool constructible;
};

// The built-in type, or nullptr if the OID is not one (a user's type, a table's row type, no type at all).
const TypeInfo* find_type(Oid oid);

// Its pg_type.typelem: TypeInfo's for arrays, and for some that are no arrays, such as name, what their subscripts give.
// InvalidOid if there is none.
Oid catalogued_element(const TypeInfo* type);

// The built-in type, or other_type(). Never nullptr.
const TypeInfo* lookup_type(Oid oid);

// Stands for every type that is not built in: a varlena, aligned as int, that holds the server's text.
const TypeInfo* other_type();

// The whole table, for tests: builtin_type(0 .. builtin_type_count() - 1), by rising OID.
int builtin_type_count();
const TypeInfo* builtin_type(int i);

// Reads a value as the server printed it (DateStyle ISO, IntervalStyle postgres). `text` has `len` bytes and a
// NUL after them. The value is palloc'd in the current context unless passed by value. `typioparam` and
// `typmod` are what the type's input function gets; with typioparam 0 the usual one is used (the element type
// of an array). Answers false, with *out a varlena of the text, when the type is not constructible. Raises the
// input function's error when the text is not one of the type's.
bool type_from_text(const TypeInfo* type, Oid typioparam, int32 typmod, const char* text, std::size_t len,
                    Datum* out);

// True while the rows of a result are read: what the server printed is canonical, in order and within its
// domain's constraints, so readers need not look. Text from a module is.
extern bool trusted_text;

// Prints a value as the type's output function does, palloc'd; for a type that is not constructible, the text
// that the varlena holds.
char* type_to_text(const TypeInfo* type, Datum value);

// How quickly a column's text becomes a value: types with a reader of their own, without a function call
// interface.
enum class ReadKind : unsigned char {
  boolean,
  int2,
  int4,
  int8,
  uint4,  // oid, xid, cid
  float4,
  float8,
  date,
  timestamp,
  timestamptz,
  text,     // a varlena whose content is the text: text, varchar, json, xml and others, and all that is not
            // constructible
  name,     // NAMEDATALEN bytes
  general,  // through the type's input function
};
ReadKind read_kind(const TypeInfo* type);

// The readers of the pass-by-value kinds. False: not in the plain form that the server prints for nearly all
// values (or out of range); the type's input function must have a look.
bool read_by_value(ReadKind kind, const char* text, std::size_t len, Datum* out);

}  // namespace bgw
