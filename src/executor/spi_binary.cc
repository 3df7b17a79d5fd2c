// Which statements' rows are asked for in binary form: those with a column of which the text does not tell all, such as a row without
// a named type: only the binary form tells of what types its columns are.
//
// All columns of a result have one form, and it is chosen when the statement is sent. A statement whose text shows that there may be
// such a column is described first, which is a round trip for the first use of the text in a process; SPI_prepare() describes in
// the round trip that it has anyway. Where the text does not show it, the first result tells for the next one.
#include <string>
#include <unordered_map>

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "utils/memutils.h"
}

#include "bridge/critical.hpp"
#include "bridge/received_values.hpp"
#include "bridge/worker_session.hpp"
#include "executor/spi_internal.hpp"

using bgw::RowSet;

namespace {

enum class Known : unsigned char { nothing, text, binary };

constexpr std::size_t most_known = 1024;
constexpr std::size_t longest_known = 64 * 1024;

std::unordered_map<std::string, Known>& known_texts() {
  static std::unordered_map<std::string, Known> known;
  return known;
}

std::string key_of(const SpiStatement* s, const BgwRun* run) {
  std::string key(s->text);
  for (int i = 0; i < run->nargs; i++) key.append(1, '\0').append(std::to_string(run->argtypes[i]));
  return key;
}

Known look_up(const SpiStatement* s, const BgwRun* run) noexcept {
  bgw::CriticalScope critical;
  if (known_texts().empty()) return Known::nothing;
  auto found = known_texts().find(key_of(s, run));
  return found == known_texts().end() ? Known::nothing : found->second;
}

void remember(const SpiStatement* s, const BgwRun* run, Known what) noexcept {
  bgw::CriticalScope critical;
  std::string key = key_of(s, run);
  if (key.size() > longest_known) return;
  if (known_texts().size() >= most_known) known_texts().clear();
  known_texts()[std::move(key)] = what;
}

bool no_binary_form(const ErrorData* error) {
  return error->sqlerrcode == ERRCODE_UNDEFINED_FUNCTION && error->message != nullptr &&
         strncmp(error->message, "no binary output function available", 35) == 0;
}

}  // namespace

bool spi_wants_binary(const SpiStatement* statement, const BgwRun* run) {
  const Known known = look_up(statement, run);
  if (known != Known::nothing || !statement->may_need_binary) return known == Known::binary;
  const bool binary = bgw::to_be_received(bgw_session_describe(run));
  remember(statement, run, binary ? Known::binary : Known::text);
  return binary;
}

void spi_note_columns(const SpiStatement* statement, const BgwRun* run, const RowSet* columns) {
  if (run->binary_rows) return;
  const bool needed = bgw::has_received_types(columns) || bgw::is_mostly_bytes(columns);
  if (!needed && !statement->may_need_binary) return;
  const Known known = look_up(statement, run);
  if (known != Known::nothing && !needed) return;
  // What cannot be sent in binary form is known from an attempt.
  if (known == Known::text) return;
  const bool binary = needed ? bgw::can_be_received(columns) : bgw::to_be_received(columns);
  remember(statement, run, binary ? Known::binary : Known::text);
}

void spi_note_ambiguous_names(const SpiStatement* statement, const BgwRun* run, const RowSet* columns) {
  if (look_up(statement, run) == Known::nothing)
    remember(statement, run, bgw::can_be_received(columns) ? Known::binary : Known::text);
}

const RowSet* spi_run_binary(const SpiStatement* statement, BgwRun* run, bool* too_many) {
  const RowSet* volatile rows = nullptr;
  MemoryContext caller = CurrentMemoryContext;
  PG_TRY();
  { rows = bgw_session_run(run, too_many); }
  PG_CATCH();
  {
    MemoryContextSwitchTo(caller);
    ErrorData* error = CopyErrorData();
    if (!no_binary_form(error)) PG_RE_THROW();
    remember(statement, run, Known::text);
    if (bgw_session_doomed()) PG_RE_THROW();
    FlushErrorState();
    FreeErrorData(error);
    run->binary_rows = false;
  }
  PG_END_TRY();
  return rows != nullptr ? rows : bgw_session_run(run, too_many);
}
