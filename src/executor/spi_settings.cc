// SET, RESET and SHOW through SPI act on both sides: on the upstream's session, where the statements run, and
// on the variables in this process, which are what the module's C code sees.
//
//   held here       settings by which the host prints values or keeps the server's rules for workers (the table
//                   below): the upstream's session keeps what the host has set it to
//   modules' own    any name with a dot: checked here, set on both sides, so that SQL can read it too; shown
//                   from here if it is known here
//   of transactions SET TRANSACTION and transaction_read_only and its kin: the upstream's; XactReadOnly and its
//                   kin follow, which C code may read and write as well
//   everything else the upstream's; a variable of the same name here follows it
//
// The host's changes are undone at the end of a transaction or subtransaction as the upstream's are, by
// utils/guc_stack.cc. Changes by other means (set_config(), a function's SET clause) are seen as far as the
// upstream reports them: bridge/worker_session.cc.
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
}

#include "bridge/worker_session.hpp"
#include "executor/spi_internal.hpp"
#include "utils/guc_internal.hpp"

using bgw::SettingAction;

namespace {

// Names of the settings held here, in lower case.
constexpr const char* held_names[] = {
    "client_min_messages",  // the worker has no client: what it is on the upstream decides what reaches the log
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",  // not for workers
    "extra_float_digits",    // fewer would lose digits on the way
    "datestyle",
    "intervalstyle",  // values are printed here; the upstream keeps to one form
};

bool is_held(const char* name) {
  for (const char* held : held_names)
    if (pg_strcasecmp(name, held) == 0) return true;
  return false;
}

bool is_date_style(const char* name) {
  return pg_strcasecmp(name, "datestyle") == 0;
}

bool is_modules(const char* name) {
  return strchr(name, '.') != nullptr;
}

void set_here(const SpiStatement* s, bool really, int elevel) {
  (void)set_config_option(s->set_name, s->setting == SettingAction::reset ? nullptr : s->set_value,
                          superuser() ? PGC_SUSET : PGC_USERSET, PGC_S_SESSION,
                          s->set_local ? GUC_ACTION_LOCAL : GUC_ACTION_SET, really, elevel, false);
}

void show(const SpiStatement* s) {
  const char* name = nullptr;
  char* value = GetConfigOptionByName(s->set_name, &name, false);
  spi_make_text_tuptable(name, value != nullptr ? value : "");
  spi_current->processed = 1;
}

int isolation_level(const char* name) {
  if (strcmp(name, "serializable") == 0) return XACT_SERIALIZABLE;
  if (strcmp(name, "repeatable read") == 0) return XACT_REPEATABLE_READ;
  return strcmp(name, "read uncommitted") == 0 ? XACT_READ_UNCOMMITTED : XACT_READ_COMMITTED;
}

// What the server refuses to change once a transaction has a snapshot, or in a subtransaction. The upstream
// does not know of a snapshot that C code has taken, and would leave the transaction failed.
void refuse_late_change(int isolation, int read_only, int deferrable) {
  if (!IsTransactionState()) return;
  const auto refuse = [](int code, const char* message) {
    ereport(ERROR, (errcode(code), errmsg("%s", message)));
  };
  constexpr int late = ERRCODE_ACTIVE_SQL_TRANSACTION;
  if (isolation >= 0 && isolation != XactIsoLevel) {
    if (FirstSnapshotSet) refuse(late, "SET TRANSACTION ISOLATION LEVEL must be called before any query");
    if (IsSubTransaction())
      refuse(late, "SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction");
  }
  if (read_only == 0 && XactReadOnly && !IsSubTransaction()) {
    if (FirstSnapshotSet) refuse(late, "transaction read-write mode must be set before any query");
    if (RecoveryInProgress())
      refuse(ERRCODE_FEATURE_NOT_SUPPORTED, "cannot set transaction read-write mode during recovery");
  }
  if (deferrable >= 0) {
    if (IsSubTransaction())
      refuse(late, "SET TRANSACTION [NOT] DEFERRABLE cannot be called within a subtransaction");
    if (FirstSnapshotSet) refuse(late, "SET TRANSACTION [NOT] DEFERRABLE must be called before any query");
  }
}

void refuse_late_characteristic(const char* name, const char* value) {
  bool on = false;
  if (pg_strcasecmp(name, "transaction_isolation") == 0)
    refuse_late_change(isolation_level(value), -1, -1);
  else if (pg_strcasecmp(name, "transaction_read_only") == 0 && parse_bool(value, &on))
    refuse_late_change(-1, on, -1);
  else if (pg_strcasecmp(name, "transaction_deferrable") == 0 && parse_bool(value, &on))
    refuse_late_change(-1, -1, on);
}

// The upstream has taken it; of a whole session it is a set of defaults.
void follow_characteristics(const SpiStatement* s) {
  if (!s->set_local) {
    const auto keep = [](const char* name, const char* value) {
      (void)set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SET, true, DEBUG1, false);
    };
    if (s->isolation) keep("default_transaction_isolation", s->isolation);
    if (s->read_only_said >= 0) keep("default_transaction_read_only", s->read_only_said ? "on" : "off");
    if (s->deferrable_said >= 0) keep("default_transaction_deferrable", s->deferrable_said ? "on" : "off");
    return;
  }
  if (s->isolation) XactIsoLevel = isolation_level(s->isolation);
  if (s->read_only_said >= 0) XactReadOnly = s->read_only_said != 0;
  if (s->deferrable_said >= 0) XactDeferrable = s->deferrable_said != 0;
}

// The same for one of them by its name as a setting, which may be set in a subtransaction, too: its end undoes
// it. False: the name is another's.
bool follow_characteristic(const char* name, const char* value) {
  bool on = false;
  if (pg_strcasecmp(name, "transaction_isolation") == 0)
    XactIsoLevel = value ? isolation_level(value) : DefaultXactIsoLevel;
  else if (pg_strcasecmp(name, "transaction_read_only") == 0)
    XactReadOnly = value && parse_bool(value, &on) ? on : XactReadOnly;
  else if (pg_strcasecmp(name, "transaction_deferrable") == 0)
    XactDeferrable = value && parse_bool(value, &on) ? on : XactDeferrable;
  else
    return false;
  return true;
}

}  // namespace

const char* spi_setting_before(const SpiStatement* s) {
  const char* name = s->set_name;
  if (name == nullptr) return s->text;
  bool modules = is_modules(name);
  switch (s->setting) {
    case SettingAction::show:
      if (!is_held(name) && !(modules && guc_find(name, false, true, 0) != nullptr)) return s->text;
      show(s);
      return nullptr;
    case SettingAction::set:
    case SettingAction::reset:
      if (is_held(name)) {
        set_here(s, true, ERROR);
        if (!is_date_style(name)) return nullptr;
        // How dates are read is the upstream's business, too.
        return psprintf("SET %sDateStyle TO 'ISO, %s'", s->set_local ? "LOCAL " : "",
                        DateOrder == DATEORDER_YMD   ? "YMD"
                        : DateOrder == DATEORDER_DMY ? "DMY"
                                                     : "MDY");
      }
      if (modules) set_here(s, false, ERROR);
      if (s->setting == SettingAction::set && s->set_value) refuse_late_characteristic(name, s->set_value);
      return s->text;
    case SettingAction::characteristics:
      if (s->set_local)
        refuse_late_change(s->isolation ? isolation_level(s->isolation) : -1, s->read_only_said,
                           s->deferrable_said);
      break;
    case SettingAction::reset_all:
    case SettingAction::none:
      break;
  }
  return s->text;
}

void spi_setting_after(const SpiStatement* s) {
  if (s->setting == SettingAction::reset_all) {
    ResetAllOptions();
    bgw_session_set_up_again();
    return;
  }
  if (s->setting == SettingAction::characteristics) {
    follow_characteristics(s);
    return;
  }
  if (s->setting != SettingAction::set && s->setting != SettingAction::reset) return;
  const char* name = s->set_name;
  if (name == nullptr) return;
  if ((s->setting == SettingAction::reset || s->set_value != nullptr) &&
      follow_characteristic(name, s->set_value))
    return;
  if (is_date_style(name)) {
    set_here(s, true, ERROR);  // again: following the upstream's report may have undone it
  } else if (pg_strcasecmp(name, "timezone") == 0) {
    bgw_session_follow_settings(s->set_local);
  } else if (is_modules(name)) {
    set_here(s, true, ERROR);
  } else if ((s->setting == SettingAction::reset || s->set_value != nullptr) &&
             guc_find(name, false, true, 0) != nullptr) {
    // The upstream's word counts; that the host's variable takes it, too, is for the module's C code.
    set_here(s, true, DEBUG1);
    if (pg_strcasecmp(name, "log_min_messages") == 0) bgw_session_set_up_again();
    if (pg_strcasecmp(name, "role") == 0) bgw_session_role_changed();
  }
}
