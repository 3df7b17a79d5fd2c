// Log lines of a worker, by ereport().
#pragma once

#include "format.hpp"
#include "guard.hpp"

namespace bgworker BGWORKER_LOCAL {

/// The server's levels that do not end anything. To raise an error, throw bgworker::error.
enum class level : int {
  debug1 = DEBUG1,
  debug2 = DEBUG2,
  debug3 = DEBUG3,
  debug4 = DEBUG4,
  debug5 = DEBUG5,
  log = LOG,
  info = INFO,
  notice = NOTICE,
  warning = WARNING
};

/// Writes one entry; detail and hint may be empty.
inline void log_message(level at, const std::string& message, const std::string& detail = {},
                        const std::string& hint = {}) {
  const char *m = message.c_str(), *d = detail.empty() ? nullptr : detail.c_str(),
             *h = hint.empty() ? nullptr : hint.c_str();
  const int elevel = static_cast<int>(at);
  guarded([&] {
    ereport(elevel, (errmsg_internal("%s", m), d ? errdetail_internal("%s", d) : 0, h ? errhint("%s", h) : 0));
  });
}

namespace detail {

[[gnu::noinline]] inline void log_filled(level at, std::string_view text, const printed* arguments) {
  log_message(at, filled(text, arguments));
}

}  // namespace detail

/// log(level::warning, "table {} has {} rows", name, n)
template <class... Args>
void log(level at, format_string<Args...> f, const Args&... args) {
  // A line nobody wants is not put together.
  if (static_cast<int>(at) >= DEBUG5 && static_cast<int>(at) <= DEBUG1 &&
      !message_level_is_interesting(static_cast<int>(at)))
    return;
  const detail::printed list[] = {detail::printed(args)..., detail::printed()};
  detail::log_filled(at, f.text, list);
}

/// log("hello, {}", name): at level LOG, which the server's log shows by default.
template <class... Args>
void log(format_string<Args...> f, const Args&... args) {
  const detail::printed list[] = {detail::printed(args)..., detail::printed()};
  detail::log_filled(level::log, f.text, list);
}

/// Writes the error as an entry, with all its fields, and goes on.
inline void log_error(const error& e, level at = level::warning) {
  const error* p = &e;
  const int elevel = static_cast<int>(at);
  guarded([&] {
    ereport(elevel, (errcode(p->code().packed()), errmsg_internal("%s", p->what()),
                     p->detail().empty() ? 0 : errdetail_internal("%s", p->detail().c_str()),
                     p->hint().empty() ? 0 : errhint("%s", p->hint().c_str()),
                     p->context().empty() ? 0 : errcontext("%s", p->context().c_str())));
  });
}

}  // namespace BGWORKER_LOCAL
