// SET, RESET and SHOW through SPI act on both sides: on the upstream's session, where the statements run, and
// on the variables in this process, which are what the module's C code sees.
//
//   held here       settings by which the host prints values or keeps the server's rules for workers (the table
//                   below): the upstream's session keeps what the host has set it to
//   modules' own    any name with a dot: checked here, set on both sides, so that SQL can read it too; shown
//                   from here if it is known here
//   everything else the upstream's; a variable of the same name here follows it
//
// The host's changes are undone at the end of a transaction or subtransaction as the upstream's are, by
// utils/guc_stack.cc. Changes by other means (set_config(), a function's SET clause) are seen as far as the
// upstream reports them: bridge/worker_session.cc.
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
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
      return s->text;
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
  if (s->setting != SettingAction::set && s->setting != SettingAction::reset) return;
  const char* name = s->set_name;
  if (name == nullptr) return;
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
