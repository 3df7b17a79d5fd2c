// Workers: how they are declared and registered, what they are told (stop, reload, notifications), and how they
// wait.
//
// A worker is a function `void run(bgworker::worker&)`. Its process is entered through one exported function of
// the module; which function to run travels in the registration's bgw_extra as a distance from an anchor in the
// same module, which is the same wherever the module is loaded. SIGTERM and SIGHUP only set a flag and the
// latch; wait() and sleep() turn the flags into answers. SIGTERM also cancels the statement that runs at that
// moment, so that a long one does not hold up a stop.
#pragma once

#include "log.hpp"
#include "parameter.hpp"
#include "shared.hpp"

namespace bgworker BGWORKER_LOCAL {

class worker;

/// For worker_spec::restart: the worker is not started again when it ends.
inline constexpr std::chrono::seconds never{BGW_NEVER_RESTART};

/// The server state that a worker waits for before it is started.
enum class start_time {
  postmaster_start = BgWorkerStart_PostmasterStart,    ///< at once; no database session is possible
  consistent_state = BgWorkerStart_ConsistentState,    ///< also on a hot standby
  recovery_finished = BgWorkerStart_RecoveryFinished,  ///< when the server accepts writes
};

namespace detail {

[[noreturn]] inline void refuse(const char* why) {
  throw error("22023", why);
}

/// A text of at most Size - 1 bytes; longer ones are refused (at compile time, where the value is a constant).
template <std::size_t Size>
struct fixed_text {
  char chars[Size] = {};
  constexpr fixed_text() = default;
  constexpr fixed_text(std::string_view text) {  // NOLINT: implicit
    if (text.size() >= Size) refuse("a name of a worker is longer than the server keeps (95 bytes)");
    for (std::size_t i = 0; i < text.size(); ++i) chars[i] = text[i];
  }
  constexpr fixed_text(const char* text) : fixed_text(std::string_view(text)) {}         // NOLINT
  constexpr fixed_text(const std::string& text) : fixed_text(std::string_view(text)) {}  // NOLINT
  constexpr bool empty() const { return chars[0] == '\0'; }
};

/// What bgw_extra holds: which function to run, and up to 112 bytes of the registrant's.
struct passed {
  std::uint32_t magic;
  std::uint32_t size;
  std::int64_t distance;
  unsigned char bytes[BGW_EXTRALEN - 16];
};
static_assert(sizeof(passed) == BGW_EXTRALEN);
inline constexpr std::uint32_t passed_magic = 0x62677731;

inline char anchor;  // a place in this module, wherever it is loaded

using body = void (*)(worker&);

}  // namespace detail

/// How a worker is registered. What is left out has a sensible value.
struct worker_spec {
  detail::fixed_text<BGW_MAXLEN> name;  ///< in the process title, the log and pg_stat_activity
  detail::fixed_text<BGW_MAXLEN>
      type{};  ///< what several workers of one kind have in common; default: the name
  start_time start = start_time::recovery_finished;
  std::chrono::seconds restart{10};  ///< after an error or SIGTERM: 0 s to 1000 days, or never
  bool database = true;              ///< will call worker::connect()
  std::int64_t argument = 0;         ///< worker::argument()
  std::array<unsigned char, sizeof(detail::passed::bytes)> extra{};  ///< set by pass()
  std::uint32_t extra_size = 0;

  /// Hands a plain value (at most 112 bytes) over to the worker, which reads it with worker::passed<T>().
  template <class T>
  worker_spec& pass(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>,
                  "what is passed to a worker crosses processes: plain values only");
    static_assert(sizeof(T) <= sizeof(detail::passed::bytes), "at most 112 bytes can be passed to a worker");
    std::memcpy(extra.data(), &value, sizeof value);
    extra_size = sizeof value;
    return *this;
  }

  /// Why the server would refuse this worker, or could never start it; nullptr if it would not.
  constexpr const char* flaw() const {
    using namespace std::chrono_literals;
    if (name.empty()) return "the worker has no name";
    if (database && start == start_time::postmaster_start)
      return "a worker that is started with the postmaster cannot have a database session";
    if (restart != never && (restart < 0s || restart > 86400000s))
      return "the restart interval is not from 0 s to 1000 days, nor bgworker::never";
    return nullptr;
  }
};

/// Checks a worker's declaration at compile time: module.add<run>(bgworker::verified({.name = "x", …})).
consteval worker_spec verified(worker_spec spec) {
  if (spec.flaw() != nullptr) detail::refuse(spec.flaw());
  return spec;
}

/// A message that arrived on a channel that the worker listens to.
struct notification {
  std::string channel;
  std::string payload;
  int sender = 0;  ///< process id of the session that sent it
};

/// Why a wait ended. True as a condition while the worker is to go on.
class wake {
 public:
  explicit operator bool() const { return !stop_; }
  bool stop() const { return stop_; }          ///< SIGTERM, or the postmaster is gone
  bool reloaded() const { return reloaded_; }  ///< parameters may have changed
  bool notified() const { return notified_; }  ///< worker::notifications() has something
  bool latch() const { return latch_; }        ///< somebody set the latch
  bool timed_out() const { return timed_out_; }
  bool readable() const { return readable_; }  ///< the socket waited for
  bool writable() const { return writable_; }

 private:
  friend class worker;
  bool stop_ = false, reloaded_ = false, notified_ = false, latch_ = false, timed_out_ = false,
       readable_ = false, writable_ = false;
};

/// A socket to wait for.
struct socket_wait {
  int fd = -1;
  bool read = true;
  bool write = false;
};

namespace detail {

/// What the signal handlers leave; of this process.
struct process_state {
  static inline volatile sig_atomic_t stop_requested = 0;
  static inline volatile sig_atomic_t reload_requested = 0;
  static inline volatile sig_atomic_t statement_runs = 0;  // a SIGTERM cancels it
  static inline volatile sig_atomic_t cancel_sent = 0;
  static inline bool postmaster_gone = false;
  static inline bool statistics_pending = false;
  static inline std::vector<notification>* notifications = nullptr;
};

/// Cancels the statement that runs; when none does there is nothing to cancel.
inline void cancel_statement() {
  if (!process_state::statement_runs || proc_exit_inprogress) return;
  process_state::cancel_sent = 1;
  QueryCancelPending = true;
  InterruptPending = true;
}

inline void on_sigterm(int) {
  const int kept = errno;
  process_state::stop_requested = 1;
  cancel_statement();
  SetLatch(MyLatch);
  errno = kept;
}

inline void on_sigint(int) {
  const int kept = errno;
  cancel_statement();
  SetLatch(MyLatch);
  errno = kept;
}

inline void on_sighup(int) {
  const int kept = errno;
  process_state::reload_requested = 1;
  SetLatch(MyLatch);
  errno = kept;
}

/// A section in which a SIGTERM or SIGINT cancels what runs. Entered and left only around calls of the server.
class cancellable {
 public:
  cancellable() { process_state::statement_runs = 1; }
  cancellable(const cancellable&) = delete;
  ~cancellable() {
    process_state::statement_runs = 0;
    if (process_state::cancel_sent) {  // it came too late for this statement and is not meant for the next one
      process_state::cancel_sent = 0;
      QueryCancelPending = false;
    }
  }
};

/// Notifications, caught where the server would send them to a client: ProcessNotifyInterrupt() builds messages
/// of the protocol for whoever PqCommMethods says.
inline int catch_message(char type, const char* body, size_t size) {
  if (type != 'A' || size < 6) return 0;
  struct {
    const char* body;
    size_t size;
  } message{body, size};
  pending p;
  auto keep = [&] {
    notification n;
    n.sender = (static_cast<unsigned char>(message.body[0]) << 24) |
               (static_cast<unsigned char>(message.body[1]) << 16) |
               (static_cast<unsigned char>(message.body[2]) << 8) | static_cast<unsigned char>(message.body[3]);
    const char* at = message.body + 4;
    n.channel = at;
    n.payload = at + n.channel.size() + 1;
    process_state::notifications->push_back(std::move(n));
  };
  catching(&p, keep);
  return p.raised ? EOF : 0;
}

inline void collect_notifications() {
  if (!notifyInterruptPending) return;
  static const PQcommMethods catcher = {
      [] {},
      [] { return 0; },
      [] { return 0; },
      [] { return false; },
      catch_message,
      [](char type, const char* body, size_t size) { (void)catch_message(type, body, size); }};
  const PQcommMethods* const methods = PqCommMethods;
  const CommandDest destination = whereToSendOutput;
  struct restore {
    const PQcommMethods* methods;
    CommandDest destination;
    ~restore() {
      PqCommMethods = methods;
      whereToSendOutput = destination;
    }
  } restored{methods, destination};
  guarded([&] {
    PqCommMethods = &catcher;
    whereToSendOutput = DestRemote;
    ProcessNotifyInterrupt(false);
  });
}

/// One wait on the latch, for at most `milliseconds` (-1: no limit). Returns the server's WL_ events.
inline int wait_on_latch(long milliseconds, const socket_wait& on) {
  if (process_state::statistics_pending && milliseconds != 0) {
    process_state::statistics_pending = false;
    guarded([] { pgstat_report_stat(true); });
  }
  const int events = WL_LATCH_SET | WL_POSTMASTER_DEATH | (milliseconds >= 0 ? WL_TIMEOUT : 0) |
                     (on.fd >= 0 && on.read ? WL_SOCKET_READABLE : 0) |
                     (on.fd >= 0 && on.write ? WL_SOCKET_WRITEABLE : 0);
  const int fd = on.fd;
  const int got = guarded([&] {
    const int result =
        WaitLatchOrSocket(MyLatch, events, fd >= 0 ? fd : PGINVALID_SOCKET, milliseconds, PG_WAIT_EXTENSION);
    if (result & WL_LATCH_SET) ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
    return result;
  });
  if (got & WL_POSTMASTER_DEATH) process_state::postmaster_gone = true;
  return got;
}

inline long milliseconds_until(std::chrono::steady_clock::time_point deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
  return left <= 0 ? 0 : static_cast<long>(std::min<long long>(left, INT_MAX));
}

}  // namespace detail

/// The process of a running worker: there is one, made by the SDK, for as long as the worker's function runs.
class worker {
 public:
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  std::string_view name() const { return MyBgworkerEntry->bgw_name; }
  std::string_view type() const { return MyBgworkerEntry->bgw_type; }
  /// worker_spec::argument.
  std::int64_t argument() const { return static_cast<std::int64_t>(MyBgworkerEntry->bgw_main_arg); }
  /// The value that worker_spec::pass() was given. Error 22023 when it was of another size.
  template <class T>
  T passed() const {
    detail::passed p;
    std::memcpy(&p, MyBgworkerEntry->bgw_extra, sizeof p);
    if (p.magic != detail::passed_magic || p.size != sizeof(T))
      detail::fail("22023", "worker \"{}\" was not passed a value of {} bytes", name(), sizeof(T));
    T value;
    std::memcpy(&value, p.bytes, sizeof value);
    return value;
  }

  /// Opens the worker's database session; once per worker. An empty user is the bootstrap superuser of the
  /// server, or the role of the host's `upstream`. A refused connection ends the worker (FATAL), as in the
  /// server.
  [[gnu::cold]] void connect(std::string_view database, std::string_view user = {}) {
    const std::string d(database), u(user);
    const char *dbname = d.c_str(), *username = u.empty() ? nullptr : u.c_str();
    guarded([&] { BackgroundWorkerInitializeConnection(dbname, username, 0); });
  }

  /// Whether the worker is to end: it was sent SIGTERM, or the postmaster is gone.
  bool stopping() const {
    return detail::process_state::stop_requested || detail::process_state::postmaster_gone;
  }

  /// Runs a part of a round whose failure is worth no more than the round: an error is logged as a WARNING with
  /// `doing` as a line of its context, and the worker goes on. When the worker is to stop, an error (that of
  /// the statement that the stop cancelled, above all) is thrown on, and nothing is begun any more. Returns
  /// what `work` returns where that is a bool, true where it returns nothing; false after an error, or when
  /// nothing was begun.
  template <class F>
  bool attempt(std::string_view doing, F&& work) const {
    if (stopping()) return false;
    try {
      if constexpr (std::is_same_v<decltype(work()), bool>) return work();
      work();
      return true;
    } catch (error& e) {
      if (stopping()) throw;
      log_error(e.add_context(std::string(doing)));
      return false;
    }
  }

  /// Ends the worker with this exit code once the destructors of all scopes have run. 0: it is not started
  /// again.
  [[noreturn]] void exit(int code) const { throw exit_request{code}; }

  /// Waits for whatever comes first: a stop, a reload, a notification, the latch, the socket, or the end of
  /// `timeout` (absent: no limit). Reloaded parameters and arrived notifications are in place when it returns.
  template <class Rep, class Period>
  wake wait(std::chrono::duration<Rep, Period> timeout, const socket_wait& on = {}) {
    return wait_until(std::chrono::steady_clock::now() + std::chrono::ceil<std::chrono::milliseconds>(timeout),
                      on);
  }
  wake wait(const socket_wait& on = {}) { return wait_until(std::nullopt, on); }

  /// Sleeps for the whole time, whatever sets the latch. False, at once, when the worker is to end.
  template <class Rep, class Period>
  bool sleep(std::chrono::duration<Rep, Period> time) {
    return sleep_until(std::chrono::steady_clock::now() + std::chrono::ceil<std::chrono::milliseconds>(time));
  }
  /// Sleeps for the time a parameter says; a reload that changes it applies to the sleep under way.
  template <class D>
  bool sleep(const parameter_value<D>& time) {
    const auto start = std::chrono::steady_clock::now();
    for (;;) {
      const auto deadline = start + time.get();
      const wake why = wait_until(deadline, {});
      if (!why) return false;
      if (std::chrono::steady_clock::now() >= start + time.get()) return true;
    }
  }

  /// Listens to a channel (LISTEN, in a transaction of its own); messages arrive in notifications().
  void listen(std::string_view channel) {
    const std::string name(channel);
    const char* text = name.c_str();
    try {
      guarded([&] {
        SetCurrentStatementStartTimestamp();
        StartTransactionCommand();
        Async_Listen(text);
        CommitTransactionCommand();
      });
    } catch (const error&) {
      detail::guarded_noexcept([] { AbortCurrentTransaction(); });
      throw;
    }
  }
  /// The messages that have arrived since the last call, oldest first.
  std::vector<notification> notifications() {
    detail::collect_notifications();
    return std::exchange(notifications_, {});
  }

  /// What pg_stat_activity shows the worker to be doing; empty: idle.
  void report_activity(std::string_view what) {
    const std::string text(what);
    const char* query = text.c_str();
    guarded([&] { pgstat_report_activity(*query ? STATE_RUNNING : STATE_IDLE, *query ? query : nullptr); });
  }

 private:
  friend struct worker_runner;
  worker() { detail::process_state::notifications = &notifications_; }
  ~worker() { detail::process_state::notifications = nullptr; }

  [[gnu::noinline]] bool sleep_until(std::chrono::steady_clock::time_point deadline) {
    for (;;) {
      const wake why = wait_until(deadline, {});
      if (!why) return false;
      if (why.timed_out_ || std::chrono::steady_clock::now() >= deadline) return true;
    }
  }

  [[gnu::noinline]] wake wait_until(std::optional<std::chrono::steady_clock::time_point> deadline,
                                    const socket_wait& on) {
    wake why;
    if (look(why)) return why;  // what happened while the worker was busy
    const int got = detail::wait_on_latch(deadline ? detail::milliseconds_until(*deadline) : -1L, on);
    why.latch_ = (got & WL_LATCH_SET) != 0;
    why.timed_out_ = (got & WL_TIMEOUT) != 0;
    why.readable_ = (got & WL_SOCKET_READABLE) != 0;
    why.writable_ = (got & WL_SOCKET_WRITEABLE) != 0;
    look(why);
    return why;
  }

  bool look(wake& why) {
    if (stopping()) why.stop_ = true;
    if (detail::process_state::reload_requested) {
      detail::process_state::reload_requested = 0;
      guarded([] { ProcessConfigFile(PGC_SIGHUP); });
      why.reloaded_ = true;
    }
    detail::collect_notifications();
    if (!notifications_.empty()) why.notified_ = true;
    return why.stop_ || why.reloaded_ || why.notified_;
  }

  std::vector<notification> notifications_;
};

struct worker_runner {
  static void run(detail::body function) {
    worker self;
    function(self);
  }
};

namespace detail {

template <auto Function>
void call(worker& self) {
  Function(self);
}

/// The body of a module's exported entry function. No object with a destructor lives in this frame.
inline void worker_main(body only) {
  passed p;
  std::memcpy(&p, MyBgworkerEntry->bgw_extra, sizeof p);
  body function = only;
  if (p.magic == passed_magic) function = reinterpret_cast<body>(reinterpret_cast<char*>(&anchor) + p.distance);
  if (function == nullptr)
    ereport(
        ERROR,
        (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
         errmsg("the registration of background worker \"%s\" does not say which worker of the module it is",
                MyBgworkerEntry->bgw_name),
         errhint("Register it with the SDK: module::add() or bgworker::start().")));
  pqsignal(SIGTERM, on_sigterm);
  pqsignal(SIGHUP, on_sighup);
  if (MyBgworkerEntry->bgw_flags & BGWORKER_BACKEND_DATABASE_CONNECTION) pqsignal(SIGINT, on_sigint);
  BackgroundWorkerUnblockSignals();

  pending outcome;
  auto body_of_worker = [&] { worker_runner::run(function); };
  catching(&outcome, body_of_worker);

  const bool stopped = process_state::stop_requested || process_state::postmaster_gone;
  if (outcome.exits) proc_exit(outcome.exit_code);
  if (outcome.raised && !(stopped && outcome.code == ERRCODE_QUERY_CANCELED)) raise(&outcome);
  // Stopped from outside is not done: with exit code 1 a worker that may be restarted is, unless its stop was
  // final.
  if (stopped && MyBgworkerEntry->bgw_restart_time != BGW_NEVER_RESTART) proc_exit(1);
  proc_exit(0);
}

[[gnu::cold]] inline BackgroundWorker registration(const worker_spec& spec, body function, const char* entry) {
  BackgroundWorker made;
  std::memset(&made, 0, sizeof made);
  std::memcpy(made.bgw_name, spec.name.chars, sizeof spec.name.chars);
  std::memcpy(made.bgw_type, spec.type.empty() ? spec.name.chars : spec.type.chars, sizeof spec.type.chars);
  made.bgw_flags = BGWORKER_SHMEM_ACCESS | (spec.database ? BGWORKER_BACKEND_DATABASE_CONNECTION : 0);
  made.bgw_start_time = static_cast<BgWorkerStartTime>(spec.start);
  made.bgw_restart_time = static_cast<int>(spec.restart.count());
  made.bgw_main_arg = static_cast<Datum>(spec.argument);
  std::memcpy(made.bgw_function_name, entry, std::strlen(entry) + 1);

  Dl_info where;
  if (dladdr(&anchor, &where) == 0) throw error("the module's own file is not known");
  std::string_view file = where.dli_fname;
  if (file.ends_with(DLSUFFIX)) file.remove_suffix(std::strlen(DLSUFFIX));
  if (file.size() >= sizeof made.bgw_library_name) file.remove_prefix(file.rfind('/') + 1);
  if (file.size() >= sizeof made.bgw_library_name)
    detail::fail("22023", "the module's name \"{}\" is longer than the server keeps", file);
  std::memcpy(made.bgw_library_name, file.data(), file.size());  // the rest is zero

  passed p;
  std::memset(&p, 0, sizeof p);
  p.magic = passed_magic;
  p.size = spec.extra_size;
  p.distance = reinterpret_cast<char*>(function) - reinterpret_cast<char*>(&anchor);
  std::memcpy(p.bytes, spec.extra.data(), sizeof p.bytes);
  std::memcpy(made.bgw_extra, &p, sizeof p);
  return made;
}

inline constexpr const char* entry_name = "bgworker_entry";

}  // namespace detail

/// What BGWORKER_MODULE's block is given: the module being loaded.
class module {
 public:
  module(const module&) = delete;
  module& operator=(const module&) = delete;

  /// Whether this is the load by shared_preload_libraries, when workers can be added and shared memory asked
  /// for.
  bool preloading() const { return process_shared_preload_libraries_in_progress; }

  /// Registers a worker, to be started by the server itself. Function is a `void (bgworker::worker&)`. A worker
  /// that could not start is refused with a line in the log, and the others are not affected. In a process that
  /// loads the module later, nothing happens.
  template <auto Function>
  void add(const worker_spec& spec) {
    static_assert(std::is_invocable_v<decltype(Function), worker&>,
                  "a worker is a function void (bgworker::worker&)");
    only_ = count_++ == 0 ? detail::call<Function> : nullptr;
    if (!preloading()) return;
    if (const char* flaw = spec.flaw()) {
      const char* name = spec.name.chars;
      guarded([&] {
        ereport(LOG, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                      errmsg("background worker \"%s\" is not registered: %s", name, flaw)));
      });
      return;
    }
    BackgroundWorker made = detail::registration(spec, detail::call<Function>, detail::entry_name);
    guarded([&] { RegisterBackgroundWorker(&made); });
  }

  /// The body of _PG_init.
  static void initialise(void (*declare)(module&)) {
    entered([declare] {
      module self;
      self.define_parameters();
      if (self.preloading()) detail::shared_hooks::install();
      declare(self);
    });
  }
  /// The body of the exported entry function.
  static void enter() { detail::worker_main(only_); }

 private:
  module() = default;

  [[gnu::cold]] void define_parameters() {
    for (parameter_base* p = parameter_base::first_; p; p = p->next_) {
      const char* dot = std::strchr(p->name(), '.');
      if (dot == nullptr || dot == p->name())
        detail::fail("22023", "parameter \"{}\" has no prefix: name it module.parameter", p->name());
      p->define();
    }
    // After the last one: what is reserved takes no further parameter.
    std::string reserved;
    for (parameter_base* p = parameter_base::first_; p; p = p->next_) {
      std::string prefix(p->name(), std::strchr(p->name(), '.'));
      if (prefix == reserved) continue;  // the server does not mind being told twice, either
      const char* text = prefix.c_str();
      guarded([&] { MarkGUCPrefixReserved(text); });
      reserved = std::move(prefix);
    }
  }

  static inline detail::body only_ =
      nullptr;  // when the module has one worker: what an entry without our bgw_extra runs
  static inline int count_ = 0;
};

enum class worker_status { not_yet_started, started, stopped, postmaster_died };

/// A worker that this process started: its state, its end. Destroying the handle does not stop the worker.
class worker_handle {
 public:
  worker_handle(worker_handle&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  worker_handle& operator=(worker_handle&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~worker_handle() {
    if (handle_) pfree(handle_);
  }

  worker_status status() const {
    pid_t pid = 0;
    BackgroundWorkerHandle* handle = handle_;
    switch (guarded([&] { return GetBackgroundWorkerPid(handle, &pid); })) {
      case BGWH_STARTED:
        return worker_status::started;
      case BGWH_NOT_YET_STARTED:
        return worker_status::not_yet_started;
      case BGWH_STOPPED:
        return worker_status::stopped;
      case BGWH_POSTMASTER_DIED:
        break;
    }
    return worker_status::postmaster_died;
  }
  /// Its process id, while it runs.
  std::optional<int> pid() const {
    pid_t pid = 0;
    BackgroundWorkerHandle* handle = handle_;
    if (guarded([&] { return GetBackgroundWorkerPid(handle, &pid); }) != BGWH_STARTED) return std::nullopt;
    return static_cast<int>(pid);
  }

  /// Waits until it runs or has ended. The answer is its state: not_yet_started when the time was over first,
  /// or when this worker is itself to stop.
  template <class Rep, class Period>
  worker_status wait_started(std::chrono::duration<Rep, Period> timeout) const {
    return wait(timeout, [](worker_status s) { return s != worker_status::not_yet_started; });
  }
  /// Waits until it has ended.
  template <class Rep, class Period>
  worker_status wait_stopped(std::chrono::duration<Rep, Period> timeout) const {
    return wait(timeout, [](worker_status s) {
      return s == worker_status::stopped || s == worker_status::postmaster_died;
    });
  }
  /// Asks it to stop, for good: it is not started again.
  void terminate() const {
    BackgroundWorkerHandle* handle = handle_;
    guarded([&] { TerminateBackgroundWorker(handle); });
  }

 private:
  template <auto Function>
  friend worker_handle start(const worker_spec& spec);
  explicit worker_handle(BackgroundWorkerHandle* handle) : handle_(handle) {}

  template <class Rep, class Period, class Done>
  worker_status wait(std::chrono::duration<Rep, Period> timeout, Done done) const {
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::ceil<std::chrono::milliseconds>(timeout);
    for (;;) {
      const worker_status now = status();
      if (done(now) || detail::process_state::stop_requested || detail::process_state::postmaster_gone)
        return now;
      const long left = detail::milliseconds_until(deadline);
      if (left == 0) return now;
      detail::wait_on_latch(left, {});
    }
  }

  BackgroundWorkerHandle* handle_;
};

/// Starts a worker from a running one. This process's latch is set when the worker starts and when it stops.
/// Error 22023 for a worker that could not start, with the reason; error 53400 when no slot is free.
template <auto Function>
worker_handle start(const worker_spec& spec) {
  static_assert(std::is_invocable_v<decltype(Function), worker&>,
                "a worker is a function void (bgworker::worker&)");
  if (const char* flaw = spec.flaw())
    detail::fail("22023", "background worker \"{}\" cannot be started: {}", spec.name.chars, flaw);
  BackgroundWorker made = detail::registration(spec, detail::call<Function>, detail::entry_name);
  made.bgw_notify_pid = MyProcPid;
  BackgroundWorkerHandle* handle = nullptr;
  const bool registered = guarded([&] {
    MemoryContext context = MemoryContextSwitchTo(TopMemoryContext);
    const bool ok = RegisterDynamicBackgroundWorker(&made, &handle);
    MemoryContextSwitchTo(context);
    return ok;
  });
  if (!registered)
    detail::fail({"53400", "Consider increasing the configuration parameter \"max_worker_processes\"."},
                 "background worker \"{}\" cannot be started: no slot is free", spec.name.chars);
  return worker_handle(handle);
}

}  // namespace BGWORKER_LOCAL

/// Makes a module of this source file: what the server looks for in a shared library, and a block that is run
/// when the library is loaded, with `module` to add workers to.
///
///     BGWORKER_MODULE(module) { module.add<run>({.name = "my worker"}); }
#define BGWORKER_MODULE(name)                                                           \
  _Pragma("GCC visibility push(default)") extern "C" {                                  \
    PG_MODULE_MAGIC;                                                                    \
    void _PG_init(void);                                                                \
    void bgworker_entry(Datum);                                                         \
  }                                                                                     \
  _Pragma("GCC visibility pop") static void bgworker_declare(::bgworker::module& name); \
  extern "C" void _PG_init(void) {                                                      \
    ::bgworker::module::initialise(bgworker_declare);                                   \
  }                                                                                     \
  extern "C" void bgworker_entry(Datum) {                                               \
    ::bgworker::module::enter();                                                        \
  }                                                                                     \
  static void bgworker_declare([[maybe_unused]] ::bgworker::module& name)
