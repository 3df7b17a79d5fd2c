// Arrays as text: reading and printing '{…}' (array_in, array_out).
//
// The reader is recursive over braces. The number of dimensions is fixed by the first element; every sub-array
// must then have the length of its first sibling. Element texts are unescaped into one buffer and handed to the
// element type's input function one by one.
#include <cctype>
#include <cstring>

#include "bridge/type_io.hpp"

extern "C" {
#include "postgres.h"
#include "catalog/pg_type_d.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
}

namespace {

struct Reader {
  const char* literal;  // for messages
  const char* at;
  char delimiter;
  int ndim;          // 0 until the first element or empty braces
  int dims[MAXDIM];  // -1: not known yet
  StringInfoData item;
  Datum* values;
  bool* nulls;
  int count;
  int room;
  FmgrInfo* input;
  Oid typioparam;
  int32 typmod;
};

inline bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

void skip_space(Reader* reader) {
  while (is_space(*reader->at)) reader->at++;
}

[[noreturn]] void malformed(const Reader* reader, const char* detail) {
  ereport(ERROR,
          (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
           errmsg("malformed array literal: \"%s\"", reader->literal), errdetail_internal("%s", detail)));
  pg_unreachable();
}

[[noreturn]] void unexpected(const Reader* reader, char c) {
  if (c == '\0') malformed(reader, "Unexpected end of input.");
  malformed(reader, psprintf("Unexpected \"%c\" character.", c));
}

void add_value(Reader* reader, Datum value, bool isnull) {
  if (reader->count == reader->room) {
    reader->room *= 2;
    reader->values =
        static_cast<Datum*>(repalloc(reader->values, static_cast<Size>(reader->room) * sizeof(Datum)));
    reader->nulls = static_cast<bool*>(repalloc(reader->nulls, static_cast<Size>(reader->room) * sizeof(bool)));
  }
  reader->values[reader->count] = value;
  reader->nulls[reader->count] = isnull;
  reader->count++;
}

// One element, up to the delimiter or brace after it.
void read_element(Reader* reader) {
  resetStringInfo(&reader->item);
  bool quoted = false, escaped = false;
  int keep = 0;  // bytes that trailing white space must not take with it
  if (*reader->at == '"') {
    quoted = true;
    reader->at++;
    for (;;) {
      char c = *reader->at++;
      if (c == '"') break;
      if (c == '\\') c = *reader->at++;
      if (c == '\0') {
        reader->at--;
        unexpected(reader, '\0');
      }
      appendStringInfoChar(&reader->item, c);
    }
    skip_space(reader);
    if (*reader->at == '"') malformed(reader, "Unexpected array element.");
    if (*reader->at != reader->delimiter && *reader->at != '}') {
      if (*reader->at == '\0') unexpected(reader, '\0');
      malformed(reader, "Unexpected array element.");
    }
  } else {
    for (;;) {
      char c = *reader->at;
      if (c == '\0') unexpected(reader, '\0');
      if (c == reader->delimiter || c == '}') break;
      if (c == '{') unexpected(reader, c);
      if (c == '"') malformed(reader, "Unexpected array element.");
      reader->at++;
      if (c == '\\') {
        escaped = true;
        c = *reader->at;
        if (c == '\0') unexpected(reader, '\0');
        reader->at++;
        appendStringInfoChar(&reader->item, c);
        keep = reader->item.len;
        continue;
      }
      appendStringInfoChar(&reader->item, c);
      if (!is_space(c)) keep = reader->item.len;
    }
    reader->item.len = keep;
    reader->item.data[keep] = '\0';
    if (keep == 0) unexpected(reader, *reader->at);
  }
  if (Array_nulls && !quoted && !escaped && pg_strcasecmp(reader->item.data, "NULL") == 0) {
    add_value(reader, InputFunctionCall(reader->input, nullptr, reader->typioparam, reader->typmod), true);
    return;
  }
  add_value(reader, InputFunctionCall(reader->input, reader->item.data, reader->typioparam, reader->typmod),
            false);
}

void fix_dimensions(Reader* reader, int ndim) {
  if (ndim > MAXDIM)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("number of array dimensions (%d) exceeds the maximum allowed (%d)", ndim, MAXDIM)));
  reader->ndim = ndim;
}

// From an opening brace to behind its closing one. `depth` counts the braces around it.
void read_level(Reader* reader, int depth) {
  reader->at++;
  if (depth >= MAXDIM) fix_dimensions(reader, depth + 1);
  if (reader->ndim > 0 && depth >= reader->ndim) malformed(reader, "Unexpected \"{\" character.");
  int length = 0;
  skip_space(reader);
  if (*reader->at == '}') {
    if (reader->ndim == 0) fix_dimensions(reader, depth + 1);
  } else {
    for (;;) {
      skip_space(reader);
      if (*reader->at == '{') {
        read_level(reader, depth + 1);
      } else {
        if (*reader->at == reader->delimiter || *reader->at == '}' || *reader->at == '\0')
          unexpected(reader, *reader->at);
        if (reader->ndim == 0) fix_dimensions(reader, depth + 1);
        if (depth + 1 != reader->ndim) malformed(reader, "Unexpected array element.");
        read_element(reader);
      }
      length++;
      skip_space(reader);
      if (*reader->at == '}') break;
      if (*reader->at == '\0') unexpected(reader, '\0');
      if (*reader->at != reader->delimiter) {
        if (*reader->at == '{') unexpected(reader, '{');
        malformed(reader, "Unexpected array element.");
      }
      reader->at++;
    }
  }
  reader->at++;
  if (reader->dims[depth] < 0)
    reader->dims[depth] = length;
  else if (reader->dims[depth] != length)
    malformed(reader, "Multidimensional arrays must have sub-arrays with matching dimensions.");
}

int read_bound(Reader* reader, const char* complaint) {
  const char* digits = reader->at + (*reader->at == '-' || *reader->at == '+');
  if (!isdigit(static_cast<unsigned char>(*digits))) malformed(reader, complaint);
  const char* end = digits;
  int64 value = 0;
  for (; isdigit(static_cast<unsigned char>(*end)); end++)
    if (value <= PG_INT32_MAX) value = value * 10 + (*end - '0');
  if (*reader->at == '-') value = -value;
  if (value < PG_INT32_MIN || value > PG_INT32_MAX)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("array bound is out of integer range")));
  reader->at = end;
  return static_cast<int>(value);
}

// "[l:u][n]…=" before the braces. Answers the number of dimensions it gives.
int read_bounds(Reader* reader, int* lengths, int* lbounds) {
  int ndim = 0;
  for (;;) {
    skip_space(reader);
    if (*reader->at != '[') break;
    if (ndim >= MAXDIM)
      ereport(ERROR,
              (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
               errmsg("number of array dimensions (%d) exceeds the maximum allowed (%d)", ndim + 1, MAXDIM)));
    reader->at++;
    int upper = read_bound(reader, "\"[\" must introduce explicitly-specified array dimensions."), lower = 1;
    if (*reader->at == ':') {
      lower = upper;
      reader->at++;
      upper = read_bound(reader, "Missing array dimension value.");
    }
    if (*reader->at != ']') malformed(reader, "Missing \"]\" after array dimensions.");
    reader->at++;
    if (upper < lower)
      ereport(ERROR,
              (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("upper bound cannot be less than lower bound")));
    int length;
    if (__builtin_sub_overflow(upper, lower, &length) || __builtin_add_overflow(length, 1, &length))
      ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                      errmsg("array size exceeds the maximum allowed (%d)", static_cast<int>(0x3fffffff / sizeof(Datum)))));
    lengths[ndim] = length;
    lbounds[ndim] = lower;
    ndim++;
  }
  if (ndim > 0) {
    if (*reader->at != '=') malformed(reader, "Missing \"=\" after array dimensions.");
    reader->at++;
    skip_space(reader);
    if (*reader->at != '{') malformed(reader, "Array contents must start with \"{\".");
  } else if (*reader->at != '{') {
    malformed(reader, "Array value must start with \"{\" or dimension information.");
  }
  return ndim;
}

// Access rights without an entry, as catalogues have them: one dimension of no length, which those who walk
// through them rely on.
ArrayType* no_access_rights() {
  constexpr Size size = ARR_OVERHEAD_NONULLS(1);
  ArrayType* array = static_cast<ArrayType*>(palloc0(size));
  SET_VARSIZE(array, size);
  array->ndim = 1;
  array->elemtype = ACLITEMOID;
  ARR_LBOUND(array)[0] = 1;
  return array;
}

bool must_quote(const char* text, char delimiter) {
  if (*text == '\0' || pg_strcasecmp(text, "NULL") == 0) return true;
  for (; *text != '\0'; text++)
    if (*text == '"' || *text == '\\' || *text == '{' || *text == '}' || *text == delimiter || is_space(*text))
      return true;
  return false;
}

void print_item(StringInfo out, const char* text, char delimiter) {
  if (!must_quote(text, delimiter)) {
    appendStringInfoString(out, text);
    return;
  }
  appendStringInfoChar(out, '"');
  for (; *text != '\0'; text++) {
    if (*text == '"' || *text == '\\') appendStringInfoChar(out, '\\');
    appendStringInfoChar(out, *text);
  }
  appendStringInfoChar(out, '"');
}

struct Printer {
  StringInfoData out;
  FmgrInfo output;
  char delimiter;
  int ndim;
  const int* dims;
  const Datum* values;
  const bool* nulls;
  int next;
};

void print_level(Printer* printer, int depth) {
  appendStringInfoChar(&printer->out, '{');
  for (int i = 0; i < printer->dims[depth]; i++) {
    if (i > 0) appendStringInfoChar(&printer->out, printer->delimiter);
    if (depth + 1 < printer->ndim) {
      print_level(printer, depth + 1);
      continue;
    }
    const int item = printer->next++;
    if (printer->nulls[item]) {
      appendStringInfoString(&printer->out, "NULL");
      continue;
    }
    char* text = OutputFunctionCall(&printer->output, printer->values[item]);
    print_item(&printer->out, text, printer->delimiter);
    pfree(text);
  }
  appendStringInfoChar(&printer->out, '}');
}

}  // namespace

extern "C" {

Datum array_in(PG_FUNCTION_ARGS) {
  char* literal = PG_GETARG_CSTRING(0);
  const Oid element_type = PG_GETARG_OID(1);
  int16 typlen;
  bool typbyval;
  char typalign;
  Oid input_function;
  FmgrInfo input;
  Reader reader = {};
  get_type_io_data(element_type, IOFunc_input, &typlen, &typbyval, &typalign, &reader.delimiter,
                   &reader.typioparam, &input_function);
  fmgr_info(input_function, &input);
  reader.literal = reader.at = literal;
  reader.typmod = PG_GETARG_INT32(2);
  reader.input = &input;
  reader.room = 16;
  reader.values = static_cast<Datum*>(palloc(16 * sizeof(Datum)));
  reader.nulls = static_cast<bool*>(palloc(16 * sizeof(bool)));
  initStringInfo(&reader.item);

  int given_dims[MAXDIM], lbounds[MAXDIM];
  const int given = read_bounds(&reader, given_dims, lbounds);
  for (int i = 0; i < MAXDIM; i++) {
    reader.dims[i] = -1;
    if (i >= given) lbounds[i] = 1;
  }
  read_level(&reader, 0);
  skip_space(&reader);
  if (*reader.at != '\0') malformed(&reader, "Junk after closing right brace.");
  if (given > 0) {
    bool match = given == reader.ndim;
    for (int i = 0; match && i < given; i++) match = given_dims[i] == reader.dims[i];
    if (!match) malformed(&reader, "Specified array dimensions do not match array contents.");
  }
  ArrayType* array = reader.count == 0 && element_type == ACLITEMOID && bgw::trusted_text ? no_access_rights()
                     : reader.count == 0
                         ? construct_empty_array(element_type)
                         : construct_md_array(reader.values, reader.nulls, reader.ndim, reader.dims, lbounds,
                                              element_type, typlen, typbyval, typalign);
  if (!typbyval)
    for (int i = 0; i < reader.count; i++)
      if (!reader.nulls[i]) pfree(DatumGetPointer(reader.values[i]));
  pfree(reader.values);
  pfree(reader.nulls);
  pfree(reader.item.data);
  PG_RETURN_ARRAYTYPE_P(array);
}

Datum array_out(PG_FUNCTION_ARGS) {
  ArrayType* array = PG_GETARG_ARRAYTYPE_P(0);
  const Oid element_type = ARR_ELEMTYPE(array);
  int16 typlen;
  bool typbyval;
  char typalign;
  Oid typioparam, output_function;
  Printer printer = {};
  get_type_io_data(element_type, IOFunc_output, &typlen, &typbyval, &typalign, &printer.delimiter, &typioparam,
                   &output_function);
  fmgr_info(output_function, &printer.output);
  if (ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) == 0) PG_RETURN_CSTRING(pstrdup("{}"));
  Datum* values;
  bool* nulls;
  int items;
  deconstruct_array(array, element_type, typlen, typbyval, typalign, &values, &nulls, &items);
  initStringInfo(&printer.out);
  printer.ndim = ARR_NDIM(array);
  printer.dims = ARR_DIMS(array);
  printer.values = values;
  printer.nulls = nulls;

  const int* lbounds = ARR_LBOUND(array);
  bool show_bounds = false;
  for (int i = 0; i < printer.ndim; i++) show_bounds = show_bounds || lbounds[i] != 1;
  if (show_bounds) {
    for (int i = 0; i < printer.ndim; i++)
      appendStringInfo(&printer.out, "[%d:%d]", lbounds[i], lbounds[i] + printer.dims[i] - 1);
    appendStringInfoChar(&printer.out, '=');
  }
  print_level(&printer, 0);
  pfree(values);
  pfree(nulls);
  PG_RETURN_CSTRING(printer.out.data);
}

}  // extern "C"
