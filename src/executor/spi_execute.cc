// Running statements: what is refused before it is sent, what is sent, and which code and globals come of it.
//
// A statement's kind is known from its text (core/statement.hpp). One that our parser does not know is judged
// by the command tag of its answer.
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "tcop/pquery.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
}

#include "bridge/oid_aliases.hpp"
#include "bridge/received_values.hpp"
#include "bridge/tuple_builder.hpp"
#include "bridge/type_io.hpp"
#include "bridge/user_types.hpp"
#include "bridge/worker_session.hpp"
#include "executor/spi_internal.hpp"

using bgw::RowSet;
using bgw::StatementKind;

// ---- errors ----

namespace {

void add_error_context(void* argument) {
  const SpiErrorContext* context = static_cast<SpiErrorContext*>(argument);
  if (context->query == nullptr) return;
  int position = geterrposition();
  if (position > 0) {
    errposition(0);
    internalerrposition(position);
    internalerrquery(context->query);
  } else {
    errcontext("SQL statement \"%s\"", context->query);
  }
}

}  // namespace

void spi_push_error_context(SpiErrorContext* context, const char* query) {
  context->query = query;
  context->callback.callback = add_error_context;
  context->callback.arg = context;
  context->callback.previous = error_context_stack;
  error_context_stack = &context->callback;
}

void spi_pop_error_context(const SpiErrorContext* context) {
  error_context_stack = context->callback.previous;
}

// ---- parameters ----

namespace {

// A value of a type that this process cannot build is its text, when it comes from a result; a module that makes the type's own
// form, which the upstream could not read, has put a number somewhere in it, and so a zero byte. nullptr: it is not text.
const char* carried_text(const bgw::TypeInfo* type, Datum value) {
  if (type == nullptr || type->typlen != -1 || bgw::received_type(type->oid) != nullptr) return nullptr;
  const varlena* text = PG_DETOAST_DATUM_PACKED(value);
  const int len = static_cast<int>(VARSIZE_ANY_EXHDR(text));
  if (memchr(VARDATA_ANY(text), 0, static_cast<Size>(len)) != nullptr || !pg_verifymbstr(VARDATA_ANY(text), len, true))
    return nullptr;
  return pnstrdup(VARDATA_ANY(text), static_cast<Size>(len));
}

const char* parameter_text(Oid oid, Datum value) {
  const bgw::TypeInfo* type = bgw::learn_buildable_type(oid);
  // The server reads no value of a type of which it does not know the columns, either.
  if (type != nullptr && type->constructible && bgw::received_type(oid) == nullptr)
    return bgw::type_to_text(type, value);
  if (const char* text = carried_text(type, value)) return text;
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("a parameter of type %s cannot be sent from outside the server",
                         type != nullptr ? type->name : psprintf("with OID %u", oid)),
                  oid == RECORDOID ? errhint("Make it a value of a named row type.")
                                   : errhint("Pass it as text and cast it in the statement.")));
  pg_unreachable();
}

// Bytes go in binary format: as text they are twice as long, and written and read once more. Answers BgwRun's
// binary_lengths.
const int* add_bytes_as_they_are(const SpiParameters* parameters, const char** values) {
  int* lengths = nullptr;
  for (int i = 0; i < parameters->count; ++i) {
    if (parameters->types[i] != BYTEAOID || (parameters->nulls && parameters->nulls[i] == 'n')) continue;
    if (lengths == nullptr) {
      lengths = static_cast<int*>(palloc(sizeof(int) * static_cast<Size>(parameters->count)));
      for (int k = 0; k < parameters->count; ++k) lengths[k] = -1;
    }
    const bytea* bytes = DatumGetByteaPP(parameters->values[i]);
    values[i] = VARDATA_ANY(bytes);
    lengths[i] = static_cast<int>(VARSIZE_ANY_EXHDR(bytes));
  }
  return lengths;
}

}  // namespace

const char* const* spi_parameter_texts(const SpiParameters* parameters, const int** binary_lengths) {
  if (parameters == nullptr || parameters->count == 0) return nullptr;
  const char** texts = static_cast<const char**>(palloc0(sizeof(char*) * static_cast<Size>(parameters->count)));
  // In one form whatever the worker's own settings: nothing is lost, and the upstream cannot mistake it.
  const int date_style = DateStyle, interval_style = IntervalStyle, float_digits = extra_float_digits;
  DateStyle = USE_ISO_DATES;
  IntervalStyle = INTSTYLE_POSTGRES;
  extra_float_digits = 1;
  PG_TRY();
  {
    bgw::print_aliases_as_numbers = true;
    for (int i = 0; i < parameters->count; ++i) {
      if (parameters->nulls && parameters->nulls[i] == 'n') continue;
      if (binary_lengths != nullptr && parameters->types[i] == BYTEAOID) continue;
      texts[i] = parameter_text(parameters->types[i], parameters->values[i]);
    }
  }
  PG_FINALLY();
  {
    bgw::print_aliases_as_numbers = false;
    DateStyle = date_style;
    IntervalStyle = interval_style;
    extra_float_digits = float_digits;
  }
  PG_END_TRY();
  if (binary_lengths != nullptr) *binary_lengths = add_bytes_as_they_are(parameters, texts);
  return texts;
}

SpiParameters spi_parameters_from_list(ParamListInfo list) {
  SpiParameters parameters = {};
  if (list == nullptr || list->numParams <= 0) return parameters;
  Size n = static_cast<Size>(list->numParams);
  Oid* types = static_cast<Oid*>(palloc0(sizeof(Oid) * n));
  Datum* values = static_cast<Datum*>(palloc0(sizeof(Datum) * n));
  char* nulls = static_cast<char*>(palloc0(n + 1));
  for (int i = 0; i < list->numParams; ++i) {
    ParamExternData workspace;
    ParamExternData* p = list->paramFetch ? list->paramFetch(list, i + 1, false, &workspace) : &list->params[i];
    types[i] = p->ptype;
    values[i] = p->value;
    nulls[i] = p->isnull || !OidIsValid(p->ptype) ? 'n' : ' ';
    if (!OidIsValid(p->ptype)) types[i] = TEXTOID;
  }
  parameters.count = list->numParams;
  parameters.types = types;
  parameters.values = values;
  parameters.nulls = nulls;
  return parameters;
}

// ---- rows ----

namespace {

// A table of the current level, with nothing in it; its memory context is current then.
SPITupleTable* begin_tuptable() {
  MemoryContext context =
      AllocSetContextCreateInternal(spi_current->proc_context, "SPI TupTable", ALLOCSET_DEFAULT_SIZES);
  MemoryContextSwitchTo(context);
  SPITupleTable* table = static_cast<SPITupleTable*>(palloc0(sizeof(SPITupleTable)));
  table->tuptabcxt = context;
  table->subid = GetCurrentSubTransactionId();
  slist_push_head(&spi_current->tuptables, &table->next);
  return table;
}

}  // namespace

void spi_make_text_tuptable(const char* name, const char* value) {
  MemoryContext outside = CurrentMemoryContext;
  SPITupleTable* table = begin_tuptable();
  const Oid type = TEXTOID;
  const int32 typmod = -1;
  const int length = static_cast<int>(strlen(value));
  table->tupdesc = bgw::build_result_tupdesc(1, &name, &type, &typmod);
  table->alloced = 128;
  table->vals = static_cast<HeapTuple*>(palloc(table->alloced * sizeof(HeapTuple)));
  table->vals[0] = bgw::build_tuple(bgw::make_tuple_builder(table->tupdesc), &value, &length);
  table->numvals = 1;
  MemoryContextSwitchTo(outside);
  spi_current->tuptable = table;
}

namespace {

// Into the table that has been begun, whose descriptor says of what types the columns are.
void receive_rows(SPITupleTable* table, const RowSet* rows) {
  const int columns = rows->columns(), count = rows->rows();
  MemoryContext scratch =
      AllocSetContextCreateInternal(spi_current->exec_context, "received values", ALLOCSET_DEFAULT_SIZES);
  Datum* values = static_cast<Datum*>(MemoryContextAlloc(spi_current->exec_context, sizeof(Datum) * (static_cast<Size>(columns) + 1)));
  bool* nulls = static_cast<bool*>(MemoryContextAlloc(spi_current->exec_context, static_cast<Size>(columns) + 1));
  for (int c = 0; c < columns; ++c) bgw::describe_received(TupleDescAttr(table->tupdesc, c));
  for (int r = 0; r < count; ++r) {
    if ((r & 1023) == 1023) CHECK_FOR_INTERRUPTS();
    MemoryContextSwitchTo(scratch);
    for (int c = 0; c < columns; ++c) {
      nulls[c] = rows->is_null(r, c);
      values[c] = nulls[c] ? 0
                           : bgw::receive_value(TupleDescAttr(table->tupdesc, c), rows->value(r, c), rows->length(r, c),
                                                "column", c + 1);
    }
    MemoryContextSwitchTo(table->tuptabcxt);
    table->vals[r] = heap_form_tuple(table->tupdesc, values, nulls);
    table->numvals++;
    MemoryContextReset(scratch);
  }
  MemoryContextDelete(scratch);
}

}  // namespace

bool spi_make_tuptable(const RowSet* rows) {
  volatile bool told = true;
  MemoryContext outside = CurrentMemoryContext;
  SPITupleTable* table = begin_tuptable();
  MemoryContext context = table->tuptabcxt;

  int columns = rows->columns();
  int count = rows->rows();
  // Scratch for the conversion goes with the call.
  MemoryContextSwitchTo(spi_current->exec_context);
  Size slots = static_cast<Size>(columns) + 1;
  const char** names = static_cast<const char**>(palloc(sizeof(char*) * slots));
  Oid* types = static_cast<Oid*>(palloc(sizeof(Oid) * slots));
  int32* typmods = static_cast<int32*>(palloc(sizeof(int32) * slots));
  const char** values = static_cast<const char**>(palloc(sizeof(char*) * slots));
  int* lengths = static_cast<int*>(palloc(sizeof(int) * slots));
  for (int c = 0; c < columns; ++c) {
    names[c] = rows->name(c);
    types[c] = rows->type(c);
    typmods[c] = rows->type_modifier(c);
  }
  MemoryContextSwitchTo(context);
  table->tupdesc = bgw::build_result_tupdesc(columns, names, types, typmods);
  MemoryContextSwitchTo(spi_current->exec_context);
  const bool binary = rows->binary();
  for (int c = 0; c < columns && !binary; ++c)
    if (bgw::alias_type(types[c]) != nullptr) {
      if (bgw::resolve_aliases(types[c], rows, c))
        bgw::describe_alias(TupleDescAttr(table->tupdesc, c));
      else
        told = false;
    }
  MemoryContextSwitchTo(context);
  table->alloced = count > 128 ? static_cast<uint64>(count) : 128;
  table->vals = static_cast<HeapTuple*>(MemoryContextAllocHuge(context, table->alloced * sizeof(HeapTuple)));
  MemoryContextSwitchTo(spi_current->exec_context);
  bgw::TupleBuilder* builder = bgw::make_tuple_builder(table->tupdesc);
  MemoryContextSwitchTo(context);
  // What the server printed is in order; a conversion that raises must not leave that believed of other text.
  PG_TRY();
  {
    bgw::trusted_text = true;
    if (binary) receive_rows(table, rows);
    for (int r = 0; r < count && !binary; ++r) {
      if ((r & 1023) == 1023) CHECK_FOR_INTERRUPTS();
      for (int c = 0; c < columns; ++c) {
        values[c] = rows->is_null(r, c) ? nullptr : rows->value(r, c);
        lengths[c] = rows->length(r, c);
      }
      table->vals[r] = bgw::build_tuple(builder, values, lengths);
      table->numvals++;
    }
  }
  PG_FINALLY();
  { bgw::trusted_text = false; }
  PG_END_TRY();
  MemoryContextSwitchTo(outside);
  spi_current->tuptable = table;
  return told;
}

// ---- one statement ----

void spi_refuse_unless_read_only(const SpiStatement* s) {
  bool allowed = s->read_only;
  if (s->kind == StatementKind::unknown)
    allowed = strcmp(s->tag, "SELECT") == 0 || strcmp(s->tag, "WITH") == 0 || strcmp(s->tag, "VALUES") == 0 ||
              strcmp(s->tag, "TABLE") == 0;
  if (!allowed)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("%s is not allowed in a non-volatile function", s->tag)));
}

// The protocol would let the upstream guess the type of a parameter that SPI says does not exist.
void spi_check_parameter_numbers(const SpiStatement* s, int nargs) {
  if (s->max_param > nargs)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_PARAMETER), errmsg("there is no parameter $%d", s->max_param),
                    errposition(s->max_param_at + s->offset)));
}

BgwRun spi_make_run(const SpiStatement* s, int nargs, const Oid* argtypes, const SpiRun* how) {
  BgwRun run = {};
  run.text = s->text;
  // The upstream accepts no more types than the statement has parameters only if it can use them all;
  // unused ones are fine.
  run.nargs = nargs;
  run.argtypes = argtypes;
  run.preparable =
      s->analyzed_at_prepare && s->kind <= StatementKind::merge && s->kind != StatementKind::select_into;
  run.position_offset = s->offset;
  run.drops_prepared = s->drops_prepared;
  run.changes_names = s->changes_names;
  run.no_savepoint =
      s->is_set && s->set_name &&
      (pg_strcasecmp(s->set_name, "TRANSACTION") == 0 || pg_strncasecmp(s->set_name, "transaction_", 12) == 0);
  if (how) {
    run.want_prepared = how->want_prepared;
    run.read_only = how->read_only;
  }
  return run;
}

namespace {

int code_of_tag(const char* tag, bool rows) {
  if (strncmp(tag, "SELECT", 6) == 0) return rows ? SPI_OK_SELECT : SPI_OK_UTILITY;
  if (strncmp(tag, "INSERT", 6) == 0) return rows ? SPI_OK_INSERT_RETURNING : SPI_OK_INSERT;
  if (strncmp(tag, "UPDATE", 6) == 0) return rows ? SPI_OK_UPDATE_RETURNING : SPI_OK_UPDATE;
  if (strncmp(tag, "DELETE", 6) == 0) return rows ? SPI_OK_DELETE_RETURNING : SPI_OK_DELETE;
  if (strncmp(tag, "MERGE", 5) == 0) return SPI_OK_MERGE;
  return SPI_OK_UTILITY;
}

// Sets spi_current->processed and ->tuptable, and returns the code.
int take_rows(const SpiStatement* s, const BgwRun* run, const RowSet* rows) {
  bool has_rows = rows->has_rows();
  if (has_rows) {
    if (!spi_make_tuptable(rows)) spi_note_ambiguous_names(s, run, rows);
    spi_current->processed = spi_current->tuptable->numvals;
  }
  switch (s->kind) {
    case StatementKind::select:
      return SPI_OK_SELECT;
    case StatementKind::select_into:
      spi_current->processed = rows->affected();
      return SPI_OK_SELINTO;
    case StatementKind::insert:
      if (!has_rows) spi_current->processed = rows->affected();
      return has_rows ? SPI_OK_INSERT_RETURNING : SPI_OK_INSERT;
    case StatementKind::update:
      if (!has_rows) spi_current->processed = rows->affected();
      return has_rows ? SPI_OK_UPDATE_RETURNING : SPI_OK_UPDATE;
    case StatementKind::remove:
      if (!has_rows) spi_current->processed = rows->affected();
      return has_rows ? SPI_OK_DELETE_RETURNING : SPI_OK_DELETE;
    case StatementKind::merge:
      if (!has_rows) spi_current->processed = rows->affected();
      return SPI_OK_MERGE;
    case StatementKind::create_table_as:
      spi_current->processed = strncmp(rows->command_tag(), "SELECT", 6) == 0 ? rows->affected() : 0;
      return SPI_OK_UTILITY;
    case StatementKind::copy_file:
      spi_current->processed = rows->affected();
      return SPI_OK_UTILITY;
    case StatementKind::unknown: {
      int code = code_of_tag(rows->command_tag(), has_rows);
      if (!has_rows && code != SPI_OK_UTILITY) spi_current->processed = rows->affected();
      return code;
    }
    case StatementKind::transaction:
    case StatementKind::copy_client:
    case StatementKind::listen:
    case StatementKind::utility_rows:
    case StatementKind::utility:
      return SPI_OK_UTILITY;
  }
  return SPI_OK_UTILITY;
}

int run_one(const SpiStatement* s, const SpiParameters* parameters, const SpiRun* how, bool last) {
  int nargs = parameters ? parameters->count : 0;
  spi_check_parameter_numbers(s, nargs);
  if (s->needs_snapshot) EnsurePortalSnapshotExists();
  if (s->kind == StatementKind::copy_client) return SPI_ERROR_COPY;
  if (s->kind == StatementKind::transaction) return SPI_ERROR_TRANSACTION;
  if (how->read_only) spi_refuse_unless_read_only(s);
  if (s->kind == StatementKind::listen)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("cannot execute %s within a background process", "LISTEN")));
  if (s->outside_block) PreventInTransactionBlock(false, s->outside_block);
  bool returns = s->kind == StatementKind::select || s->returning || s->kind == StatementKind::utility_rows ||
                 s->kind == StatementKind::unknown;
  if (how->must_return_tuples && last && !returns)
    ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("%s query does not return tuples", s->tag)));

  BgwRun run = spi_make_run(s, nargs, parameters ? parameters->types : nullptr, how);
  run.values = spi_parameter_texts(parameters, &run.binary_lengths);
  if (how->tcount > 0 && (s->kind == StatementKind::select || s->returning)) {
    run.row_limit = how->tcount;
    run.limit_by_cursor = s->cursor_ok;
  }
  if (s->setting != bgw::SettingAction::none) {
    run.text = spi_setting_before(s);
    if (run.text == nullptr) return SPI_OK_UTILITY;
  }
  if (s->needs_snapshot) FirstSnapshotSet = true;
  bool too_many = false;
  run.binary_rows = returns && spi_wants_binary(s, &run);
  const RowSet* rows = run.binary_rows ? spi_run_binary(s, &run, &too_many) : bgw_session_run(&run, &too_many);
  if (returns) spi_note_columns(s, &run, rows);
  if (s->setting != bgw::SettingAction::none) spi_setting_after(s);
  if (s->kind == StatementKind::utility || s->kind == StatementKind::unknown) bgw::types_may_have_changed();
  if (too_many)
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("row limit of %ld reached by %s, which cannot be stopped half-way from outside the server",
                    how->tcount, s->tag),
             errdetail("The statement's effects have been undone."),
             errhint("Limit the rows in the statement itself.")));
  if (s->closes_cursor) {
    spi_forget_cursors(s->cursor_name);
  } else if (s->cursor_name && GetPortalByName(s->cursor_name) == nullptr) {
    Portal portal = CreatePortal(s->cursor_name, true, true);
    portal->status = PORTAL_READY;
    portal->sourceText = MemoryContextStrdup(TopTransactionContext, s->text);
  }
  return take_rows(s, &run, rows);
}

}  // namespace

// ---- whole texts ----

namespace {

// Raises the upstream's syntax error, if it has one. That there is more than one statement is none.
void let_upstream_parse(const char* source) {
  MemoryContext caller = CurrentMemoryContext;
  PG_TRY();
  {
    BgwRun run = {};
    run.text = source;
    bgw_session_prepare(&run);
  }
  PG_CATCH();
  {
    MemoryContextSwitchTo(caller);
    ErrorData* error = CopyErrorData();
    if (error->sqlerrcode != ERRCODE_SYNTAX_ERROR || strstr(error->message, "multiple commands") == nullptr)
      PG_RE_THROW();
    FlushErrorState();
    FreeErrorData(error);
  }
  PG_END_TRY();
}

}  // namespace

int spi_run_text(const SpiText* text, const SpiParameters* parameters, const SpiRun* how) {
  int code = SPI_OK_REWRITTEN;
  uint64 processed = 0;
  SPITupleTable* tuptable = nullptr;
  SpiErrorContext context;
  spi_push_error_context(&context, text->source);
  if (how->must_return_tuples && text->count == 0)
    ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("empty query does not return tuples")));
  // The server parses the whole text before it runs any of it. Where our parser gives up, the upstream's
  // looks at those statements first.
  if (!text->understood && text->count > 1) let_upstream_parse(text->source);
  if (!text->understood && text->count > 1)
    spi_prepare_text(text, parameters ? parameters->count : 0, parameters ? parameters->types : nullptr);
  for (int i = 0; i < text->count; ++i) {
    CHECK_FOR_INTERRUPTS();
    spi_current->processed = 0;
    spi_current->tuptable = nullptr;
    code = run_one(&text->statements[i], parameters, how, i == text->count - 1);
    if (code < 0) break;
    processed = spi_current->processed;
    tuptable = spi_current->tuptable;
    CommandCounterIncrement();
  }
  spi_pop_error_context(&context);
  SPI_processed = processed;
  SPI_tuptable = tuptable;
  spi_current->tuptable = nullptr;
  return code;
}

void spi_prepare_text(const SpiText* text, int nargs, const Oid* argtypes) {
  for (int i = 0; i < text->count; ++i) {
    const SpiStatement* s = &text->statements[i];
    spi_check_parameter_numbers(s, nargs);
    bool analyzed = s->kind == StatementKind::unknown || (text->understood && s->analyzed_at_prepare);
    if (!analyzed) continue;
    BgwRun run = spi_make_run(s, nargs, argtypes, nullptr);
    run.want_prepared = true;
    if (s->may_need_binary)
      spi_note_columns(s, &run, bgw_session_describe(&run));
    else
      bgw_session_prepare(&run);
  }
}

uint64 spi_run_internal(const char* text, const SpiParameters* parameters, bool read_only, bool binary) {
  BgwRun run = {};
  run.text = text;
  run.nargs = parameters ? parameters->count : 0;
  run.argtypes = parameters ? parameters->types : nullptr;
  run.values = spi_parameter_texts(parameters, &run.binary_lengths);
  run.read_only = read_only;
  run.binary_rows = binary;
  const RowSet* rows = bgw_session_run(&run, nullptr);
  spi_current->processed = 0;
  spi_current->tuptable = nullptr;
  if (!rows->has_rows()) return rows->affected();
  (void)spi_make_tuptable(rows);
  return spi_current->tuptable->numvals;
}

// ---- the functions modules call ----

extern "C" {

int SPI_execute(const char* src, bool read_only, long tcount) {
  if (src == nullptr || tcount < 0) return SPI_ERROR_ARGUMENT;
  int code = spi_begin_call(true);
  if (code < 0) return code;
  SpiRun how = {.read_only = read_only, .tcount = tcount};
  code = spi_run_text(spi_read_text(src), nullptr, &how);
  spi_end_call(true);
  return code;
}

int SPI_exec(const char* src, long tcount) {
  return SPI_execute(src, false, tcount);
}

int SPI_execute_extended(const char* src, const SPIExecuteOptions* options) {
  if (src == nullptr || options == nullptr) return SPI_ERROR_ARGUMENT;
  int code = spi_begin_call(true);
  if (code < 0) return code;
  if (options->dest != nullptr)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("SPI_execute_extended with a destination is not available outside the server")));
  SpiParameters parameters = spi_parameters_from_list(options->params);
  SpiRun how = {.read_only = options->read_only,
                .tcount = static_cast<long>(options->tcount),
                .must_return_tuples = options->must_return_tuples};
  code = spi_run_text(spi_read_text(src), &parameters, &how);
  spi_end_call(true);
  return code;
}

int SPI_execute_with_args(const char* src, int nargs, Oid* argtypes, Datum* Values, const char* Nulls,
                          bool read_only, long tcount) {
  if (src == nullptr || nargs < 0 || tcount < 0) return SPI_ERROR_ARGUMENT;
  if (nargs > 0 && (argtypes == nullptr || Values == nullptr)) return SPI_ERROR_PARAM;
  int code = spi_begin_call(true);
  if (code < 0) return code;
  SpiParameters parameters = {.count = nargs, .types = argtypes, .values = Values, .nulls = Nulls};
  SpiRun how = {.read_only = read_only, .tcount = tcount};
  code = spi_run_text(spi_read_text(src), &parameters, &how);
  spi_end_call(true);
  return code;
}

}  // extern "C"
