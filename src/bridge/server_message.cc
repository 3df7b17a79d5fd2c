// Every field that a message of the upstream has goes into the report of the host, so that a module sees the
// error it would have seen in the server.
#include <string>

extern "C" {
#include "postgres.h"
#include "utils/memutils.h"
}

#include "bridge/server_message.hpp"

namespace {

char* copy(const std::string& text) {
  if (text.empty()) return nullptr;
  char* memory = static_cast<char*>(
      MemoryContextAllocExtended(CurrentMemoryContext, text.size() + 1, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE));
  if (memory) memcpy(memory, text.c_str(), text.size() + 1);
  return memory;
}

int elevel_of(const std::string& severity) {
  if (severity == "FATAL" || severity == "PANIC") return FATAL;
  if (severity == "WARNING") return WARNING;
  if (severity == "NOTICE") return NOTICE;
  if (severity == "INFO") return INFO;
  if (severity == "LOG") return LOG;
  if (severity == "DEBUG") return DEBUG2;
  if (severity.size() == 6 && severity.compare(0, 5, "DEBUG") == 0) return DEBUG1 - (severity[5] - '1');
  return ERROR;
}

void report_string(int field, const char* text) {
  if (text) err_generic_string(field, text);
}

}  // namespace

BgwMessage bgw_keep_message(const bgw::ServerMessage& m) noexcept {
  BgwMessage kept = {};
  kept.elevel = elevel_of(m.severity);
  kept.sqlstate = m.sqlstate.size() == 5
                      ? MAKE_SQLSTATE(m.sqlstate[0], m.sqlstate[1], m.sqlstate[2], m.sqlstate[3], m.sqlstate[4])
                      : ERRCODE_INTERNAL_ERROR;
  kept.message = copy(m.message);
  kept.detail = copy(m.detail);
  kept.hint = copy(m.hint);
  // 42P05 and 26000 about a name of ours: the session that prepared the statement is not the one that runs it.
  if (kept.hint == nullptr && (m.sqlstate == "42P05" || m.sqlstate == "26000") &&
      m.message.find("\"bgw_") != std::string::npos)
    kept.hint = copy("Behind a pooler in transaction mode, set \"bgworkerd.prepare_threshold\" to 0.");
  kept.context = copy(m.context);
  kept.internal_query = copy(m.internal_query);
  kept.schema_name = copy(m.schema_name);
  kept.table_name = copy(m.table_name);
  kept.column_name = copy(m.column_name);
  kept.datatype_name = copy(m.datatype_name);
  kept.constraint_name = copy(m.constraint_name);
  kept.position = m.position;
  kept.internal_position = m.internal_position;
  return kept;
}

void bgw_report_message(int elevel, const BgwMessage* m, int position_offset) {
  if (!errstart(elevel, TEXTDOMAIN)) return;
  errcode(m->sqlstate);
  errmsg_internal("%s", m->message ? m->message : "(no message)");
  if (m->detail) errdetail_internal("%s", m->detail);
  if (m->hint) errhint("%s", m->hint);
  if (m->context) {
    set_errcontext_domain(TEXTDOMAIN);
    errcontext_msg("%s", m->context);
  }
  if (m->position > 0) errposition(m->position + position_offset);
  if (m->internal_position > 0) internalerrposition(m->internal_position);
  if (m->internal_query) internalerrquery(m->internal_query);
  report_string(PG_DIAG_SCHEMA_NAME, m->schema_name);
  report_string(PG_DIAG_TABLE_NAME, m->table_name);
  report_string(PG_DIAG_COLUMN_NAME, m->column_name);
  report_string(PG_DIAG_DATATYPE_NAME, m->datatype_name);
  report_string(PG_DIAG_CONSTRAINT_NAME, m->constraint_name);
  errfinish(__FILE__, __LINE__, __func__);
}
