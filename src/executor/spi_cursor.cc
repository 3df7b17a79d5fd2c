// Cursors. A SELECT becomes a cursor of the upstream, under the portal's own name, so that SQL in the same
// transaction can see it; rows are fetched when asked for. What DECLARE CURSOR does not take (RETURNING,
// EXPLAIN, SHOW, ...) is run when it is opened and fetched from memory, as the server does at first fetch.
//
// A portal of the first kind has queryEnv null and sourceText its statement; for the second kind the rows
// are in a MaterializedRows in the portal's own context, found through a list here. A portal with `formats` is fetched from in
// binary form.
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "access/htup_details.h"
}

#include "executor/spi_internal.hpp"

namespace {

struct MaterializedRows {
  TupleDesc tupdesc;
  HeapTuple* rows;
  uint64 count;
  uint64 position;  // rows before the cursor; 0: before the first, count + 1: after the last
};

// The cursor options that SPI's callers can give.
const char* scroll_words(int options) {
  if (options & CURSOR_OPT_SCROLL) return "SCROLL ";
  if (options & CURSOR_OPT_NO_SCROLL) return "NO SCROLL ";
  return "";
}

MaterializedRows* materialized(Portal portal) {
  return reinterpret_cast<MaterializedRows*>(portal->holdStore);
}

void materialize(Portal portal, const SpiText* text, const SpiParameters* parameters, bool read_only) {
  SpiRun how = {.read_only = read_only};
  spi_run_text(text, parameters, &how);
  SPITupleTable* table = SPI_tuptable;
  MemoryContext outside = MemoryContextSwitchTo(portal->portalContext);
  MaterializedRows* rows = static_cast<MaterializedRows*>(palloc0(sizeof(MaterializedRows)));
  if (table != nullptr) {
    rows->tupdesc = CreateTupleDescCopy(table->tupdesc);
    rows->count = table->numvals;
    rows->rows = static_cast<HeapTuple*>(
        MemoryContextAllocHuge(CurrentMemoryContext, (table->numvals + 1) * sizeof(HeapTuple)));
    for (uint64 i = 0; i < table->numvals; ++i) rows->rows[i] = heap_copytuple(table->vals[i]);
  }
  MemoryContextSwitchTo(outside);
  portal->holdStore = reinterpret_cast<Tuplestorestate*>(rows);
  portal->tupDesc = rows->tupdesc;
  SPI_freetuptable(table);
}

Portal open_cursor(const char* name, const SpiText* text, const SpiParameters* parameters, bool read_only,
                   int options) {
  if (text->count != 1)
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_CURSOR_DEFINITION), errmsg("cannot open multi-query plan as cursor")));
  const SpiStatement* s = &text->statements[0];
  if (s->kind != bgw::StatementKind::select && s->kind != bgw::StatementKind::utility_rows && !s->returning)
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_CURSOR_DEFINITION), errmsg("cannot open %s query as cursor", s->tag)));
  Portal portal = name == nullptr || name[0] == '\0' ? CreateNewPortal() : CreatePortal(name, false, false);
  SpiErrorContext context;
  spi_push_error_context(&context, text->source);
  portal->sourceText = MemoryContextStrdup(portal->portalContext, text->source);
  portal->cursorOptions = options;
  portal->status = PORTAL_READY;
  if (read_only) spi_refuse_unless_read_only(s);
  if (s->cursor_ok) {
    portal->strategy = PORTAL_ONE_SELECT;
    const BgwRun run = spi_make_run(s, parameters ? parameters->count : 0, parameters ? parameters->types : nullptr, nullptr);
    if (spi_wants_binary(s, &run)) {
      portal->formats = static_cast<int16*>(MemoryContextAlloc(portal->portalContext, sizeof(int16)));
      *portal->formats = 1;
    }
    spi_run_internal(
        psprintf("DECLARE %s %sCURSOR FOR %s", quote_identifier(portal->name), scroll_words(options), s->text),
        parameters, read_only, false);
  } else {
    portal->strategy = s->returning ? PORTAL_ONE_RETURNING : PORTAL_UTIL_SELECT;
    materialize(portal, text, parameters, read_only);
  }
  portal->atEnd = false;
  spi_pop_error_context(&context);
  return portal;
}

// Moves a materialized cursor and gives the rows passed, from *first on, `step` apart.
uint64 walk(MaterializedRows* m, FetchDirection direction, long count, uint64* first, int* step) {
  int64 end = static_cast<int64>(m->count) + 1;
  int64 at = static_cast<int64>(m->position);
  if (direction == FETCH_ABSOLUTE || direction == FETCH_RELATIVE) {
    int64 target = direction == FETCH_RELATIVE ? at + count : count >= 0 ? count : end + count;
    target = Max(0, Min(target, end));
    m->position = static_cast<uint64>(target);
    *first = static_cast<uint64>(target) - 1;
    *step = 1;
    return target > 0 && target < end ? 1 : 0;
  }
  if (direction == FETCH_BACKWARD && count != FETCH_ALL) count = -count;
  bool backward = direction == FETCH_BACKWARD ? (count == FETCH_ALL || count < 0) : count < 0;
  int64 distance = count == FETCH_ALL ? end : (count < 0 ? -count : count);
  if (distance == 0) {  // the row the cursor is on, again
    *first = static_cast<uint64>(at) - 1;
    *step = 1;
    return at > 0 && at < end ? 1 : 0;
  }
  if (backward) {
    int64 last = Max(1, at - distance);
    *first = static_cast<uint64>(at - 2);
    *step = -1;
    m->position = static_cast<uint64>(Max(0, at - distance));
    return at - last > 0 ? static_cast<uint64>(at - last) : 0;
  }
  int64 last = Min(end - 1, at + distance);
  *first = static_cast<uint64>(at);
  *step = 1;
  m->position = static_cast<uint64>(Min(end, at + distance));
  return last > at ? static_cast<uint64>(last - at) : 0;
}

void fetch_materialized(MaterializedRows* m, FetchDirection direction, long count, bool move) {
  uint64 first = 0;
  int step = 1;
  uint64 passed = walk(m, direction, count, &first, &step);
  spi_current->processed = passed;
  spi_current->tuptable = nullptr;
  if (move) return;
  MemoryContext context =
      AllocSetContextCreateInternal(spi_current->proc_context, "SPI TupTable", ALLOCSET_DEFAULT_SIZES);
  MemoryContext outside = MemoryContextSwitchTo(context);
  SPITupleTable* table = static_cast<SPITupleTable*>(palloc0(sizeof(SPITupleTable)));
  table->tuptabcxt = context;
  table->subid = GetCurrentSubTransactionId();
  table->tupdesc = m->tupdesc ? CreateTupleDescCopy(m->tupdesc) : nullptr;
  table->alloced = passed + 1;
  table->vals = static_cast<HeapTuple*>(MemoryContextAllocHuge(context, table->alloced * sizeof(HeapTuple)));
  for (uint64 i = 0; i < passed; ++i) {
    int64 at = static_cast<int64>(first) + static_cast<int64>(i) * step;
    table->vals[table->numvals++] = heap_copytuple(m->rows[at]);
  }
  slist_push_head(&spi_current->tuptables, &table->next);
  MemoryContextSwitchTo(outside);
  spi_current->tuptable = table;
}

void operate(Portal portal, FetchDirection direction, long count, bool move) {
  if (!PortalIsValid(portal)) elog(ERROR, "invalid portal in SPI cursor operation");
  if (spi_begin_call(true) < 0) elog(ERROR, "SPI cursor operation called while not connected");
  SPI_processed = 0;
  SPI_tuptable = nullptr;
  spi_current->processed = 0;
  spi_current->tuptable = nullptr;
  if (materialized(portal) != nullptr) {
    fetch_materialized(materialized(portal), direction, count, move);
  } else {
    const char* verb = move ? "MOVE" : "FETCH";
    const char* way = direction == FETCH_FORWARD    ? "FORWARD"
                      : direction == FETCH_BACKWARD ? "BACKWARD"
                      : direction == FETCH_ABSOLUTE ? "ABSOLUTE"
                                                    : "RELATIVE";
    const char* quoted = quote_identifier(portal->name);
    bool all = count == FETCH_ALL && (direction == FETCH_FORWARD || direction == FETCH_BACKWARD);
    char* text = all ? psprintf("%s %s ALL FROM %s", verb, way, quoted)
                     : psprintf("%s %s %ld FROM %s", verb, way, count, quoted);
    uint64 passed = spi_run_internal(text, nullptr, true, portal->formats != nullptr);
    spi_current->processed = passed;
  }
  SPI_processed = spi_current->processed;
  SPI_tuptable = spi_current->tuptable;
  spi_current->tuptable = nullptr;
  spi_end_call(true);
}

Portal open_plan(const char* name, SPIPlanPtr plan, const SpiParameters* parameters, bool read_only) {
  if (!spi_plan_ok(plan)) elog(ERROR, "invalid plan in SPI_cursor_open");
  if (spi_begin_call(true) < 0) elog(ERROR, "SPI_cursor_open called while not connected");
  SPI_processed = 0;
  SPI_tuptable = nullptr;
  Portal portal = open_cursor(name, plan->text, parameters, read_only, plan->cursor_options);
  spi_end_call(true);
  return portal;
}

}  // namespace

void spi_forget_cursors(const char* name) {
  if (name != nullptr) {
    Portal portal = GetPortalByName(name);
    if (!PortalIsValid(portal) || portal->status == PORTAL_ACTIVE) return;
    portal->holdStore = nullptr;
    PortalDrop(portal, false);
    return;
  }
  PortalHashTableDeleteAll();
}

extern "C" {

Portal SPI_cursor_open(const char* name, SPIPlanPtr plan, Datum* Values, const char* Nulls, bool read_only) {
  SpiParameters parameters = {};
  if (spi_plan_ok(plan))
    parameters = {.count = plan->nargs, .types = plan->argtypes, .values = Values, .nulls = Nulls};
  return open_plan(name, plan, &parameters, read_only);
}

Portal SPI_cursor_open_with_paramlist(const char* name, SPIPlanPtr plan, ParamListInfo params, bool read_only) {
  SpiParameters parameters = spi_parameters_from_list(params);
  return open_plan(name, plan, &parameters, read_only);
}

Portal SPI_cursor_open_with_args(const char* name, const char* src, int nargs, Oid* argtypes, Datum* Values,
                                 const char* Nulls, bool read_only, int cursorOptions) {
  if (src == nullptr || nargs < 0) elog(ERROR, "SPI_cursor_open_with_args called with invalid arguments");
  if (nargs > 0 && (argtypes == nullptr || Values == nullptr))
    elog(ERROR, "SPI_cursor_open_with_args called with missing parameters");
  SPI_result = spi_begin_call(true);
  if (SPI_result < 0) elog(ERROR, "SPI_cursor_open called while not connected");
  SpiParameters parameters = {.count = nargs, .types = argtypes, .values = Values, .nulls = Nulls};
  SpiText* text = spi_read_text(src);
  Portal portal = open_cursor(name, text, &parameters, read_only, cursorOptions);
  spi_end_call(true);
  return portal;
}

Portal SPI_cursor_parse_open(const char* name, const char* src, const SPIParseOpenOptions* options) {
  if (src == nullptr || options == nullptr) elog(ERROR, "SPI_cursor_parse_open called with invalid arguments");
  SPI_result = spi_begin_call(true);
  if (SPI_result < 0) elog(ERROR, "SPI_cursor_open called while not connected");
  SpiParameters parameters = spi_parameters_from_list(options->params);
  SpiText* text = spi_read_text(src);
  Portal portal = open_cursor(name, text, &parameters, options->read_only, options->cursorOptions);
  spi_end_call(true);
  return portal;
}

Portal SPI_cursor_find(const char* name) {
  return GetPortalByName(name);
}

void SPI_cursor_fetch(Portal portal, bool forward, long count) {
  operate(portal, forward ? FETCH_FORWARD : FETCH_BACKWARD, count, false);
}
void SPI_cursor_move(Portal portal, bool forward, long count) {
  operate(portal, forward ? FETCH_FORWARD : FETCH_BACKWARD, count, true);
}
void SPI_scroll_cursor_fetch(Portal portal, FetchDirection direction, long count) {
  operate(portal, direction, count, false);
}
void SPI_scroll_cursor_move(Portal portal, FetchDirection direction, long count) {
  operate(portal, direction, count, true);
}

void SPI_cursor_close(Portal portal) {
  if (!PortalIsValid(portal)) elog(ERROR, "invalid portal in SPI cursor operation");
  if (materialized(portal) == nullptr && spi_begin_call(true) == 0) {
    spi_run_internal(psprintf("CLOSE %s", quote_identifier(portal->name)), nullptr, true, false);
    spi_end_call(true);
  }
  portal->holdStore = nullptr;
  PortalDrop(portal, false);
}

}  // extern "C"
