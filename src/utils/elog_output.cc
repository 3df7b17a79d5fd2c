// What a report looks like in the log, as text lines and as JSON: the line prefix, the severity, the follow-up
// lines, the server's keys.
//
// Called from EmitErrorReport() only, in ErrorContext. Reading the clock and the time zone may allocate, so it
// counts as critical. The line number and the session's start are this process's own: a forked child starts
// them anew.
#include <ctime>
#include <sys/time.h>

#include "bridge/critical.hpp"
#include "port/start_data.hpp"

extern "C" {
#include "postgres.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "postmaster/bgworker.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/memutils.h"
}

#include "utils/elog_internal.hpp"

namespace {

constexpr int kTimeLength = 128;

// One entry's time, read once so that every line of it says the same.
BGW_START_DATA struct timeval entry_time;
bool entry_time_known = false;
char formatted_log_time[kTimeLength];
char formatted_start_time[kTimeLength];
BGW_START_DATA long line_number = 0;
BGW_START_DATA int line_number_pid = 0;

void read_entry_time() {
  if (entry_time_known) return;
  gettimeofday(&entry_time, nullptr);
  entry_time_known = true;
}

// In the zone of log_timezone, whatever the process's own environment says. Settings come later than the first
// things that can go wrong.
void format_time(char* to, time_t seconds, const char* format) {
  pg_time_t time = seconds;
  bgw::enter_critical();
  struct pg_tm* parts = log_timezone != nullptr ? pg_localtime(&time, log_timezone) : pg_gmtime(&time);
  if (parts == nullptr || pg_strftime(to, kTimeLength, format, parts) == 0) to[0] = '\0';
  bgw::leave_critical();
}

// A forked process counts its own lines and has a start time of its own.
void count_line() {
  if (line_number_pid != MyProcPid) {
    line_number = 0;
    line_number_pid = MyProcPid;
    reset_formatted_start_time();
  }
  line_number++;
}

bool have_virtual_xid() {
  return MyProc != nullptr && MyProc->backendId != InvalidBackendId;
}

int leader_pid() {
  if (!MyProc || !MyProc->lockGroupLeader || MyProc->lockGroupLeader->pid == MyProcPid) return 0;
  return MyProc->lockGroupLeader->pid;
}

unsigned long long query_id() {
  return MyBEEntry ? MyBEEntry->st_query_id : 0;
}

// Reads "-12" and moves past it; null when the format ends there.
const char* read_padding(const char* at, int* padding) {
  bool left = *at == '-';
  if (left) at++;
  int width = 0;
  for (; *at >= '0' && *at <= '9'; ++at) width = Min(width * 10 + (*at - '0'), 10000);
  if (*at == '\0') return nullptr;
  *padding = left ? -width : width;
  return at;
}

// Appends what one escape stands for, `padding` wide.
void append_escape(StringInfo buf, char escape, int padding, ErrorData* error) {
  char text[kTimeLength];
  const char* value = text;
  text[0] = '\0';
  switch (escape) {
    case 'b':
      value = get_backend_type_for_log();
      break;
    case 'p':
      snprintf(text, sizeof(text), "%d", MyProcPid);
      break;
    case 'P':
      if (leader_pid() == 0) break;
      snprintf(text, sizeof(text), "%d", leader_pid());
      break;
    case 'l':
      snprintf(text, sizeof(text), "%ld", line_number);
      break;
    case 'm':
      value = get_formatted_log_time();
      break;
    case 't':
      read_entry_time();
      format_time(text, entry_time.tv_sec, "%Y-%m-%d %H:%M:%S %Z");
      break;
    case 'n':
      read_entry_time();
      snprintf(text, sizeof(text), "%ld.%03d", static_cast<long>(entry_time.tv_sec),
               static_cast<int>(entry_time.tv_usec / 1000));
      break;
    case 's':
      value = get_formatted_start_time();
      break;
    case 'c':
      snprintf(text, sizeof(text), "%lx.%x", static_cast<long>(MyStartTime), MyProcPid);
      break;
    case 'v':
      if (!have_virtual_xid()) break;
      snprintf(text, sizeof(text), "%d/%u", MyProc->backendId, MyProc->lxid);
      break;
    case 'x':
      // Transactions are numbered by the upstream; none has a number here.
      snprintf(text, sizeof(text), "%u", InvalidTransactionId);
      break;
    case 'e':
      value = unpack_sql_state(error->sqlerrcode);
      break;
    case 'Q':
      snprintf(text, sizeof(text), "%lld", static_cast<long long>(query_id()));
      break;
    case 'a':
    case 'u':
    case 'd':
    case 'r':
    case 'h':
    case 'i':
      break;  // no process has a client
    default:
      return;  // what is no escape prints nothing, not even its padding
  }
  if (padding)
    appendStringInfo(buf, "%*s", padding, value);
  else
    appendStringInfoString(buf, value);
}

void append_prefix(StringInfo buf, ErrorData* error) {
  count_line();
  if (!Log_line_prefix) return;
  for (const char* at = Log_line_prefix; *at; ++at) {
    if (*at != '%') {
      appendStringInfoChar(buf, *at);
      continue;
    }
    ++at;
    if (*at == '\0') return;
    if (*at == '%') {
      appendStringInfoChar(buf, '%');
      continue;
    }
    if (*at == 'q') return;  // nothing more for a process without a client
    int padding = 0;
    if (*at <= '9' && !(at = read_padding(at, &padding))) return;
    append_escape(buf, *at, padding, error);
  }
}

void append_with_tabs(StringInfo buf, const char* text) {
  for (; *text; ++text) {
    appendStringInfoChar(buf, *text);
    if (*text == '\n') appendStringInfoChar(buf, '\t');
  }
}

void append_line(StringInfo buf, ErrorData* error, const char* label, const char* text) {
  if (!text) return;
  append_prefix(buf, error);
  appendStringInfoString(buf, label);
  append_with_tabs(buf, text);
  appendStringInfoChar(buf, '\n');
}

void append_text_entry(StringInfo buf, ErrorData* error) {
  append_prefix(buf, error);
  appendStringInfo(buf, "%s:  ", error_severity(error->elevel));
  if (Log_error_verbosity >= PGERROR_VERBOSE)
    appendStringInfo(buf, "%s: ", unpack_sql_state(error->sqlerrcode));
  append_with_tabs(buf, error->message ? error->message : "missing error text");
  if (error->cursorpos > 0)
    appendStringInfo(buf, " at character %d", error->cursorpos);
  else if (error->internalpos > 0)
    appendStringInfo(buf, " at character %d", error->internalpos);
  appendStringInfoChar(buf, '\n');

  if (Log_error_verbosity >= PGERROR_DEFAULT) {
    append_line(buf, error, "DETAIL:  ", error->detail_log ? error->detail_log : error->detail);
    append_line(buf, error, "HINT:  ", error->hint);
    append_line(buf, error, "QUERY:  ", error->internalquery);
    if (!error->hide_ctx) append_line(buf, error, "CONTEXT:  ", error->context);
    if (Log_error_verbosity >= PGERROR_VERBOSE && error->filename) {
      append_prefix(buf, error);
      if (error->funcname)
        appendStringInfo(buf, "LOCATION:  %s, %s:%d\n", error->funcname, error->filename, error->lineno);
      else
        appendStringInfo(buf, "LOCATION:  %s:%d\n", error->filename, error->lineno);
    }
    append_line(buf, error, "BACKTRACE:  ", error->backtrace);
  }
  if (check_log_of_query(error)) append_line(buf, error, "STATEMENT:  ", debug_query_string);
}

void append_key(StringInfo buf, const char* key) {
  if (buf->data[buf->len - 1] != '{') appendStringInfoChar(buf, ',');
  escape_json(buf, key);
  appendStringInfoChar(buf, ':');
}

void append_string(StringInfo buf, const char* key, const char* value) {
  if (!value) return;
  append_key(buf, key);
  escape_json(buf, value);
}

void append_number(StringInfo buf, const char* key, long long value) {
  append_key(buf, key);
  appendStringInfo(buf, "%lld", value);
}

void append_json_entry(StringInfo buf, ErrorData* error) {
  count_line();
  appendStringInfoChar(buf, '{');
  append_string(buf, "timestamp", get_formatted_log_time());
  if (MyProcPid) append_number(buf, "pid", MyProcPid);
  char text[64];
  snprintf(text, sizeof(text), "%lx.%x", static_cast<long>(MyStartTime), MyProcPid);
  append_string(buf, "session_id", text);
  append_number(buf, "line_num", line_number);
  append_string(buf, "session_start", get_formatted_start_time());
  if (have_virtual_xid()) {
    snprintf(text, sizeof(text), "%d/%u", MyProc->backendId, MyProc->lxid);
    append_string(buf, "vxid", text);
  }
  append_number(buf, "txid", InvalidTransactionId);
  append_string(buf, "error_severity", error_severity(error->elevel));
  if (error->sqlerrcode) append_string(buf, "state_code", unpack_sql_state(error->sqlerrcode));
  append_string(buf, "message", error->message ? error->message : "missing error text");
  append_string(buf, "detail", error->detail_log ? error->detail_log : error->detail);
  append_string(buf, "hint", error->hint);
  append_string(buf, "internal_query", error->internalquery);
  if (error->internalpos > 0 && error->internalquery)
    append_number(buf, "internal_position", error->internalpos);
  if (!error->hide_ctx) append_string(buf, "context", error->context);
  if (check_log_of_query(error)) {
    append_string(buf, "statement", debug_query_string);
    if (error->cursorpos > 0) append_number(buf, "cursor_position", error->cursorpos);
  }
  if (Log_error_verbosity >= PGERROR_VERBOSE) {
    append_string(buf, "func_name", error->funcname);
    if (error->filename) {
      append_string(buf, "file_name", error->filename);
      append_number(buf, "file_line_num", error->lineno);
    }
  }
  if (application_name && application_name[0]) append_string(buf, "application_name", application_name);
  append_string(buf, "backend_type", get_backend_type_for_log());
  if (leader_pid()) append_number(buf, "leader_pid", leader_pid());
  append_number(buf, "query_id", static_cast<long long>(query_id()));
  append_string(buf, "backtrace", error->backtrace);
  appendStringInfoString(buf, "}\n");
}

void write_entry(ErrorData* error, void (*append)(StringInfo, ErrorData*)) {
  StringInfoData buf;
  initStringInfo(&buf);
  append(&buf, error);
  bgw::write_log_entry(buf.data, buf.len);
  pfree(buf.data);
}

}  // namespace

namespace bgw {

void write_server_log(ErrorData* error) {
  entry_time_known = false;
  formatted_log_time[0] = '\0';
  if (Log_destination & LOG_DESTINATION_JSONLOG) write_entry(error, append_json_entry);
  if (!(Log_destination & LOG_DESTINATION_JSONLOG) || (Log_destination & LOG_DESTINATION_STDERR))
    write_entry(error, append_text_entry);
}

}  // namespace bgw

extern "C" {

int Log_error_verbosity = PGERROR_DEFAULT;
char* Log_line_prefix = nullptr;
int Log_destination = LOG_DESTINATION_STDERR;
char* Log_destination_string = nullptr;
bool syslog_sequence_numbers = true;
bool syslog_split_messages = true;

void write_jsonlog(ErrorData* edata) {
  write_entry(edata, append_json_entry);
}

bool check_log_of_query(ErrorData* edata) {
  return bgw::reaches_log(edata->elevel, log_min_error_statement) && !edata->hide_stmt &&
         debug_query_string != nullptr;
}

const char* get_backend_type_for_log() {
  if (MyProcPid == PostmasterPid) return "postmaster";
  if (MyBackendType == B_BG_WORKER && MyBgworkerEntry) return MyBgworkerEntry->bgw_type;
  return GetBackendTypeDesc(MyBackendType);
}

void reset_formatted_start_time() {
  formatted_start_time[0] = '\0';
}

char* get_formatted_start_time() {
  if (!formatted_start_time[0])
    format_time(formatted_start_time, static_cast<time_t>(MyStartTime), "%Y-%m-%d %H:%M:%S %Z");
  return formatted_start_time;
}

char* get_formatted_log_time() {
  if (formatted_log_time[0]) return formatted_log_time;
  read_entry_time();
  // Three places are left for the milliseconds.
  format_time(formatted_log_time, entry_time.tv_sec, "%Y-%m-%d %H:%M:%S     %Z");
  char milliseconds[8];
  snprintf(milliseconds, sizeof(milliseconds), ".%03d", static_cast<int>(entry_time.tv_usec / 1000));
  if (strlen(formatted_log_time) >= 23) memcpy(formatted_log_time + 19, milliseconds, 4);
  return formatted_log_time;
}

}  // extern "C"
