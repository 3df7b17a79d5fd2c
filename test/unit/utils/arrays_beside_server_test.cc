// The property: arrays and tuples that a module builds or takes apart with the C interface are what the server makes of the same
// values in SQL, errors included.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/random_cases.hpp"

extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
}

namespace {

using namespace bgw_test;

// --- arrays ---------------------------------------------------------------------------------------------

struct Element {
  Oid type;
  const char* name;
  int16 length;
  bool by_value;
  char align;
};

const Element elements[] = {{INT2OID, "int2", 2, true, TYPALIGN_SHORT},
                            {INT4OID, "int4", 4, true, TYPALIGN_INT},
                            {INT8OID, "int8", 8, true, TYPALIGN_DOUBLE},
                            {BOOLOID, "bool", 1, true, TYPALIGN_CHAR},
                            {FLOAT8OID, "float8", 8, true, TYPALIGN_DOUBLE},
                            {TEXTOID, "text", -1, false, TYPALIGN_INT},
                            {NUMERICOID, "numeric", -1, false, TYPALIGN_INT},
                            {NAMEOID, "name", NAMEDATALEN, false, TYPALIGN_CHAR},
                            {UUIDOID, "uuid", 16, false, TYPALIGN_CHAR},
                            {TIMESTAMPTZOID, "timestamptz", 8, true, TYPALIGN_DOUBLE}};

std::string element_text(Random& random, Oid type) {
  switch (type) {
    case INT2OID:
    case INT4OID:
    case INT8OID:
      return std::to_string(random.below(65000) - 32500);
    case BOOLOID:
      return random.below(2) ? "t" : "f";
    case FLOAT8OID:
      return random.one_of({"0", "-0", "NaN", "1e300", "0.1", "-2.5"});
    case NUMERICOID:
      return random.one_of({"0", "NaN", "1.10", "-123456789.000001", "1e40"});
    case UUIDOID:
      return "00112233-4455-6677-8899-aabbccddee" + std::to_string(10 + random.below(90));
    case TIMESTAMPTZOID:
      return random.one_of({"infinity", "2024-02-29 23:59:59.5+00", "1999-12-31 00:00:00+00"});
    default:
      return random.pieces({"a", "\"", "\\", ",", " ", "{", "}", "NULL", "\xc3\xa9", "B", "'"}, 5);
  }
}

Datum element_value(Oid type, const std::string& text) {
  Oid input, parameter;
  getTypeInputInfo(type, &input, &parameter);
  return OidInputFunctionCall(input, const_cast<char*>(text.c_str()), parameter, -1);
}

char* element_out(Oid type, Datum value) {
  Oid output;
  bool varlena;
  getTypeOutputInfo(type, &output, &varlena);
  return OidOutputFunctionCall(output, value);
}

struct ArrayCase {
  const Element* element;
  int ndim = 0, dims[3] = {0, 0, 0}, lbs[3] = {1, 1, 1};
  std::vector<std::string> texts;
  std::vector<char> nulls;
  int at[3] = {0, 0, 0}, slice = 0;
  std::string replacement;
  bool replace_with_null = false;

  int count() const {
    int n = ndim > 0 ? 1 : 0;
    for (int i = 0; i < ndim; i++) n *= dims[i];
    return n;
  }
  // As the server's constructor syntax, bounds apart.
  std::string sql(int level = 0, int first = 0, int n = -1) const {
    if (ndim == 0) return std::string("'{}'::") + element->name + "[]";
    if (n < 0) n = count();
    if (level == ndim)
      return (nulls[static_cast<size_t>(first)] ? std::string("NULL")
                                                : sql_literal(texts[static_cast<size_t>(first)])) +
             "::" + element->name;
    std::string text = "ARRAY[";
    for (int i = 0; i < dims[level]; i++)
      text += (i ? "," : "") + sql(level + 1, first + i * (n / dims[level]), n / dims[level]);
    return text + "]";
  }
  std::string bounds() const {
    std::string text;
    for (int i = 0; i < ndim; i++)
      text += "[" + std::to_string(lbs[i]) + ":" + std::to_string(lbs[i] + dims[i] - 1) + "]";
    return text;
  }
  // With the bounds, which only a literal can give: the text of the constructor's value behind them.
  std::string sql_with_bounds() const {
    return ndim == 0 ? sql() : "('" + bounds() + "=' || " + sql() + "::text)::" + element->name + "[]";
  }
};

ArrayType* construct(ArrayCase* c) {
  const Element& e = *c->element;
  int n = c->count();
  Datum* values = static_cast<Datum*>(palloc0(sizeof(Datum) * static_cast<size_t>(n + 1)));
  bool* nulls = static_cast<bool*>(palloc0(static_cast<size_t>(n + 1)));
  for (int i = 0; i < n; i++) {
    nulls[i] = c->nulls[static_cast<size_t>(i)];
    if (!nulls[i]) values[i] = element_value(e.type, c->texts[static_cast<size_t>(i)]);
  }
  return construct_md_array(values, nulls, c->ndim, c->dims, c->lbs, e.type, e.length, e.by_value, e.align);
}

char* array_text(ArrayType* array) {
  return DatumGetCString(OidFunctionCall1(F_ARRAY_OUT, PointerGetDatum(array)));
}

char* constructed(ArrayCase* c) {
  return array_text(construct(c));
}

char* size_of_constructed(ArrayCase* c) {
  return psprintf("%d", static_cast<int>(VARSIZE(construct(c))));
}

char* taken_apart(ArrayCase* c) {
  const Element& e = *c->element;
  Datum* values;
  bool* nulls;
  int n;
  deconstruct_array(construct(c), e.type, e.length, e.by_value, e.align, &values, &nulls, &n);
  StringInfoData text;
  initStringInfo(&text);
  for (int i = 0; i < n; i++)
    appendStringInfo(&text, "%s%s", i ? "|" : "", nulls[i] ? "-" : element_out(e.type, values[i]));
  return text.data;
}

char* element_at(ArrayCase* c) {
  const Element& e = *c->element;
  bool is_null;
  Datum value = array_get_element(PointerGetDatum(construct(c)), c->ndim, c->at, -1, e.length, e.by_value,
                                  e.align, &is_null);
  return is_null ? nullptr : element_out(e.type, value);
}

char* with_element(ArrayCase* c) {
  const Element& e = *c->element;
  Datum value = c->replace_with_null ? 0 : element_value(e.type, c->replacement);
  Datum array = array_set_element(PointerGetDatum(construct(c)), Max(c->ndim, 1), c->at, value,
                                  c->replace_with_null, -1, e.length, e.by_value, e.align);
  return array_text(DatumGetArrayTypeP(array));
}

char* slices(ArrayCase* c) {
  ArrayIterator iterator = array_create_iterator(construct(c), c->slice, nullptr);
  StringInfoData text;
  initStringInfo(&text);
  Datum value;
  for (bool is_null; array_iterate(iterator, &value, &is_null);)
    appendStringInfo(&text, "%s|",
                     is_null         ? "-"
                     : c->slice == 0 ? element_out(c->element->type, value)
                                     : array_text(DatumGetArrayTypeP(value)));
  array_free_iterator(iterator);
  return text.data;
}

char* accumulated(ArrayCase* c) {
  ArrayBuildState* state = initArrayResult(c->element->type, CurrentMemoryContext, false);
  for (size_t i = 0; i < c->texts.size(); i++)
    state = accumArrayResult(state, c->nulls[i] ? 0 : element_value(c->element->type, c->texts[i]), c->nulls[i],
                             c->element->type, CurrentMemoryContext);
  return array_text(DatumGetArrayTypeP(makeArrayResult(state, CurrentMemoryContext)));
}

TEST(DataToolsBesideServer, Arrays) {
  BesideServer server;
  Random random(comparison_seed());
  query(server.connection(), "set timezone = 'GMT'");
  for (const Element& e : elements) {
    std::string type = e.name;
    query(server.connection(),
          "create function put(a " + type + "[], n int[], v " + type + ") returns " + type +
              "[] language plpgsql as $$ begin case array_length(n, 1) when 1 then a[n[1]] := v; "
              "when 2 then a[n[1]][n[2]] := v; else a[n[1]][n[2]][n[3]] := v; end case; return a; end $$; "
              "create function elements(a " +
              type + "[]) returns text language plpgsql as $$ declare x " + type +
              "; r text = ''; begin foreach x in array a loop r = r || coalesce(x::text, '-') || '|'; "
              "end loop; return r; end $$; "
              "create function slices1(a " +
              type + "[]) returns text language plpgsql as $$ declare x " + type +
              "[]; r text = ''; begin foreach x slice 1 in array a loop r = r || x::text || '|'; end loop; "
              "return r; end $$");
    std::vector<std::string> expressions;
    std::vector<Answer> host;
    auto add = [&](const std::string& expression, const Answer& answer) {
      expressions.push_back(expression);
      host.push_back(answer);
    };
    // Printed by the type's own output, as here, where a cast to text may do more: a boolean is "true" there.
    std::string shown = e.type == BOOLOID ? "case when x then 't' when not x then 'f' end" : "x::text";
    for (int round = 0; round < 60; round++) {
      ArrayCase c{&e};
      c.ndim = random.below(8) == 0 ? 0 : 1 + random.below(3);
      for (int i = 0; i < c.ndim; i++) {
        c.dims[i] = 1 + random.below(3);
        c.lbs[i] = random.below(2) ? 1 : random.below(7) - 3;
      }
      bool some_null = random.below(2) != 0;
      for (int i = 0; i < c.count(); i++) {
        c.texts.push_back(element_text(random, e.type));
        c.nulls.push_back(some_null && random.below(4) == 0);
      }
      for (int i = 0; i < 3; i++) c.at[i] = c.lbs[i] + random.below(4) - (random.below(5) == 0);
      c.replacement = element_text(random, e.type);
      c.replace_with_null = random.below(5) == 0;

      std::string sql = c.sql_with_bounds(), subscripts, numbers;
      for (int i = 0; i < Max(c.ndim, 1); i++) {
        subscripts += "[" + std::to_string(c.at[i]) + "]";
        numbers += (i ? "," : "") + std::to_string(c.at[i]);
      }
      add(sql, answer_of(constructed, &c));
      add("pg_column_size(" + sql + ")", answer_of(size_of_constructed, &c));
      add("coalesce((select string_agg(coalesce(" + shown + ", '-'), '|' order by n) from unnest(" + sql +
              ") with ordinality u(x, n)), '')",
          answer_of(taken_apart, &c));
      if (c.ndim > 0)
        add(e.type == BOOLOID ? "(select case when x then 't' when not x then 'f' end from (select (" + sql +
                                    ")" + subscripts + ") s(x))"
                              : "(" + sql + ")" + subscripts,
            answer_of(element_at, &c));
      std::string value = (c.replace_with_null ? "NULL" : sql_literal(c.replacement)) + "::" + type;
      add("put(" + sql + ", array[" + numbers + "], " + value + ")", answer_of(with_element, &c));
      if (e.type != BOOLOID) add("elements(" + sql + ")", answer_of(slices, &c));
      c.slice = 1;
      if (c.ndim > 0) add("slices1(" + sql + ")", answer_of(slices, &c));
      add("coalesce((select array_agg(x order by n) from unnest(" + sql + ") with ordinality u(x, n)), '{}')",
          answer_of(accumulated, &c));
    }
    server.compare(expressions, host, "arrays of " + type);
  }
}

struct ArraysCase {
  const Element* element;
  std::vector<ArrayCase> arrays;
};

char* arrays_gathered(ArraysCase* c) {
  Oid type = get_array_type(c->element->type);
  ArrayBuildStateArr* state = initArrayResultArr(type, c->element->type, CurrentMemoryContext, true);
  for (ArrayCase& array : c->arrays)
    state = accumArrayResultArr(state, PointerGetDatum(construct(&array)), false, type, CurrentMemoryContext);
  return array_text(DatumGetArrayTypeP(makeArrayResultArr(state, CurrentMemoryContext, true)));
}

char* any_gathered(ArraysCase* c) {
  Oid type = get_array_type(c->element->type);
  ArrayBuildStateAny* state = nullptr;
  for (ArrayCase& array : c->arrays)
    state = accumArrayResultAny(state, PointerGetDatum(construct(&array)), false, type, CurrentMemoryContext);
  return array_text(DatumGetArrayTypeP(makeArrayResultAny(state, CurrentMemoryContext, true)));
}

TEST(DataToolsBesideServer, ArraysOfArrays) {
  BesideServer server;
  Random random(comparison_seed());
  query(server.connection(), "set timezone = 'GMT'");
  for (const Element& e : elements) {
    std::vector<std::string> expressions;
    std::vector<Answer> host;
    for (int round = 0; round < 40; round++) {
      ArraysCase c{&e, {}};
      ArrayCase shape{&e};
      shape.ndim = random.below(10) == 0 ? 0 : 1 + random.below(3);
      for (int i = 0; i < shape.ndim; i++) {
        shape.dims[i] = 1 + random.below(3);
        shape.lbs[i] = random.below(2) ? 1 : random.below(7) - 3;
      }
      std::string values;
      for (int i = 1 + random.below(6), k = 0; k < i; k++) {
        ArrayCase array = shape;
        if (k > 0 && random.below(30) == 0 && array.ndim > 0) array.lbs[0]++;  // an error
        bool some_null = random.below(3) == 0;
        for (int n = 0; n < array.count(); n++) {
          array.texts.push_back(element_text(random, e.type));
          array.nulls.push_back(some_null && random.below(3) == 0);
        }
        values += (k ? ",(" : "(") + array.sql_with_bounds() + "," + std::to_string(k) + ")";
        c.arrays.push_back(array);
      }
      std::string sql = "(select array_agg(x order by n) from (values " + values + ") v(x, n))";
      expressions.push_back(sql);
      host.push_back(answer_of(arrays_gathered, &c));
      expressions.push_back(sql);
      host.push_back(answer_of(any_gathered, &c));
    }
    server.compare(expressions, host, std::string("arrays of arrays of ") + e.name);
  }
}

// --- tuples ---------------------------------------------------------------------------------------------

struct Column {
  const Element* element;
  std::string text, changed;
  bool is_null = false, changed_to_null = false, replace = false;
};
using Row = std::vector<Column>;

TupleDesc describe(Row* row) {
  TupleDesc desc = CreateTemplateTupleDesc(static_cast<int>(row->size()));
  for (size_t i = 0; i < row->size(); i++)
    TupleDescInitEntry(desc, static_cast<AttrNumber>(i + 1), psprintf("f%d", static_cast<int>(i + 1)),
                       (*row)[i].element->type, -1, 0);
  return desc;
}

HeapTuple form(Row* row, TupleDesc desc) {
  Datum* values = static_cast<Datum*>(palloc0(sizeof(Datum) * row->size()));
  bool* nulls = static_cast<bool*>(palloc0(row->size()));
  for (size_t i = 0; i < row->size(); i++) {
    nulls[i] = (*row)[i].is_null;
    if (!nulls[i]) values[i] = element_value((*row)[i].element->type, (*row)[i].text);
  }
  return heap_form_tuple(desc, values, nulls);
}

// The values that heap_deform_tuple() gives, checked against heap_getattr() in the order from the last column.
char* show(Row* row, HeapTuple tuple, TupleDesc desc) {
  Datum* values = static_cast<Datum*>(palloc0(sizeof(Datum) * row->size()));
  bool* nulls = static_cast<bool*>(palloc0(row->size()));
  heap_deform_tuple(tuple, desc, values, nulls);
  for (int i = desc->natts; i > 0; i--) {
    bool is_null;
    Datum value = heap_getattr(tuple, i, desc, &is_null);
    if (is_null != nulls[i - 1] || (!is_null && value != values[i - 1]))
      elog(ERROR, "column %d: heap_getattr and heap_deform_tuple differ", i);
    if (heap_attisnull(tuple, i, desc) != is_null) elog(ERROR, "column %d: heap_attisnull differs", i);
  }
  StringInfoData text;
  initStringInfo(&text);
  for (int i = 0; i < desc->natts; i++)
    appendStringInfo(&text, "%s|",
                     nulls[i] ? "-" : element_out((*row)[static_cast<size_t>(i)].element->type, values[i]));
  appendStringInfo(&text, "%d",
                   static_cast<int>(HeapTupleHeaderGetDatumLength(
                       DatumGetHeapTupleHeader(heap_copy_tuple_as_datum(tuple, desc)))));
  return text.data;
}

char* formed(Row* row) {
  TupleDesc desc = describe(row);
  return show(row, heap_copytuple(form(row, desc)), CreateTupleDescCopy(desc));
}

char* modified(Row* row) {
  TupleDesc desc = describe(row);
  Datum* values = static_cast<Datum*>(palloc0(sizeof(Datum) * row->size()));
  bool* nulls = static_cast<bool*>(palloc0(row->size()));
  bool* replace = static_cast<bool*>(palloc0(row->size()));
  for (size_t i = 0; i < row->size(); i++) {
    const Column& column = (*row)[i];
    replace[i] = column.replace;
    nulls[i] = column.changed_to_null;
    if (replace[i] && !nulls[i]) values[i] = element_value(column.element->type, column.changed);
  }
  return show(row, heap_modify_tuple(form(row, desc), desc, values, nulls, replace), desc);
}

char* modified_by_columns(Row* row) {
  TupleDesc desc = describe(row);
  Datum* values = static_cast<Datum*>(palloc0(sizeof(Datum) * row->size()));
  bool* nulls = static_cast<bool*>(palloc0(row->size()));
  int* columns = static_cast<int*>(palloc0(sizeof(int) * row->size()));
  int n = 0;
  for (size_t i = row->size(); i-- > 0;) {
    const Column& column = (*row)[i];
    if (!column.replace) continue;
    columns[n] = static_cast<int>(i) + 1;
    nulls[n] = column.changed_to_null;
    if (!nulls[n]) values[n] = element_value(column.element->type, column.changed);
    n++;
  }
  return show(row, heap_modify_tuple_by_cols(form(row, desc), desc, n, columns, values, nulls), desc);
}

std::string row_sql(const Row& row, bool changed) {
  std::string list, shown;
  for (const Column& column : row) {
    bool other = changed && column.replace;
    bool is_null = other ? column.changed_to_null : column.is_null;
    std::string value =
        (is_null ? "NULL" : sql_literal(other ? column.changed : column.text)) + "::" + column.element->name;
    list += (list.empty() ? "" : ",") + value;
    shown += "coalesce(" +
             (column.element->type == BOOLOID ? "left((" + value + ")::text, 1)" : "(" + value + ")::text") +
             ",'-')||'|'||";
  }
  return shown + "pg_column_size(row(" + list + "))";
}

TEST(DataToolsBesideServer, Tuples) {
  BesideServer server;
  Random random(comparison_seed());
  query(server.connection(), "set timezone = 'GMT'");
  std::vector<std::string> expressions;
  std::vector<Answer> host;
  for (int round = 0; round < 300; round++) {
    Row row;
    for (int i = 1 + random.below(12); i > 0; i--) {
      const Element& e = elements[random.below(static_cast<int>(std::size(elements)))];
      Column column{&e, element_text(random, e.type), element_text(random, e.type)};
      // Long enough for a header of four bytes, now and then.
      if (e.type == TEXTOID && random.below(6) == 0) column.text += std::string(120 + random.below(20), 'x');
      column.is_null = random.below(5) == 0;
      column.changed_to_null = random.below(5) == 0;
      column.replace = random.below(2) != 0;
      row.push_back(column);
    }
    expressions.push_back(row_sql(row, false));
    host.push_back(answer_of(formed, &row));
    expressions.push_back(row_sql(row, true));
    host.push_back(answer_of(modified, &row));
    expressions.push_back(row_sql(row, true));
    host.push_back(answer_of(modified_by_columns, &row));
  }
  server.compare(expressions, host, "tuples");
}

}  // namespace
