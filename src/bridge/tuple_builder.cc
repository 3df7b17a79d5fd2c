// Rows of text to heap tuples (see tuple_builder.hpp). The hot path of every SELECT.
//
// Two passes over the columns. The first turns pass-by-value columns into Datums, lets the input functions of
// all types without a reader of their own work in a scratch context, and adds up the size; the second writes
// the one allocation. Text columns are copied once, from the result straight into the tuple.
//
// Invariant: the layout is heap_form_tuple's, including short varlena headers and zeroed alignment padding
// (readers tell padding from a short header by its zero byte).
#include <cstring>

#include "bridge/tuple_builder.hpp"

extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "catalog/pg_type_d.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"
}

#include "bridge/oid_aliases.hpp"
#include "bridge/received_values.hpp"
#include "bridge/user_types.hpp"

namespace bgw {

struct TupleBuilder {
  struct Column {
    const TypeInfo* type;
    ReadKind kind;
    int16 attlen;
    char attalign;
    bool attbyval;
    bool may_pack;
    int32 typmod;
  };
  TupleDesc desc;
  int natts;
  MemoryContext owner;    // where the scratch context hangs
  MemoryContext scratch;  // nullptr until a column needs it
  bool scratch_used;
  Datum* values;
  Column columns[FLEXIBLE_ARRAY_MEMBER];
};

namespace {

// An attribute that carries the server's text for a user's type is told apart by its statistics target, which
// means nothing in a result: whether the type can be built may change while the rows are at hand.
constexpr int32 target_of_texts = 0;

// What a varlena of `len` content bytes takes, and whether with a one-byte header.
inline bool fits_short(const TupleBuilder::Column& column, std::size_t len) {
  return column.may_pack && len + VARHDRSZ_SHORT <= VARATT_SHORT_MAX;
}

inline char* align_zeroed(char* at, char* base, char attalign) {
  char* aligned = base + att_align_nominal(static_cast<std::size_t>(at - base), attalign);
  while (at < aligned) *at++ = 0;
  return aligned;
}

Datum read_general(TupleBuilder* builder, const TupleBuilder::Column& column, const char* text,
                   std::size_t len) {
  if (builder->scratch == nullptr)
    builder->scratch = AllocSetContextCreate(builder->owner, "bgworkerd tuple builder", ALLOCSET_DEFAULT_SIZES);
  builder->scratch_used = true;
  MemoryContext caller = MemoryContextSwitchTo(builder->scratch);
  Datum value;
  type_from_text(column.type, InvalidOid, column.typmod, text, len, &value);
  MemoryContextSwitchTo(caller);
  return value;
}

// The size of the data part; also fills builder->values.
std::size_t prepare(TupleBuilder* builder, const char* const* values, const int* lengths, bool* has_null,
                    bool* has_varwidth) {
  std::size_t size = 0;
  for (int i = 0; i < builder->natts; i++) {
    const TupleBuilder::Column& column = builder->columns[i];
    const char* text = values[i];
    if (text == nullptr) {
      *has_null = true;
      continue;
    }
    const std::size_t len = static_cast<std::size_t>(lengths[i]);
    if (column.kind == ReadKind::text) {
      *has_varwidth = true;
      if (fits_short(column, len)) {
        size += len + VARHDRSZ_SHORT;
      } else {
        if (!AllocSizeIsValid(len + VARHDRSZ))
          ereport(ERROR,
                  (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                   errmsg("value of type %s has %zu bytes, more than the maximum", column.type->name, len)));
        size = att_align_nominal(size, column.attalign) + len + VARHDRSZ;
      }
      continue;
    }
    if (column.kind == ReadKind::name) {
      size += NAMEDATALEN;
      continue;
    }
    if (column.kind == ReadKind::general || !read_by_value(column.kind, text, len, &builder->values[i]))
      builder->values[i] = read_general(builder, column, text, len);
    if (column.attlen > 0) {
      size = att_align_nominal(size, column.attalign) + column.attlen;
    } else if (column.attlen == -1) {
      *has_varwidth = true;
      const char* datum = DatumGetPointer(builder->values[i]);
      const std::size_t content = VARSIZE_ANY_EXHDR(datum);
      size = fits_short(column, content) ? size + content + VARHDRSZ_SHORT
                                         : att_align_nominal(size, column.attalign) + content + VARHDRSZ;
    } else {
      *has_varwidth = true;
      size += strlen(DatumGetCString(builder->values[i])) + 1;
    }
  }
  return size;
}

inline char* put_varlena(const TupleBuilder::Column& column, char* at, char* base, const char* content,
                         std::size_t len) {
  if (fits_short(column, len)) {
    SET_VARSIZE_SHORT(at, len + VARHDRSZ_SHORT);
    memcpy(VARDATA_SHORT(at), content, len);
    return at + len + VARHDRSZ_SHORT;
  }
  at = align_zeroed(at, base, column.attalign);
  SET_VARSIZE(at, len + VARHDRSZ);
  memcpy(VARDATA(at), content, len);
  return at + len + VARHDRSZ;
}

void fill(const TupleBuilder* builder, const char* const* values, const int* lengths, char* base) {
  char* at = base;
  for (int i = 0; i < builder->natts; i++) {
    const TupleBuilder::Column& column = builder->columns[i];
    if (values[i] == nullptr) continue;
    if (column.kind == ReadKind::text) {
      at = put_varlena(column, at, base, values[i], static_cast<std::size_t>(lengths[i]));
    } else if (column.kind == ReadKind::name) {
      const int len =
          lengths[i] < NAMEDATALEN ? lengths[i] : pg_mbcliplen(values[i], lengths[i], NAMEDATALEN - 1);
      memcpy(at, values[i], static_cast<std::size_t>(len));
      memset(at + len, 0, static_cast<std::size_t>(NAMEDATALEN - len));
      at += NAMEDATALEN;
    } else if (column.attbyval) {
      at = align_zeroed(at, base, column.attalign);
      store_att_byval(at, builder->values[i], column.attlen);
      at += column.attlen;
    } else if (column.attlen > 0) {
      at = align_zeroed(at, base, column.attalign);
      memcpy(at, DatumGetPointer(builder->values[i]), static_cast<std::size_t>(column.attlen));
      at += column.attlen;
    } else if (column.attlen == -1) {
      const char* datum = DatumGetPointer(builder->values[i]);
      at = put_varlena(column, at, base, VARDATA_ANY(datum), VARSIZE_ANY_EXHDR(datum));
    } else {
      const std::size_t len = strlen(DatumGetCString(builder->values[i])) + 1;
      memcpy(at, DatumGetPointer(builder->values[i]), len);
      at += len;
    }
  }
}

}  // namespace

TupleDesc build_result_tupdesc(int n, const char* const* names, const Oid* types, const int32* typmods) {
  TupleDesc desc = CreateTemplateTupleDesc(n);
  for (int i = 0; i < n; i++) {
    const TypeInfo* type = learn_type(types[i]);
    if (type == nullptr) type = other_type();
    Form_pg_attribute att = TupleDescAttr(desc, i);
    memset(att, 0, sizeof(FormData_pg_attribute));
    std::size_t len = strlen(names[i]);
    if (len >= NAMEDATALEN)
      len = static_cast<std::size_t>(pg_mbcliplen(names[i], static_cast<int>(len), NAMEDATALEN - 1));
    memcpy(NameStr(att->attname), names[i], len);
    const bool real = type->constructible;
    att->atttypid = types[i];
    att->attstattarget = real ? -1 : target_of_texts;
    att->attlen = real ? type->typlen : -1;
    att->attnum = static_cast<int16>(i + 1);
    att->attcacheoff = -1;
    att->atttypmod = typmods != nullptr ? typmods[i] : -1;
    att->attbyval = real && type->typbyval;
    att->attalign = real ? type->typalign : TYPALIGN_INT;
    att->attstorage = real ? type->typstorage : TYPSTORAGE_EXTENDED;
    att->attislocal = true;
    att->attcollation = type->typcollation;
  }
  return desc;
}

const TypeInfo* type_of_column(const FormData_pg_attribute* attribute) {
  const TypeInfo* type = known_type(attribute->atttypid);
  if (type == nullptr || carries_text(attribute)) return other_type();
  if (type->constructible) return type;
  const TypeInfo* alias = alias_type(attribute->atttypid);
  if (alias == nullptr) alias = received_type(attribute->atttypid);
  return alias != nullptr ? alias : other_type();
}

bool carries_text(const FormData_pg_attribute* attribute) {
  return attribute->attstattarget == target_of_texts;
}

bool is_constructible(const FormData_pg_attribute* attribute) {
  return type_of_column(attribute)->constructible;
}

TupleBuilder* make_tuple_builder(TupleDesc desc) {
  const std::size_t natts = static_cast<std::size_t>(desc->natts);
  TupleBuilder* builder = static_cast<TupleBuilder*>(
      palloc0(offsetof(TupleBuilder, columns) + natts * sizeof(TupleBuilder::Column)));
  builder->desc = desc;
  builder->natts = desc->natts;
  builder->owner = CurrentMemoryContext;
  builder->values = static_cast<Datum*>(palloc0(sizeof(Datum) * (natts + 1)));
  for (int i = 0; i < desc->natts; i++) {
    const FormData_pg_attribute* att = TupleDescAttr(desc, i);
    TupleBuilder::Column& column = builder->columns[i];
    column.type = type_of_column(att);
    column.kind = read_kind(column.type);
    column.attlen = att->attlen;
    column.attalign = att->attalign;
    column.attbyval = att->attbyval;
    column.may_pack = att->attlen == -1 && att->attstorage != TYPSTORAGE_PLAIN;
    column.typmod = att->atttypmod;
  }
  return builder;
}

HeapTuple build_tuple(TupleBuilder* builder, const char* const* values, const int* lengths) {
  bool has_null = false, has_varwidth = false;
  const std::size_t data_size = prepare(builder, values, lengths, &has_null, &has_varwidth);
  const std::size_t hoff = MAXALIGN(SizeofHeapTupleHeader + (has_null ? BITMAPLEN(builder->natts) : 0));
  const std::size_t len = hoff + data_size;

  HeapTuple tuple = static_cast<HeapTuple>(palloc(HEAPTUPLESIZE + len));
  HeapTupleHeader header = reinterpret_cast<HeapTupleHeader>(reinterpret_cast<char*>(tuple) + HEAPTUPLESIZE);
  tuple->t_len = static_cast<uint32>(len);
  ItemPointerSetInvalid(&tuple->t_self);
  tuple->t_tableOid = InvalidOid;
  tuple->t_data = header;
  memset(header, 0, hoff);
  HeapTupleHeaderSetNatts(header, builder->natts);
  header->t_hoff = static_cast<uint8>(hoff);
  if (has_varwidth) header->t_infomask |= HEAP_HASVARWIDTH;
  if (has_null) {
    header->t_infomask |= HEAP_HASNULL;
    for (int i = 0; i < builder->natts; i++)
      if (values[i] != nullptr) header->t_bits[i >> 3] |= static_cast<bits8>(1 << (i & 7));
  }
  heap_tuple_set_datum(header, builder->desc, static_cast<uint32>(len));
  fill(builder, values, lengths, reinterpret_cast<char*>(header) + hoff);

  if (builder->scratch_used) {
    MemoryContextReset(builder->scratch);
    builder->scratch_used = false;
  }
  return tuple;
}

void free_tuple_builder(TupleBuilder* builder) {
  if (builder->scratch != nullptr) MemoryContextDelete(builder->scratch);
  pfree(builder->values);
  pfree(builder);
}

}  // namespace bgw
