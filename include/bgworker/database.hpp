// The database session: transactions and savepoints as scopes, results as ranges of typed tuples.
//
// One transaction is open at a time. What is read belongs to it: when it ends, or when a savepoint is rolled
// back, the results made inside are dead and say so when they are read. A statement that fails leaves its
// transaction (or the innermost savepoint) failed: nothing but its end is possible then, as in the server.
// Leaving the scope without commit() rolls back.
#pragma once

#include "types.hpp"
#include "worker.hpp"

namespace bgworker BGWORKER_LOCAL {

class transaction;
class savepoint;

namespace detail {

/// Something that lives inside a transaction and may be overtaken by its end.
class dependent {
 public:
  dependent(const dependent&) = delete;
  dependent& operator=(const dependent&) = delete;

 protected:
  inline explicit dependent(transaction& owner);
  inline dependent(dependent&& other) noexcept;
  inline ~dependent();
  bool alive() const { return owner_ != nullptr; }
  void check_alive() const {
    if (!alive())
      detail::fail("25000", "a result is read after the end of the transaction or savepoint it belongs to");
  }
  transaction* owner_;

 private:
  friend class bgworker::transaction;
  friend class bgworker::savepoint;
  int level_;
  dependent* previous_ = nullptr;
  dependent* next_ = nullptr;
};

struct outcome {
  int code;
  std::uint64_t processed;
  SPITupleTable* table;
};

template <class... T>
void check_columns(SPITupleTable* table, const char* statement) {
  const TupleDesc d = table->tupdesc;
  if (d->natts != static_cast<int>(sizeof...(T)))
    detail::fail("42804", "the statement has {} columns, {} are read: {}", d->natts, sizeof...(T), statement);
  int i = 0;
  auto check = [&]<class C>(std::type_identity<C>) {
    const Form_pg_attribute a = TupleDescAttr(d, i);
    ++i;
    if (!type_reads<C>(a->atttypid)) {
      const Oid type = a->atttypid;
      const char* column = NameStr(a->attname);
      const char* found = guarded([&] { return SPI_gettype(d, i); });
      detail::fail({"42804", "Cast it in the statement, or read it as std::string."},
                   "column {} (\"{}\") is {} (OID {}), which cannot be read as {}", i, column,
                   found ? found : "?", type, type_name<C>());
    }
  };
  (check(std::type_identity<T>{}), ...);
}

/// Row `index` of a table as a tuple.
template <class... T, std::size_t... I>
std::tuple<T...> read_row(SPITupleTable* table, std::uint64_t index, std::index_sequence<I...>) {
  const HeapTuple row = table->vals[index];
  const TupleDesc d = table->tupdesc;
  auto one = [&]<class C>(std::type_identity<C>, int number) -> C {
    bool null = false;
    const Datum value = heap_getattr(row, number, d, &null);
    return read_field<C>({value, TupleDescAttr(d, number - 1)->atttypid, row, d, number, table->tuptabcxt},
                         null);
  };
  return std::tuple<T...>{one(std::type_identity<T>{}, static_cast<int>(I) + 1)...};
}

/// Columns whose type is only known to be an array of something: a host that cannot build that type in memory
/// must be given the chance to say so before the value is looked at.
template <class T>
inline constexpr bool read_as_array = false;
template <class T>
inline constexpr bool read_as_array<std::vector<T>> = !std::is_same_v<T, std::byte>;
template <class T>
inline constexpr bool read_as_array<std::optional<T>> = read_as_array<T>;

template <class... T>
void check_first_row(SPITupleTable* table, std::uint64_t rows) {
  if (rows == 0) return;
  guarded([&] {
    int number = 0;
    bool null;
    ((++number, read_as_array<T> ? SPI_getbinval(table->vals[0], table->tupdesc, number, &null) : Datum(0)),
     ...);
  });
}

}  // namespace detail

/// The rows of a statement: a sized range of std::tuple<T...>.
///
///     for (auto [name, size] : tx.query<std::string_view, std::int64_t>("SELECT …")) …
template <class... T>
class result : private detail::dependent {
 public:
  class iterator {
   public:
    using value_type = std::tuple<T...>;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    using reference = value_type;
    using pointer = void;
    iterator() = default;
    value_type operator*() const { return (*of_)[at_]; }
    iterator& operator++() { return ++at_, *this; }
    iterator operator++(int) {
      iterator was = *this;
      ++at_;
      return was;
    }
    friend bool operator==(const iterator& a, const iterator& b) { return a.at_ == b.at_; }

   private:
    friend class result;
    iterator(const result* of, std::uint64_t at) : of_(of), at_(at) {}
    const result* of_ = nullptr;
    std::uint64_t at_ = 0;
  };

  result(result&& other) noexcept
      : dependent(std::move(other)),
        table_(std::exchange(other.table_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  ~result() {
    if (alive() && table_) SPI_freetuptable(table_);  // frees memory, and does not raise
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  iterator begin() const { return {this, 0}; }
  iterator end() const { return {this, size_}; }
  std::tuple<T...> operator[](std::size_t row) const {
    check_alive();
    if (row >= size_) detail::fail("22003", "row {} is read of a result of {} rows", row, size_);
    return detail::read_row<T...>(table_, row, std::index_sequence_for<T...>{});
  }
  std::tuple<T...> front() const { return (*this)[0]; }

 private:
  friend class transaction;
  result(transaction& owner, const detail::outcome& o)
      : dependent(owner), table_(o.table), size_(o.processed) {}

  SPITupleTable* table_;
  std::uint64_t size_;
};

/// A statement that is prepared once, at its first use, and kept for the life of the object.
///
///     bgworker::prepared<std::int64_t, std::string_view> add{"INSERT INTO t VALUES ($1, $2)"};
///     tx.execute(add, 1, "one");
template <class... P>
class prepared {
 public:
  explicit prepared(std::string text) : text_(std::move(text)) {}
  prepared(const prepared&) = delete;
  prepared& operator=(const prepared&) = delete;
  ~prepared() {
    if (plan_) detail::guarded_noexcept([this] { SPI_freeplan(plan_); });
  }
  const std::string& text() const { return text_; }

 private:
  friend class transaction;
  std::string text_;
  SPIPlanPtr plan_ = nullptr;
};

/// Whether a transaction only reads. A reading one sees one snapshot and refuses statements that write; a host
/// does not wait for the answer to its commit.
enum class access_mode { read_write, read_only };

template <class... T>
class cursor;

/// An open transaction: from construction to commit(), rollback(), or the end of the scope, which rolls back.
class transaction {
 public:
  [[gnu::noinline]] explicit transaction(access_mode mode = access_mode::read_write)
      : read_only_(mode == access_mode::read_only) {
    if (IsTransactionState()) detail::fail("25001", "a transaction is open already");
    outside_ = CurrentMemoryContext;
    auto begin = [] {
      SetCurrentStatementStartTimestamp();
      StartTransactionCommand();
      if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
      PushActiveSnapshot(GetTransactionSnapshot());
    };
    if (!detail::arrive(begin)) {
      try {
        detail::throw_report();
      } catch (...) {
        abort();
        throw;
      }
    }
    open_ = true;
  }
  transaction(const transaction&) = delete;
  transaction& operator=(const transaction&) = delete;
  ~transaction() {
    if (open_) rollback();
  }

  /// Makes what was done permanent. Throws what the server raises then (a deferred constraint, a serialization
  /// failure); the transaction is rolled back in that case.
  void commit() {
    check_usable();
    if (level_ != 0)
      detail::fail("25000", "a savepoint is open: release it or let its scope end before commit()");
    drop_dependents(0);
    open_ = false;
    auto end = [] {
      SPI_finish();
      PopActiveSnapshot();
      CommitTransactionCommand();
      pgstat_report_activity(STATE_IDLE, nullptr);
      pgstat_report_stat(false);
    };
    if (!detail::arrive(end)) {
      try {
        detail::throw_report();
      } catch (...) {
        abort();
        throw;
      }
    }
    detail::process_state::statistics_pending = true;
    CurrentMemoryContext = outside_;
  }

  /// Gives up what was done.
  void rollback() noexcept {
    if (!open_) return;
    drop_dependents(0);
    open_ = false;
    level_ = 0;
    abort();
  }

  bool open() const { return open_; }
  /// A statement failed: only rollback(), or the rollback of the savepoint around it, is possible.
  bool failed() const { return failed_; }

  /// Runs a statement and returns its rows. Statements with RETURNING give rows too; one without rows is an
  /// error.
  template <class... T, class... A>
  result<T...> query(std::string_view text, const A&... a) {
    return rows<T...>(text, run(text, detail::arguments<sizeof...(A)>(a...)));
  }
  template <class... T, class... P, class... A>
  result<T...> query(prepared<P...>& statement, const A&... a) {
    return rows<T...>(statement.text_, run_prepared(statement, a...));
  }
  /// The one value of the one row of a statement; error 02000 or 21000 when there is no row or more than one.
  template <class T, class... A>
  T value(std::string_view text, const A&... a) {
    return only<T>(query<T>(text, a...), text);
  }
  template <class T, class... P, class... A>
  T value(prepared<P...>& statement, const A&... a) {
    return only<T>(query<T>(statement, a...), statement.text_);
  }
  /// Runs a statement for its effect; returns the number of rows it processed.
  template <class... A>
  std::uint64_t execute(std::string_view text, const A&... a) {
    const detail::outcome o = run(text, detail::arguments<sizeof...(A)>(a...));
    drop_table(o);
    return o.processed;
  }
  template <class... P, class... A>
  std::uint64_t execute(prepared<P...>& statement, const A&... a) {
    const detail::outcome o = run_prepared(statement, a...);
    drop_table(o);
    return o.processed;
  }
  /// Runs a prepared statement once for each tuple of a range; returns the number of rows processed in all.
  /// Where a statement can take arrays (unnest), one execution with std::vector parameters is faster still.
  template <class... P, class Range>
  std::uint64_t batch(prepared<P...>& statement, const Range& range) {
    std::uint64_t processed = 0;
    for (const auto& row : range)
      processed += std::apply([&](const auto&... a) { return execute(statement, a...); }, row);
    return processed;
  }
  /// Reads a large result in portions of `portion` rows.
  template <class... T, class... A>
  cursor<T...> open_cursor(long portion, std::string_view text, const A&... a) {
    const std::string copy(text);
    const detail::arguments<sizeof...(A)> arguments(a...);
    const char* sql = copy.c_str();
    const bool read_only = read_only_;
    Portal portal = nullptr;
    attempt([&] {
      pgstat_report_activity(STATE_RUNNING, sql);
      portal = SPI_cursor_open_with_args(nullptr, sql, sizeof...(A), const_cast<Oid*>(arguments.types),
                                         const_cast<Datum*>(arguments.values), arguments.nulls, read_only, 0);
    });
    return cursor<T...>(*this, portal, portion, copy);
  }

  /// Sends a message on a channel when the transaction commits.
  void notify(std::string_view channel, std::string_view payload = {}) {
    const std::string c(channel), p(payload);
    const char *name = c.c_str(), *text = p.c_str();
    attempt([&] { Async_Notify(name, text); });
  }

 private:
  friend class savepoint;
  friend class detail::dependent;
  template <class... T>
  friend class cursor;

  [[gnu::noinline]] void check_usable() const {
    if (!open_) detail::fail("25P01", "the transaction has ended");
    if (failed_)
      detail::fail(
          {"25P02",
           "A statement failed in it. Use a savepoint around statements whose failure is to be survived."},
          "current transaction is aborted, commands ignored until end of transaction block");
  }

  /// Ends the server's transaction, whatever state it is in.
  void abort() noexcept {
    auto end = [] {
      AbortCurrentTransaction();
      pgstat_report_activity(STATE_IDLE, nullptr);
    };
    if (!detail::guarded_noexcept(end)) {
      // The server itself gives up when an abort fails; a worker that went on would run in an undefined state.
      auto die = [] { ereport(FATAL, (errmsg("the transaction could not be rolled back"))); };
      (void)detail::arrive(die);
      std::abort();
    }
    CurrentMemoryContext = outside_;
    failed_ = false;
    detail::process_state::statistics_pending = true;
  }

  /// Calls the server on behalf of a statement; an error leaves the transaction failed.
  template <class F>
  void attempt(F&& f) {
    auto* pointer = &f;
    attempt_at(detail::call_through<std::remove_reference_t<F>>, &pointer);
  }
  [[gnu::noinline]] void attempt_at(void (*call)(void*), void* of) {
    check_usable();
    bool returned;
    {
      detail::cancellable section;
      returned = detail::arrive_at(call, of);
    }
    if (!returned) [[unlikely]] {
      failed_ = true;
      detail::throw_report();
    }
  }

  template <std::size_t N>
  detail::outcome run(std::string_view text, const detail::arguments<N>& a) {
    return run(text, N, a.types, a.values, a.nulls);
  }
  [[gnu::noinline]] detail::outcome run(std::string_view text, int count, const Oid* types, const Datum* values,
                                        const char* nulls) {
    const std::string copy(text);
    const char* sql = copy.c_str();
    const bool read_only = read_only_;
    detail::outcome o{};
    attempt([&] {
      pgstat_report_activity(STATE_RUNNING, sql);
      o.code = count == 0 ? SPI_execute(sql, read_only, 0)
                          : SPI_execute_with_args(sql, count, const_cast<Oid*>(types),
                                                  const_cast<Datum*>(values), nulls, read_only, 0);
      o.processed = SPI_processed;
      o.table = SPI_tuptable;
    });
    check_code(o, sql);
    return o;
  }

  template <class... P, class... A>
  detail::outcome run_prepared(prepared<P...>& statement, const A&... given) {
    static_assert(sizeof...(A) == sizeof...(P),
                  "the number of arguments is not the number of the statement's parameters");
    const detail::arguments<sizeof...(P)> a(static_cast<const P&>(P(given))...);
    const char* sql = statement.text_.c_str();
    if (statement.plan_ == nullptr) {
      SPIPlanPtr plan = nullptr;
      attempt([&] {
        plan = SPI_prepare(sql, sizeof...(P), const_cast<Oid*>(a.types));
        if (plan == nullptr || SPI_keepplan(plan) != 0)
          elog(ERROR, "could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));
      });
      statement.plan_ = plan;
    }
    const bool read_only = read_only_;
    SPIPlanPtr plan = statement.plan_;
    detail::outcome o{};
    attempt([&] {
      pgstat_report_activity(STATE_RUNNING, sql);
      o.code = SPI_execute_plan(plan, const_cast<Datum*>(a.values), a.nulls, read_only, 0);
      o.processed = SPI_processed;
      o.table = SPI_tuptable;
    });
    check_code(o, sql);
    return o;
  }

  void check_code(const detail::outcome& o, const char* sql) {
    if (o.code >= 0) return;
    failed_ = true;
    throw error(
        o.code == SPI_ERROR_TRANSACTION ? sqlstate("2D000") : sqlstate("0A000"),
        format("statement \"{}\" cannot be run: {}", sql, SPI_result_code_string(o.code)), {},
        o.code == SPI_ERROR_TRANSACTION ? "Transactions are begun and ended by bgworker::transaction." : "");
  }

  template <class... T>
  result<T...> rows(std::string_view text, const detail::outcome& o) {
    if (o.table == nullptr) detail::fail("02000", "the statement returns no rows: {}", text);
    result<T...> made(*this, o);
    detail::check_columns<T...>(o.table, std::string(text).c_str());
    if constexpr ((detail::read_as_array<T> || ...)) detail::check_first_row<T...>(o.table, o.processed);
    return made;
  }

  template <class T>
  T only(const result<T>& r, std::string_view text) {
    static_assert(!std::is_same_v<T, std::string_view>,
                  "the text would not outlive its result: ask for std::string");
    if (r.empty()) detail::fail("02000", "one row is expected, none came: {}", text);
    if (r.size() > 1) detail::fail("21000", "one row is expected, {} came: {}", r.size(), text);
    return std::get<0>(r.front());
  }

  static void drop_table(const detail::outcome& o) {
    if (o.table) SPI_freetuptable(o.table);
  }

  /// What belongs to this level or a deeper one is dead.
  void drop_dependents(int level) noexcept {
    for (detail::dependent* d = first_; d != nullptr;) {
      detail::dependent* next = d->next_;
      if (d->level_ >= level) {
        unlink(d);
        d->owner_ = nullptr;
      }
      d = next;
    }
  }
  void link(detail::dependent* d) {
    d->previous_ = nullptr;
    d->next_ = first_;
    if (first_) first_->previous_ = d;
    first_ = d;
  }
  void unlink(detail::dependent* d) {
    (d->previous_ ? d->previous_->next_ : first_) = d->next_;
    if (d->next_) d->next_->previous_ = d->previous_;
  }

  detail::dependent* first_ = nullptr;
  MemoryContext outside_ = nullptr;
  int level_ = 0;  // open savepoints
  bool open_ = false;
  bool failed_ = false;
  bool read_only_;
};

/// A savepoint: an error inside it can be survived. Leaving the scope without release() rolls back to its
/// beginning.
class savepoint {
 public:
  explicit savepoint(transaction& owner)
      : owner_(owner), memory_(CurrentMemoryContext), resources_(CurrentResourceOwner) {
    MemoryContext memory = memory_;
    owner_.attempt([&] {
      BeginInternalSubTransaction(nullptr);
      MemoryContextSwitchTo(memory);
    });
    level_ = ++owner_.level_;
  }
  savepoint(const savepoint&) = delete;
  savepoint& operator=(const savepoint&) = delete;
  ~savepoint() { rollback(); }

  /// Keeps what was done since the beginning, as part of what is around it.
  void release() {
    if (!open()) detail::fail("25000", "the savepoint has ended");
    if (owner_.level_ != level_)
      detail::fail("25000", "a savepoint inside this one is open: end that one first");
    owner_.attempt([] { ReleaseCurrentSubTransaction(); });
    for (detail::dependent* d = owner_.first_; d; d = d->next_)
      if (d->level_ >= level_) d->level_ = level_ - 1;
    leave();
  }
  /// Undoes what was done since the beginning; the transaction can go on.
  void rollback() noexcept {
    if (!open()) return;
    owner_.drop_dependents(level_);
    while (owner_.level_ >= level_) {
      --owner_.level_;
      if (!detail::guarded_noexcept([] { RollbackAndReleaseCurrentSubTransaction(); })) {
        owner_.failed_ = true;
        owner_.rollback();
        return;
      }
    }
    owner_.level_ = level_;
    owner_.failed_ = false;
    leave();
  }

 private:
  bool open() const { return level_ != 0 && owner_.open_ && owner_.level_ >= level_; }
  void leave() {
    owner_.level_ = level_ - 1;
    level_ = 0;
    CurrentMemoryContext = memory_;
    CurrentResourceOwner = resources_;
  }

  transaction& owner_;
  MemoryContext memory_;
  ResourceOwner resources_;
  int level_ = 0;
};

/// The rows of a query, fetched in portions; an input range, to be gone through once.
template <class... T>
class cursor : private detail::dependent {
 public:
  class iterator {
   public:
    using value_type = std::tuple<T...>;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    using reference = value_type;
    using pointer = void;
    value_type operator*() const {
      return detail::read_row<T...>(of_->table_, of_->at_, std::index_sequence_for<T...>{});
    }
    iterator& operator++() { return of_->next(), *this; }
    void operator++(int) { of_->next(); }
    bool finished() const { return of_->done(); }
    friend bool operator==(const iterator& i, std::default_sentinel_t) { return i.finished(); }

   private:
    friend class cursor;
    explicit iterator(cursor* of) : of_(of) {}
    cursor* of_;
  };

  cursor(cursor&& other) noexcept
      : dependent(std::move(other)),
        portal_(std::exchange(other.portal_, nullptr)),
        table_(std::exchange(other.table_, nullptr)),
        at_(other.at_),
        count_(other.count_),
        portion_(other.portion_),
        text_(std::move(other.text_)) {}
  ~cursor() {
    if (!alive() || portal_ == nullptr) return;
    free_portion();
    if (!owner_->failed_) detail::guarded_noexcept([this] { SPI_cursor_close(portal_); });
  }

  /// A view of the text is valid until the next row is asked for.
  iterator begin() {
    fetch();
    return iterator(this);
  }
  std::default_sentinel_t end() const { return {}; }

 private:
  friend class transaction;
  cursor(transaction& owner, Portal portal, long portion, std::string text)
      : dependent(owner), portal_(portal), portion_(portion), text_(std::move(text)) {}

  bool done() const {
    check_alive();
    return at_ >= count_;
  }
  void next() {
    check_alive();
    if (++at_ >= count_) fetch();
  }
  void free_portion() noexcept {
    if (table_) SPI_freetuptable(table_);
    table_ = nullptr;
  }
  void fetch() {
    check_alive();
    free_portion();
    at_ = count_ = 0;
    detail::outcome o{};
    Portal portal = portal_;
    const long portion = portion_;
    owner_->attempt([&] {
      SPI_cursor_fetch(portal, true, portion);
      o.processed = SPI_processed;
      o.table = SPI_tuptable;
    });
    if (o.table == nullptr) detail::fail("02000", "the statement returns no rows: {}", text_);
    table_ = o.table;
    count_ = o.processed;
    detail::check_columns<T...>(table_, text_.c_str());
    if constexpr ((detail::read_as_array<T> || ...)) detail::check_first_row<T...>(table_, count_);
  }

  Portal portal_;
  SPITupleTable* table_ = nullptr;
  std::uint64_t at_ = 0, count_ = 0;
  long portion_;
  std::string text_;
};

namespace detail {

inline dependent::dependent(transaction& owner) : owner_(&owner), level_(owner.level_) {
  owner.link(this);
}
inline dependent::dependent(dependent&& other) noexcept : owner_(other.owner_), level_(other.level_) {
  if (owner_ == nullptr) return;
  owner_->unlink(&other);
  other.owner_ = nullptr;
  owner_->link(this);
}
inline dependent::~dependent() {
  if (owner_) owner_->unlink(this);
}

}  // namespace detail

/// Runs f(transaction&) and commits; when the server says that another attempt may succeed (a serialization
/// failure, a deadlock), it is run again, at most `attempts` times.
template <class F>
void in_transaction(F&& f, int attempts = 3) {
  for (int n = 1;; ++n) {
    try {
      transaction tx;
      f(tx);
      tx.commit();
      return;
    } catch (const error& e) {
      if (!e.worth_retrying() || n >= attempts || detail::process_state::stop_requested) throw;
    }
  }
}

/// A name as SQL needs it: quoted where it must be.
inline std::string quoted_name(std::string_view name) {
  const std::string copy(name);
  const char* text = copy.c_str();
  const char* quoted = guarded([&] { return quote_identifier(text); });
  std::string made(quoted);
  if (quoted != text) detail::guarded_noexcept([&] { pfree(const_cast<char*>(quoted)); });
  return made;
}
/// A text as a literal of SQL. Prefer parameters.
inline std::string quoted_literal(std::string_view value) {
  const std::string copy(value);
  const char* text = copy.c_str();
  char* quoted = guarded([&] { return quote_literal_cstr(text); });
  std::string made(quoted);
  detail::guarded_noexcept([&] { pfree(quoted); });
  return made;
}

}  // namespace BGWORKER_LOCAL
