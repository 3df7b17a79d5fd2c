// Between C++ types and SQL types: what each C++ type is as a parameter, and which columns it can be read from.
//
//   C++                                         SQL, as a parameter     read from
//   bool                                        boolean                 boolean
//   std::int16_t, std::int32_t, std::int64_t    int2, int4, int8        an integer type no wider than itself;
//   int64_t: oid too float, double                               float4, float8          float4, float8 (float:
//   float4 only) bgworker::oid                               oid                     oid std::string_view,
//   std::string, const char*  text                    any type, as the server prints it
//   std::chrono::system_clock::time_point       timestamptz             timestamptz (microseconds)
//   std::chrono::microseconds and coarser       interval                interval without months
//   std::span<const std::byte>, vector<byte>    bytea                   bytea (vector)
//   std::vector<T>, std::span<const T>          T[]                     T[] of one dimension (vector); T may be
//   optional std::optional<T>                            T or NULL               T or NULL
//
// Parameters are built in memory of C++, so that no call that could raise is needed. A std::string_view that
// was read is valid as long as the result it came from.
#pragma once

#include "format.hpp"
#include "guard.hpp"

namespace bgworker BGWORKER_LOCAL {

/// An object identifier; a type of its own, because as a number it would read as an integer.
struct oid {
  Oid value = InvalidOid;
  friend constexpr bool operator==(oid, oid) = default;
};

namespace detail {

/// Holds the parameters that are not plain Datums.
class buffers {
 public:
  buffers() = default;
  buffers(const buffers&) = delete;
  buffers& operator=(const buffers&) = delete;
  ~buffers() {
    for (char* one : held_) ::operator delete(one);
  }
  char* take(std::size_t size) {
    held_.emplace_back(nullptr);  // first a place, so that the memory has an owner from the beginning
    return held_.back() = static_cast<char*>(::operator new(size));
  }
  Datum varlena(const void* bytes, std::size_t size) {
    if (size > MaxAllocSize - VARHDRSZ) fail("54000", "a parameter of {} bytes is too long", size);
    char* made = take(size + VARHDRSZ);
    SET_VARSIZE(made, size + VARHDRSZ);
    if (size) std::memcpy(made + VARHDRSZ, bytes, size);
    return PointerGetDatum(made);
  }

 private:
  std::vector<char*> held_;
};

/// A column of one row, with all that reading it may need.
struct field {
  Datum value;
  Oid type;
  HeapTuple row;
  TupleDesc description;
  int number;  // from 1
  MemoryContext memory;
};

/// Calls f, which may raise, with the result's own memory current.
template <class F>
auto in_memory_of(const field& f, F call) {
  MemoryContext memory = f.memory;
  return guarded([&] {
    MemoryContext outer = MemoryContextSwitchTo(memory);
    auto value = call();
    MemoryContextSwitchTo(outer);
    return value;
  });
}

inline const varlena* flat(const field& f) {
  auto* stored = reinterpret_cast<varlena*>(DatumGetPointer(f.value));
  if (!VARATT_IS_EXTERNAL(stored) && !VARATT_IS_COMPRESSED(stored)) return stored;
  return in_memory_of(f, [&] { return detoast_attr(stored); });
}

inline std::string_view bytes_of(const varlena* v) {
  return {VARDATA_ANY(v), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(v))};
}

template <class T>
struct sql;  // oid, make(value, buffers), reads(Oid), read(field), name

template <>
struct sql<bool> {
  static constexpr Oid oid = BOOLOID, array = 1000;
  static constexpr const char* name = "boolean";
  static Datum make(bool v, buffers&) { return BoolGetDatum(v); }
  static bool reads(Oid t) { return t == BOOLOID; }
  static bool read(const field& f) { return DatumGetBool(f.value); }
};
template <>
struct sql<std::int16_t> {
  static constexpr Oid oid = INT2OID, array = 1005;
  static constexpr const char* name = "smallint";
  static Datum make(std::int16_t v, buffers&) { return Int16GetDatum(v); }
  static bool reads(Oid t) { return t == INT2OID; }
  static std::int16_t read(const field& f) { return DatumGetInt16(f.value); }
};
template <>
struct sql<std::int32_t> {
  static constexpr Oid oid = INT4OID, array = INT4ARRAYOID;
  static constexpr const char* name = "integer";
  static Datum make(std::int32_t v, buffers&) { return Int32GetDatum(v); }
  static bool reads(Oid t) { return t == INT4OID || t == INT2OID; }
  static std::int32_t read(const field& f) {
    return f.type == INT2OID ? DatumGetInt16(f.value) : DatumGetInt32(f.value);
  }
};
template <>
struct sql<std::int64_t> {
  static constexpr Oid oid = INT8OID, array = 1016;
  static constexpr const char* name = "bigint";
  static Datum make(std::int64_t v, buffers&) { return Int64GetDatum(v); }
  static bool reads(Oid t) { return t == INT8OID || t == INT4OID || t == INT2OID || t == OIDOID; }
  static std::int64_t read(const field& f) {
    if (f.type == INT8OID) return DatumGetInt64(f.value);
    if (f.type == INT4OID) return DatumGetInt32(f.value);
    return f.type == INT2OID ? DatumGetInt16(f.value) : static_cast<std::int64_t>(DatumGetObjectId(f.value));
  }
};
template <>
struct sql<long long> : sql<std::int64_t> {};
template <>
struct sql<float> {
  static constexpr Oid oid = FLOAT4OID, array = FLOAT4ARRAYOID;
  static constexpr const char* name = "real";
  static Datum make(float v, buffers&) { return Float4GetDatum(v); }
  static bool reads(Oid t) { return t == FLOAT4OID; }
  static float read(const field& f) { return DatumGetFloat4(f.value); }
};
template <>
struct sql<double> {
  static constexpr Oid oid = FLOAT8OID, array = FLOAT8ARRAYOID;
  static constexpr const char* name = "double precision";
  static Datum make(double v, buffers&) { return Float8GetDatum(v); }
  static bool reads(Oid t) { return t == FLOAT8OID || t == FLOAT4OID; }
  static double read(const field& f) {
    return f.type == FLOAT4OID ? DatumGetFloat4(f.value) : DatumGetFloat8(f.value);
  }
};
template <>
struct sql<bgworker::oid> {
  static constexpr Oid oid = OIDOID, array = OIDARRAYOID;
  static constexpr const char* name = "oid";
  static Datum make(bgworker::oid v, buffers&) { return ObjectIdGetDatum(v.value); }
  static bool reads(Oid t) { return t == OIDOID; }
  static bgworker::oid read(const field& f) { return {DatumGetObjectId(f.value)}; }
};

template <>
struct sql<std::string_view> {
  static constexpr Oid oid = TEXTOID, array = TEXTARRAYOID;
  static constexpr const char* name = "text";
  static Datum make(std::string_view v, buffers& b) { return b.varlena(v.data(), v.size()); }
  static bool is_text(Oid t) {
    return t == TEXTOID || t == VARCHAROID || t == BPCHAROID || t == JSONOID || t == XMLOID;
  }
  static bool reads(Oid) { return true; }
  static std::string_view read(const field& f) {
    if (is_text(f.type)) return bytes_of(flat(f));
    if (f.type == NAMEOID) return NameStr(*DatumGetName(f.value));
    if (f.row == nullptr)
      fail({"42804", "Cast the array to text[]."}, "an element of this type cannot be read as text");
    return in_memory_of(f,
                        [&] { return static_cast<const char*>(SPI_getvalue(f.row, f.description, f.number)); });
  }
};
template <>
struct sql<std::string> : sql<std::string_view> {
  static std::string read(const field& f) { return std::string(sql<std::string_view>::read(f)); }
};
template <>
struct sql<const char*> : sql<std::string_view> {
  static std::string_view read(const field&) = delete;
};

template <>
struct sql<std::chrono::system_clock::time_point> {
  using point = std::chrono::system_clock::time_point;
  static constexpr Oid oid = TIMESTAMPTZOID, array = TIMESTAMPTZARRAYOID;
  static constexpr const char* name = "timestamp with time zone";
  static constexpr std::int64_t epoch = 946684800000000;  // 2000-01-01 in microseconds of Unix time
  static Datum make(point v, buffers&) {
    return TimestampTzGetDatum(std::chrono::floor<std::chrono::microseconds>(v.time_since_epoch()).count() -
                               epoch);
  }
  static bool reads(Oid t) { return t == TIMESTAMPTZOID; }
  static point read(const field& f) {
    const TimestampTz t = DatumGetTimestampTz(f.value);
    if (t == DT_NOBEGIN) return point::min();
    if (t == DT_NOEND) return point::max();
    if (t > std::int64_t(8277292036854775) || t < std::int64_t(-10170056817600000))
      fail("22008", "a timestamp is out of the range of std::chrono::system_clock");
    return point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::microseconds(t + epoch)));
  }
};

template <class Rep, class Period>
struct sql<std::chrono::duration<Rep, Period>> {
  using span = std::chrono::duration<Rep, Period>;
  static constexpr Oid oid = INTERVALOID, array = 1187;
  static constexpr const char* name = "interval";
  static Datum make(span v, buffers& b) {
    Interval made;
    std::memset(&made, 0, sizeof made);
    made.time = std::chrono::duration_cast<std::chrono::microseconds>(v).count();
    char* place = b.take(sizeof made);
    std::memcpy(place, &made, sizeof made);
    return PointerGetDatum(place);
  }
  static bool reads(Oid t) { return t == INTERVALOID; }
  static span read(const field& f) {
    static_assert(std::ratio_less_equal_v<Period, std::micro> || std::chrono::treat_as_floating_point_v<Rep>,
                  "an interval has microseconds: read it as std::chrono::microseconds");
    Interval v;
    std::memcpy(&v, DatumGetPointer(f.value), sizeof v);
    if (v.month != 0)
      fail({"22015", "Use extract(epoch FROM ...) in the statement."},
           "an interval with months has no fixed length");
    return std::chrono::duration_cast<span>(std::chrono::microseconds(v.time) + std::chrono::days(v.day));
  }
};

template <>
struct sql<std::span<const std::byte>> {
  static constexpr Oid oid = BYTEAOID;
  static constexpr const char* name = "bytea";
  static Datum make(std::span<const std::byte> v, buffers& b) { return b.varlena(v.data(), v.size()); }
};
template <>
struct sql<std::vector<std::byte>> : sql<std::span<const std::byte>> {
  static bool reads(Oid t) { return t == BYTEAOID; }
  static std::vector<std::byte> read(const field& f) {
    const std::string_view bytes = bytes_of(flat(f));
    auto* first = reinterpret_cast<const std::byte*>(bytes.data());
    return {first, first + bytes.size()};
  }
};

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <class T>
struct element {
  using type = T;
  static bool null(const T&) { return false; }
  static const T& value(const T& v) { return v; }
};
template <class T>
struct element<std::optional<T>> {
  using type = T;
  static bool null(const std::optional<T>& v) { return !v.has_value(); }
  static const T& value(const std::optional<T>& v) { return *v; }
};

/// How the elements of an array are stored: length (-1: with a length word), alignment, in the Datum or not.
struct layout {
  std::int16_t length;
  std::size_t alignment;
  bool by_value;
};
inline std::optional<layout> layout_of(Oid type) {
  switch (type) {
    case BOOLOID:
      return layout{1, 1, true};
    case INT2OID:
      return layout{2, 2, true};
    case INT4OID:
    case FLOAT4OID:
    case OIDOID:
      return layout{4, 4, true};
    case INT8OID:
    case FLOAT8OID:
    case TIMESTAMPTZOID:
      return layout{8, 8, true};
    case INTERVALOID:
      return layout{16, 8, false};
    case NAMEOID:
      return layout{NAMEDATALEN, 1, false};
    case TEXTOID:
    case VARCHAROID:
    case BPCHAROID:
    case BYTEAOID:
      return layout{-1, 4, false};
    default:
      return std::nullopt;
  }
}
inline std::size_t aligned(std::size_t at, std::size_t alignment) {
  return (at + alignment - 1) & ~(alignment - 1);
}

template <class T>
struct sql<std::span<const T>> {
  using plain = typename element<T>::type;
  static constexpr Oid oid = sql<plain>::array, array = InvalidOid;
  static constexpr const char* name = "an array";

  static Datum make(std::span<const T> values, buffers& b) {
    const layout how = *layout_of(sql<plain>::oid);
    buffers scratch;
    std::vector<Datum> datums(values.size());
    bool has_nulls = false;
    std::size_t size = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (element<T>::null(values[i])) {
        has_nulls = true;
        continue;
      }
      datums[i] = sql<plain>::make(element<T>::value(values[i]), scratch);
      size = aligned(size, how.alignment) + length(datums[i], how);
    }
    const std::size_t head = values.empty() ? sizeof(ArrayType)
                             : has_nulls    ? static_cast<std::size_t>(ARR_OVERHEAD_WITHNULLS(1, values.size()))
                                            : static_cast<std::size_t>(ARR_OVERHEAD_NONULLS(1));
    const std::size_t total = head + size;
    if (total > MaxAllocSize || values.size() > MaxArraySize)
      fail("54000", "an array of {} elements is too long", values.size());
    char* made = b.take(total);
    std::memset(made, 0, total);
    auto* array_head = reinterpret_cast<ArrayType*>(made);
    SET_VARSIZE(array_head, total);
    array_head->ndim = values.empty() ? 0 : 1;
    array_head->dataoffset = has_nulls ? static_cast<int32>(head) : 0;
    array_head->elemtype = sql<plain>::oid;
    if (values.empty()) return PointerGetDatum(made);
    ARR_DIMS(array_head)[0] = static_cast<int>(values.size());
    ARR_LBOUND(array_head)[0] = 1;
    std::size_t at = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (element<T>::null(values[i])) continue;
      if (has_nulls) ARR_NULLBITMAP(array_head)[i / 8] |= static_cast<bits8>(1 << (i % 8));
      at = aligned(at, how.alignment);
      char* place = made + head + at;
      const std::size_t n = length(datums[i], how);
      if (how.by_value)
        std::memcpy(place, &datums[i], n);  // little-endian: the value's bytes come first
      else
        std::memcpy(place, DatumGetPointer(datums[i]), n);
      at += n;
    }
    return PointerGetDatum(made);
  }

 private:
  static std::size_t length(Datum d, const layout& how) {
    return how.length > 0 ? static_cast<std::size_t>(how.length)
                          : static_cast<std::size_t>(VARSIZE_ANY(DatumGetPointer(d)));
  }
};
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "array parameters are packed for little-endian machines");

template <class T>
struct sql<std::vector<T>> : sql<std::span<const T>> {
  using plain = typename element<T>::type;
  static_assert(!std::is_same_v<plain, std::string_view>, "read elements as std::string");
  static bool reads(Oid) { return true; }  // looked at when it is read: there are too many array types
  static std::vector<T> read(const field& f) {
    const varlena* v = flat(f);
    if (VARATT_IS_SHORT(v)) v = in_memory_of(f, [&] { return detoast_attr(const_cast<varlena*>(v)); });
    const auto* array = reinterpret_cast<const ArrayType*>(v);
    const auto how = layout_of(array->elemtype);
    if (VARSIZE(v) < sizeof(ArrayType) || !how || !sql<plain>::reads(array->elemtype))
      fail("42804", "column {} is not an array of {}", f.number, sql<plain>::name);
    std::vector<T> values;
    if (array->ndim == 0) return values;
    if (array->ndim != 1)
      fail("42804", "column {} has an array of {} dimensions, one is expected", f.number, array->ndim);
    const int count = ARR_DIMS(array)[0];
    values.reserve(static_cast<std::size_t>(count));
    const bits8* nulls = ARR_NULLBITMAP(array);
    const char* data = ARR_DATA_PTR(array);
    std::size_t at = 0;
    for (int i = 0; i < count; ++i) {
      if (nulls && !(nulls[i / 8] & (1 << (i % 8)))) {
        if constexpr (is_optional<T>)
          values.push_back(std::nullopt);
        else
          fail("22004", "column {} has an array with NULL in it, read it with std::optional", f.number);
        continue;
      }
      // A short length word is not aligned; a padding byte is zero, and no length word is.
      if (how->length > 0 || data[at] == 0) at = aligned(at, how->alignment);
      field e = f;
      e.type = array->elemtype;
      e.row = nullptr;
      e.value = 0;
      std::size_t n = static_cast<std::size_t>(how->length);
      if (how->by_value) {
        e.value = fetch(data + at, how->length);
      } else {
        e.value = PointerGetDatum(data + at);
        if (how->length < 0) n = VARSIZE_ANY(data + at);
      }
      values.push_back(T(sql<plain>::read(e)));
      at += n;
    }
    return values;
  }

 private:
  static Datum fetch(const char* place, int length) {
    if (length == 1) return CharGetDatum(*place);
    if (length == 2) {
      std::int16_t v;
      std::memcpy(&v, place, 2);
      return Int16GetDatum(v);
    }
    if (length == 4) {
      std::int32_t v;
      std::memcpy(&v, place, 4);
      return Int32GetDatum(v);
    }
    std::int64_t v;
    std::memcpy(&v, place, 8);
    return Int64GetDatum(v);
  }
};
// vector<byte> is bytea, not an array: the full specialisation above is chosen.

/// Reads a column that may be NULL.
template <class T>
T read_field(const field& f, bool null) {
  if constexpr (is_optional<T>) {
    if (null) return std::nullopt;
    return T(sql<typename T::value_type>::read(f));
  } else {
    if (null)
      fail({"22004", "Read it as std::optional, or use coalesce()."}, "column {} (\"{}\") is NULL", f.number,
           NameStr(TupleDescAttr(f.description, f.number - 1)->attname));
    return sql<T>::read(f);
  }
}
template <class T>
bool type_reads(Oid type) {
  if constexpr (is_optional<T>)
    return sql<typename T::value_type>::reads(type);
  else
    return sql<T>::reads(type);
}
template <class T>
const char* type_name() {
  if constexpr (is_optional<T>)
    return sql<typename T::value_type>::name;
  else
    return sql<T>::name;
}

/// The type that an argument is passed as.
template <class T>
using argument_type =
    std::conditional_t<std::is_convertible_v<const T&, const char*> || std::is_same_v<T, std::string>,
                       std::string_view, T>;

template <class T>
constexpr Oid argument_oid() {
  if constexpr (is_optional<T>)
    return sql<argument_type<typename T::value_type>>::oid;
  else
    return sql<argument_type<T>>::oid;
}

/// Arguments as SPI takes them.
template <std::size_t N>
struct arguments {
  Oid types[N == 0 ? 1 : N];
  Datum values[N == 0 ? 1 : N];
  char nulls[N + 1];
  buffers held;

  template <class T>
  void set(std::size_t i, const T& v) {
    types[i] = argument_oid<T>();
    nulls[i] = ' ';
    values[i] = 0;
    if constexpr (is_optional<T>) {
      if (v)
        values[i] = sql<argument_type<typename T::value_type>>::make(*v, held);
      else
        nulls[i] = 'n';
    } else {
      values[i] = sql<argument_type<T>>::make(v, held);
    }
  }
  template <class... A>
  explicit arguments(const A&... a) {
    std::size_t i = 0;
    (set(i++, a), ...);
    nulls[N] = '\0';
  }
};

}  // namespace detail
}  // namespace BGWORKER_LOCAL
