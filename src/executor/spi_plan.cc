// Prepared plans: a text, the types of its parameters, and a memory context. The upstream analyses it when it
// is prepared, which is when errors are raised; from then on the session's cache of prepared statements
// decides how it runs, so that a plan holds nothing on the upstream and can be kept and freed at any time.
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "parser/parser.h"
#include "utils/memutils.h"
}

#include "executor/spi_internal.hpp"

namespace {

MemoryContext long_lived_context() {
  return CacheMemoryContext != nullptr ? CacheMemoryContext : TopMemoryContext;
}

SPIPlanPtr make_plan(MemoryContext parent, const char* src, int nargs, const Oid* argtypes,
                     int cursor_options) {
  MemoryContext context = AllocSetContextCreateInternal(parent, "SPI Plan", ALLOCSET_SMALL_SIZES);
  MemoryContext outside = MemoryContextSwitchTo(context);
  SPIPlanPtr plan = static_cast<SPIPlanPtr>(palloc0(sizeof(_SPI_plan)));
  plan->magic = spi_plan_magic;
  plan->context = context;
  plan->cursor_options = cursor_options;
  plan->nargs = nargs;
  if (nargs > 0) {
    plan->argtypes = static_cast<Oid*>(palloc(sizeof(Oid) * static_cast<Size>(nargs)));
    memcpy(plan->argtypes, argtypes, sizeof(Oid) * static_cast<Size>(nargs));
  }
  plan->text = spi_read_text(src);
  MemoryContextSwitchTo(outside);
  return plan;
}

SPIPlanPtr prepare(const char* src, int nargs, const Oid* argtypes, int cursor_options) {
  SPI_result = spi_begin_call(true);
  if (SPI_result < 0) return nullptr;
  SpiErrorContext context;
  spi_push_error_context(&context, src);
  SPIPlanPtr plan = make_plan(spi_current->proc_context, src, nargs, argtypes, cursor_options);
  spi_prepare_text(plan->text, nargs, argtypes);
  spi_pop_error_context(&context);
  spi_end_call(true);
  return plan;
}

int run_plan(SPIPlanPtr plan, const SpiParameters* parameters, const SpiRun* how) {
  int code = spi_begin_call(true);
  if (code < 0) return code;
  SpiRun prepared = *how;
  prepared.want_prepared = true;
  code = spi_run_text(plan->text, parameters, &prepared);
  spi_end_call(true);
  return code;
}

}  // namespace

extern "C" {

SPIPlanPtr SPI_prepare(const char* src, int nargs, Oid* argtypes) {
  return SPI_prepare_cursor(src, nargs, argtypes, 0);
}

SPIPlanPtr SPI_prepare_cursor(const char* src, int nargs, Oid* argtypes, int cursorOptions) {
  if (src == nullptr || nargs < 0 || (nargs > 0 && argtypes == nullptr)) {
    SPI_result = SPI_ERROR_ARGUMENT;
    return nullptr;
  }
  return prepare(src, nargs, argtypes, cursorOptions);
}

SPIPlanPtr SPI_prepare_extended(const char* src, const SPIPrepareOptions* options) {
  if (src == nullptr || options == nullptr) {
    SPI_result = SPI_ERROR_ARGUMENT;
    return nullptr;
  }
  if (options->parserSetup != nullptr || options->parseMode != RAW_PARSE_DEFAULT)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("preparing with a parser hook is not available outside the server")));
  return prepare(src, 0, nullptr, options->cursorOptions);
}

SPIPlanPtr SPI_prepare_params(const char* src, ParserSetupHook parserSetup, void* parserSetupArg,
                              int cursorOptions) {
  SPIPrepareOptions options = {};
  options.parserSetup = parserSetup;
  options.parserSetupArg = parserSetupArg;
  options.parseMode = RAW_PARSE_DEFAULT;
  options.cursorOptions = cursorOptions;
  return SPI_prepare_extended(src, &options);
}

int SPI_execute_plan(SPIPlanPtr plan, Datum* Values, const char* Nulls, bool read_only, long tcount) {
  if (!spi_plan_ok(plan) || tcount < 0) return SPI_ERROR_ARGUMENT;
  if (plan->nargs > 0 && Values == nullptr) return SPI_ERROR_PARAM;
  SpiParameters parameters = {.count = plan->nargs, .types = plan->argtypes, .values = Values, .nulls = Nulls};
  SpiRun how = {.read_only = read_only, .tcount = tcount};
  return run_plan(plan, &parameters, &how);
}

int SPI_execp(SPIPlanPtr plan, Datum* Values, const char* Nulls, long tcount) {
  return SPI_execute_plan(plan, Values, Nulls, false, tcount);
}

int SPI_execute_plan_extended(SPIPlanPtr plan, const SPIExecuteOptions* options) {
  if (!spi_plan_ok(plan) || options == nullptr) return SPI_ERROR_ARGUMENT;
  if (options->dest != nullptr)
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("SPI_execute_plan_extended with a destination is not available outside the server")));
  SpiParameters parameters = spi_parameters_from_list(options->params);
  SpiRun how = {.read_only = options->read_only,
                .tcount = static_cast<long>(options->tcount),
                .must_return_tuples = options->must_return_tuples};
  return run_plan(plan, &parameters, &how);
}

int SPI_execute_plan_with_paramlist(SPIPlanPtr plan, ParamListInfo params, bool read_only, long tcount) {
  if (!spi_plan_ok(plan) || tcount < 0) return SPI_ERROR_ARGUMENT;
  SpiParameters parameters = spi_parameters_from_list(params);
  SpiRun how = {.read_only = read_only, .tcount = tcount};
  return run_plan(plan, &parameters, &how);
}

int SPI_execute_snapshot(SPIPlanPtr plan, Datum* Values, const char* Nulls, Snapshot snapshot,
                         Snapshot crosscheck_snapshot, bool read_only, bool fire_triggers, long tcount) {
  if (snapshot != InvalidSnapshot || crosscheck_snapshot != InvalidSnapshot || !fire_triggers)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("running a plan under a given snapshot is not available outside the server")));
  return SPI_execute_plan(plan, Values, Nulls, read_only, tcount);
}

int SPI_keepplan(SPIPlanPtr plan) {
  if (!spi_plan_ok(plan) || plan->saved) return SPI_ERROR_ARGUMENT;
  plan->saved = true;
  MemoryContextSetParent(plan->context, long_lived_context());
  return 0;
}

SPIPlanPtr SPI_saveplan(SPIPlanPtr plan) {
  if (!spi_plan_ok(plan)) {
    SPI_result = SPI_ERROR_ARGUMENT;
    return nullptr;
  }
  SPI_result = spi_begin_call(false);
  if (SPI_result < 0) return nullptr;
  SPIPlanPtr copy =
      make_plan(long_lived_context(), plan->text->source, plan->nargs, plan->argtypes, plan->cursor_options);
  copy->saved = true;
  SPI_result = 0;
  spi_end_call(false);
  return copy;
}

int SPI_freeplan(SPIPlanPtr plan) {
  if (!spi_plan_ok(plan)) return SPI_ERROR_ARGUMENT;
  plan->magic = 0;
  MemoryContextDelete(plan->context);
  return 0;
}

Oid SPI_getargtypeid(SPIPlanPtr plan, int argIndex) {
  if (!spi_plan_ok(plan) || argIndex < 0 || argIndex >= plan->nargs) {
    SPI_result = SPI_ERROR_ARGUMENT;
    return InvalidOid;
  }
  return plan->argtypes[argIndex];
}

int SPI_getargcount(SPIPlanPtr plan) {
  if (!spi_plan_ok(plan)) {
    SPI_result = SPI_ERROR_ARGUMENT;
    return -1;
  }
  return plan->nargs;
}

bool SPI_is_cursor_plan(SPIPlanPtr plan) {
  if (!spi_plan_ok(plan)) {
    SPI_result = SPI_ERROR_ARGUMENT;
    return false;
  }
  SPI_result = 0;
  if (plan->text->count != 1) return false;
  const SpiStatement* s = &plan->text->statements[0];
  return s->kind == bgw::StatementKind::select || s->kind == bgw::StatementKind::utility_rows || s->returning;
}

bool SPI_plan_is_valid(SPIPlanPtr plan) {
  return spi_plan_ok(plan);
}

int SPI_register_relation(EphemeralNamedRelation enr) {
  if (enr == nullptr) return SPI_ERROR_ARGUMENT;
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("function \"%s\" is not available outside the server", "SPI_register_relation"),
                  errdetail("Rows in memory can be named in a statement only where the executor runs."),
                  errhint("Pass them as array parameters and unnest() them, or fill a temporary table.")));
}

int SPI_unregister_relation(const char* name) {
  if (name == nullptr) return SPI_ERROR_ARGUMENT;
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("function \"%s\" is not available outside the server", "SPI_unregister_relation"),
                  errdetail("Rows in memory can be named in a statement only where the executor runs."),
                  errhint("Pass them as array parameters and unnest() them, or fill a temporary table.")));
}

int SPI_register_trigger_data(TriggerData* tdata) {
  if (tdata == nullptr) return SPI_ERROR_ARGUMENT;
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("function \"%s\" is not available outside the server", "SPI_register_trigger_data"),
                  errdetail("Rows in memory can be named in a statement only where the executor runs."),
                  errhint("Pass them as array parameters and unnest() them, or fill a temporary table.")));
}

}  // extern "C"
