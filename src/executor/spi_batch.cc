// One statement for many rows of parameters: what a module in the server does with a loop over
// SPI_execute_plan, and what costs a round trip for each row from outside. The host exports it under a name of
// its own; the SDK's bgworker/batch.hpp finds it there, and loops where it is not.
//
// The batch is sent in slices, so that neither side's buffers grow with it, inside one subtransaction: an error
// leaves nothing of it. Ordinary code only.
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "tcop/pquery.h"
}

#include "bridge/worker_session.hpp"
#include "executor/spi_internal.hpp"

namespace {

constexpr uint64 slice_rows = 500;

uint64 run_slices(const SpiStatement* s, int nargs, const Oid* argtypes, uint64 count, const Datum* values,
                  const char* nulls) {
  MemoryContext slice =
      AllocSetContextCreateInternal(CurrentMemoryContext, "SPI batch slice", ALLOCSET_DEFAULT_SIZES);
  MemoryContext outside = MemoryContextSwitchTo(slice);
  uint64 processed = 0;
  for (uint64 done = 0; done < count;) {
    CHECK_FOR_INTERRUPTS();
    const uint64 rows = Min(slice_rows, count - done);
    const Size width = static_cast<Size>(nargs);
    const char** texts = static_cast<const char**>(palloc0(sizeof(char*) * (rows * width + 1)));
    for (uint64 r = 0; r < rows && nargs > 0; ++r) {
      const Size at = (done + r) * width;
      SpiParameters row = {.count = nargs,
                           .types = argtypes,
                           .values = values + at,
                           .nulls = nulls != nullptr ? nulls + at : nullptr};
      memcpy(texts + r * width, spi_parameter_texts(&row, nullptr), sizeof(char*) * width);
    }
    BgwRun run = {};
    run.text = s->text;
    run.nargs = nargs;
    run.argtypes = argtypes;
    run.preparable = s->analyzed_at_prepare && s->kind <= bgw::StatementKind::merge;
    run.want_prepared = true;
    run.position_offset = s->offset;
    processed += bgw_session_run_batch(&run, static_cast<int>(rows), texts);
    done += rows;
    MemoryContextReset(slice);
  }
  MemoryContextSwitchTo(outside);
  MemoryContextDelete(slice);
  return processed;
}

}  // namespace

extern "C" {

// Runs the one statement of `src` `count` times in the current transaction, with the values of row i at
// values[i * nargs ...] and, unless nulls is NULL, 'n' at the same place of nulls for NULL. Returns
// SPI_OK_UTILITY or an SPI error code; SPI_processed is the sum of affected rows, SPI_tuptable NULL. A SELECT,
// and what SPI refuses, is refused. Errors are raised, and nothing of the batch is left then.
int bgworkerd_SPI_execute_batch(const char* src, int nargs, const Oid* argtypes, uint64 count,
                                const Datum* values, const char* nulls);

int bgworkerd_SPI_execute_batch(const char* src, int nargs, const Oid* argtypes, uint64 count,
                                const Datum* values, const char* nulls) {
  if (src == nullptr || nargs < 0) return SPI_ERROR_ARGUMENT;
  if (nargs > 0 && (argtypes == nullptr || (values == nullptr && count > 0))) return SPI_ERROR_PARAM;
  int code = spi_begin_call(true);
  if (code < 0) return code;
  SPI_processed = 0;
  SPI_tuptable = nullptr;
  SpiErrorContext context;
  spi_push_error_context(&context, src);
  const SpiText* text = spi_read_text(src);
  if (text->count != 1) {
    code = SPI_ERROR_ARGUMENT;
  } else {
    const SpiStatement* s = &text->statements[0];
    switch (s->kind) {
      case bgw::StatementKind::insert:
      case bgw::StatementKind::update:
      case bgw::StatementKind::remove:
      case bgw::StatementKind::merge:
        break;
      case bgw::StatementKind::transaction:
        code = SPI_ERROR_TRANSACTION;
        break;
      case bgw::StatementKind::copy_client:
        code = SPI_ERROR_COPY;
        break;
      default:
        code = SPI_ERROR_OPUNKNOWN;
        break;
    }
    if (code == 0) {
      EnsurePortalSnapshotExists();
      spi_check_parameter_numbers(s, nargs);
      MemoryContext caller = CurrentMemoryContext;
      ResourceOwner owner = CurrentResourceOwner;
      volatile uint64 processed = 0;
      BeginInternalSubTransaction(nullptr);
      MemoryContextSwitchTo(caller);
      PG_TRY();
      {
        processed = run_slices(s, nargs, argtypes, count, values, nulls);
        ReleaseCurrentSubTransaction();
      }
      PG_CATCH();
      {
        MemoryContextSwitchTo(spi_current->proc_context);
        ErrorData* error = CopyErrorData();
        FlushErrorState();
        RollbackAndReleaseCurrentSubTransaction();
        MemoryContextSwitchTo(caller);
        CurrentResourceOwner = owner;
        ReThrowError(error);
      }
      PG_END_TRY();
      MemoryContextSwitchTo(caller);
      CurrentResourceOwner = owner;
      SPI_processed = processed;
      code = SPI_OK_UTILITY;
    }
  }
  spi_pop_error_context(&context);
  spi_end_call(true);
  return code;
}

}  // extern "C"
