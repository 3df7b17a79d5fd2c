// Parameters of a module (custom settings) as typed objects.
//
// A parameter is declared at namespace scope. Its constructor, run when the module is loaded, only puts it into
// a list; BGWORKER_MODULE's _PG_init defines all of them in order of declaration, then reserves the prefix. The
// server writes the value's storage; worker::wait() and sleep() take a reload over, so that a value never
// changes under a statement.
#pragma once

#include "format.hpp"
#include "guard.hpp"

namespace bgworker BGWORKER_LOCAL {

/// When a parameter may change.
enum class changes : int {
  never = PGC_INTERNAL,
  at_start = PGC_POSTMASTER,  ///< only with a restart of the server or host
  on_reload = PGC_SIGHUP,     ///< with a reload of the configuration
  by_superuser = PGC_SUSET,   ///< as on_reload, and by SET of a superuser
  by_user = PGC_USERSET       ///< as on_reload, and by SET of anybody
};

/// An amount of memory or disk space, for parameters with units (kB, MB, GB, TB).
struct kilobytes {
  int count = 0;
  friend constexpr auto operator<=>(const kilobytes&, const kilobytes&) = default;
};

/// One of the values of an enumeration parameter.
template <class E>
struct choice {
  const char* name;
  E value;
};

namespace detail {

template <class T>
inline constexpr bool is_duration = false;
template <class R, class P>
inline constexpr bool is_duration<std::chrono::duration<R, P>> = true;

template <class T>
constexpr int unit_flags() {
  if constexpr (is_duration<T>) {
    if constexpr (std::is_same_v<typename T::period, std::milli>)
      return GUC_UNIT_MS;
    else if constexpr (std::is_same_v<typename T::period, std::ratio<1>>)
      return GUC_UNIT_S;
    else {
      static_assert(std::is_same_v<typename T::period, std::ratio<60>>,
                    "parameters know milliseconds, seconds and minutes");
      return GUC_UNIT_MIN;
    }
  } else if constexpr (std::is_same_v<T, kilobytes>) {
    return GUC_UNIT_KB;
  } else {
    return 0;
  }
}

/// How the server stores a parameter of type T.
template <class T>
struct stored {
  static_assert(std::is_same_v<T, int> || is_duration<T> || std::is_same_v<T, kilobytes> || std::is_enum_v<T>,
                "a parameter is a bool, int, double, std::string_view, enumeration, kilobytes, or std::chrono "
                "milliseconds, seconds or minutes");
  using type = int;
};
template <>
struct stored<bool> {
  using type = bool;
};
template <>
struct stored<double> {
  using type = double;
};
template <>
struct stored<std::string_view> {
  using type = char*;
};

template <class T>
T to_value(typename stored<T>::type raw) {
  if constexpr (std::is_same_v<T, std::string_view>)
    return raw ? std::string_view(raw) : std::string_view();
  else if constexpr (std::is_same_v<T, kilobytes>)
    return kilobytes{raw};
  else
    return static_cast<T>(raw);
}

template <class T>
constexpr int to_int(const T& value) {
  if constexpr (is_duration<T>)
    return static_cast<int>(value.count());
  else if constexpr (std::is_same_v<T, kilobytes>)
    return value.count;
  else
    return static_cast<int>(value);
}

template <class T>
constexpr T lowest() {
  if constexpr (is_duration<T>)
    return T(0);
  else if constexpr (std::is_same_v<T, double>)
    return -1.7e308;
  else if constexpr (std::is_same_v<T, int>)
    return INT_MIN;
  else
    return T{};
}
template <class T>
constexpr T highest() {
  if constexpr (is_duration<T>)
    return T(INT_MAX);
  else if constexpr (std::is_same_v<T, kilobytes>)
    return kilobytes{MAX_KILOBYTES};
  else if constexpr (std::is_same_v<T, double>)
    return 1.7e308;
  else if constexpr (std::is_same_v<T, int>)
    return INT_MAX;
  else
    return T{};
}

}  // namespace detail

/// What a parameter is declared with. min and max are inclusive and have the parameter's own type and unit.
template <class T>
struct parameter_spec {
  const char* name;         ///< "module.name"
  const char* description;  ///< one sentence, shown by pg_settings
  T standard{};             ///< the value without any setting
  T min = detail::lowest<T>();
  T max = detail::highest<T>();
  changes when = changes::on_reload;
  const char* details = nullptr;  ///< more sentences
  /// Returns why a value is refused, or nullptr. Must not throw for longer texts: return a literal.
  const char* (*refuse)(const T& value) = nullptr;
  int flags = 0;                         ///< further GUC_ flags
  std::span<const choice<T>> choices{};  ///< of an enumeration: its values
};

class parameter_base {
 public:
  parameter_base(const parameter_base&) = delete;
  parameter_base& operator=(const parameter_base&) = delete;
  const char* name() const { return name_; }

 protected:
  explicit parameter_base(const char* name) : name_(name) {
    *last_ = this;
    last_ = &next_;
  }
  ~parameter_base() = default;

 private:
  friend class module;
  virtual void define() = 0;
  const char* name_;
  parameter_base* next_ = nullptr;
  static inline parameter_base* first_ = nullptr;
  static inline parameter_base** last_ = &first_;
};

/// The value of a parameter, for code that does not care which one it is.
template <class T>
class parameter_value : public parameter_base {
 public:
  T get() const { return detail::to_value<T>(raw_); }
  operator T() const { return get(); }  // NOLINT: a parameter reads as its value
  T operator*() const { return get(); }

 protected:
  explicit parameter_value(const char* name) : parameter_base(name) {}
  typename detail::stored<T>::type raw_{};
};

/// Declares a parameter at namespace scope:
///
///     static bgworker::parameter<std::chrono::seconds> interval{{
///         .name = "my.interval", .description = "Time between rounds.", .standard = 10s, .min = 1s, .max =
///         24h}};
///
/// Each declaration has a type of its own (Tag), which is what lets the server's check hook find its way back.
template <class T, class Tag = decltype([] {})>
class parameter final : public parameter_value<T> {
 public:
  explicit parameter(const parameter_spec<T>& spec) : parameter_value<T>(spec.name), spec_(spec) {
    self_ = this;
    if constexpr (std::is_same_v<T, std::string_view>) boot_ = std::string(spec.standard);
  }

 private:
  using raw_type = typename detail::stored<T>::type;

  static bool check(raw_type* value, void**, GucSource) {
    const char* why = nullptr;
    bool failed = false;
    auto ask = [&] {
      detail::pending p;
      auto body = [&] { why = self_->spec_.refuse(detail::to_value<T>(*value)); };
      detail::catching(&p, body);
      failed = p.raised;
      if (failed)
        why = p.message ? p.message : "the check of the value failed";  // read at once, and then left alone
    };
    ask();
    if (why == nullptr && !failed) return true;
    GUC_check_errdetail("%s", why);
    return false;
  }

  void define() override {
    const parameter_spec<T>& s = spec_;
    // A process that loads the module later cannot have what only a start can set; the value is then as of that
    // load.
    const auto when = s.when == changes::at_start && !process_shared_preload_libraries_in_progress
                          ? PGC_SIGHUP
                          : static_cast<GucContext>(s.when);
    const int flags = s.flags | detail::unit_flags<T>();
    auto hook = s.refuse ? check : nullptr;
    raw_type* raw = &this->raw_;
    if constexpr (std::is_same_v<T, bool>) {
      guarded([&] {
        DefineCustomBoolVariable(s.name, s.description, s.details, raw, s.standard, when, flags, hook, nullptr,
                                 nullptr);
      });
    } else if constexpr (std::is_same_v<T, double>) {
      guarded([&] {
        DefineCustomRealVariable(s.name, s.description, s.details, raw, s.standard, s.min, s.max, when, flags,
                                 hook, nullptr, nullptr);
      });
    } else if constexpr (std::is_same_v<T, std::string_view>) {
      guarded([&] {
        DefineCustomStringVariable(s.name, s.description, s.details, raw, boot_.c_str(), when, flags, hook,
                                   nullptr, nullptr);
      });
    } else if constexpr (std::is_enum_v<T>) {
      for (const choice<T>& c : s.choices) options_.push_back({c.name, static_cast<int>(c.value), false});
      if (options_.empty()) detail::fail("22023", "parameter \"{}\" is an enumeration without choices", s.name);
      options_.push_back({nullptr, 0, false});
      guarded([&] {
        DefineCustomEnumVariable(s.name, s.description, s.details, raw, static_cast<int>(s.standard),
                                 options_.data(), when, flags, hook, nullptr, nullptr);
      });
    } else {
      const int standard = detail::to_int(s.standard), low = detail::to_int(s.min),
                high = detail::to_int(s.max);
      if (standard < low || standard > high || low > high)
        detail::fail("22023", "parameter \"{}\": {} is not from {} to {}", s.name, standard, low, high);
      guarded([&] {
        DefineCustomIntVariable(s.name, s.description, s.details, raw, standard, low, high, when, flags, hook,
                                nullptr, nullptr);
      });
    }
  }

  parameter_spec<T> spec_;
  std::string boot_;
  std::vector<config_enum_entry> options_;
  static inline parameter* self_ = nullptr;
};

}  // namespace BGWORKER_LOCAL
