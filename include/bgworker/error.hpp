// bgworker::error: what the server raises, as a C++ exception; and any C++ exception, as an error report of the
// server.
#pragma once

#include "server.hpp"

namespace bgworker BGWORKER_LOCAL {

/// A SQLSTATE: five characters, digits and capital letters.
class sqlstate {
 public:
  constexpr sqlstate() = default;
  consteval sqlstate(const char (&text)[6]) {  // NOLINT: implicit, so that a literal can be given
    for (int i = 0; i < 5; ++i) {
      const char c = text[i];
      if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')))
        throw "a SQLSTATE has five digits or capital letters";
      packed_ += static_cast<int>((c - '0') & 0x3F) << (6 * i);
    }
  }
  static constexpr sqlstate of(int packed) {
    sqlstate made;
    made.packed_ = packed;
    return made;
  }
  /// The server's own form, as errcode() takes it.
  constexpr int packed() const { return packed_; }
  std::string str() const {
    std::string text(5, '0');
    for (int i = 0; i < 5; ++i)
      text[static_cast<std::size_t>(i)] = static_cast<char>(((packed_ >> (6 * i)) & 0x3F) + '0');
    return text;
  }
  /// Whether this is of a class such as "08" (connection) or "40" (rollback, to be tried again).
  constexpr bool in_class(const char (&text)[3]) const {
    return (packed_ & 0xFFF) == (((text[0] - '0') & 0x3F) | (((text[1] - '0') & 0x3F) << 6));
  }
  friend constexpr bool operator==(sqlstate, sqlstate) = default;

 private:
  int packed_ = 0;
};

/// An error of the server, or one that the worker makes itself. What leaves a worker or a callback as this
/// exception is reported by ereport() with all its fields.
class error : public std::exception {
 public:
  [[gnu::cold, gnu::noinline]] explicit error(std::string message, sqlstate code = "XX000") : code_(code) {
    texts_[message_] = std::move(message);
  }
  [[gnu::cold, gnu::noinline]] error(sqlstate code, std::string message, std::string detail = {},
                                     std::string hint = {})
      : code_(code) {
    texts_[message_] = std::move(message);
    texts_[detail_] = std::move(detail);
    texts_[hint_] = std::move(hint);
  }

  const char* what() const noexcept override { return texts_[message_].c_str(); }
  const std::string& message() const noexcept { return texts_[message_]; }
  const std::string& detail() const noexcept { return texts_[detail_]; }
  const std::string& hint() const noexcept { return texts_[hint_]; }
  /// Where the server was, one line for each level.
  const std::string& context() const noexcept { return texts_[context_]; }
  bgworker::sqlstate code() const noexcept { return code_; }
  /// The statement inside which the error arose, and the position in it (characters, from 1; 0: none).
  const std::string& statement() const noexcept { return texts_[statement_]; }
  int position() const noexcept { return position_; }
  /// The names that the error is about, or empty.
  const std::string& schema() const noexcept { return texts_[schema_]; }
  const std::string& table() const noexcept { return texts_[table_]; }
  const std::string& column() const noexcept { return texts_[column_]; }
  const std::string& datatype() const noexcept { return texts_[datatype_]; }
  const std::string& constraint() const noexcept { return texts_[constraint_]; }

  /// The statement was cancelled: by SIGTERM, by pg_cancel_backend() or by a time-out.
  bool cancelled() const noexcept { return code_ == bgworker::sqlstate("57014"); }
  /// A serialization failure or a deadlock: the transaction may succeed when it is run again.
  bool worth_retrying() const noexcept {
    return code_ == bgworker::sqlstate("40001") || code_ == bgworker::sqlstate("40P01");
  }

  error& with_detail(std::string text) { return texts_[detail_] = std::move(text), *this; }
  error& with_hint(std::string text) { return texts_[hint_] = std::move(text), *this; }
  error& add_context(const std::string& line) {
    if (!texts_[context_].empty()) texts_[context_] += '\n';
    texts_[context_] += line;
    return *this;
  }

  /// Takes over the fields of a report of the server.
  [[gnu::cold, gnu::noinline]] explicit error(const ErrorData& data)
      : code_(bgworker::sqlstate::of(data.sqlerrcode)),
        position_(data.internalpos),
        file_(data.filename),
        line_(data.lineno),
        function_(data.funcname) {
    const char* const given[texts] = {data.message,         data.detail,        data.hint,
                                      data.context,         data.internalquery, data.schema_name,
                                      data.table_name,      data.column_name,   data.datatype_name,
                                      data.constraint_name, data.detail_log};
    for (int i = 0; i < texts; ++i)
      if (given[i]) texts_[i] = given[i];
  }

 private:
  friend struct report_access;
  // An array, so that what copies and destroys an error is a loop: this is compiled into every worker.
  enum : int {
    message_,
    detail_,
    hint_,
    context_,
    statement_,
    schema_,
    table_,
    column_,
    datatype_,
    constraint_,
    detail_log_,
    texts
  };

  std::string texts_[texts];
  bgworker::sqlstate code_ = "XX000";
  int position_ = 0;
  const char* file_ = nullptr;  // literals of the server's code
  int line_ = 0;
  const char* function_ = nullptr;
};

}  // namespace BGWORKER_LOCAL
