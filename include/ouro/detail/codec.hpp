// ouro/detail/codec.hpp -- which C++ types can be fields, how they are described and how they become bytes.
//
// A value is prepared once (lengths taken, own types converted), then its size is asked, then it is put. Between the
// two, another thread may change what a pointer points to; so lengths are never taken twice, and a NUL that appears
// inside a string's bytes is replaced.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <utility>

#include <ouro/abi/schema.hpp>

namespace ouro {

using Level = abi::Level;

// Labels of an enumeration, for those who look at the trace:
//   template <> struct ouro::EnumLabels<Color> { static constexpr ouro::Label<Color> labels[] = {{Color::red, "red"}}; };
template <class E>
struct Label {
  E value;
  const char* text;
};
template <class E>
struct EnumLabels;

// Makes an own type a field: `value` returns something that already can be one.
//   template <> struct ouro::Field<Money> { static std::int64_t value(const Money& m) { return m.cents; } };
template <class T>
struct Field;

namespace detail {

using abi::FieldShape;
using abi::FieldType;

template <class T>
concept HasField = requires(const T& v) { Field<T>::value(v); };
template <class E>
concept HasLabels = requires { EnumLabels<E>::labels[0].text; };
template <class T>
concept Text = std::is_convertible_v<const T&, std::string_view> && !std::is_pointer_v<T> && !std::is_array_v<T> &&
               !std::is_null_pointer_v<T>;
template <class T>
concept Contiguous = requires(const T& v) {
  { v.data() } -> std::convertible_to<const void*>;
  { v.size() } -> std::convertible_to<std::size_t>;
} && !Text<T>;
template <class T>
concept CharPointer = std::is_pointer_v<T> && std::is_same_v<std::remove_cv_t<std::remove_pointer_t<T>>, char>;
template <class T>
concept Scalar = (std::is_integral_v<T> && sizeof(T) <= 8) || std::is_same_v<T, float> || std::is_same_v<T, double> ||
                 (std::is_enum_v<T> && sizeof(T) <= 8) || (std::is_pointer_v<T> && !CharPointer<T>) || std::is_null_pointer_v<T>;

template <Scalar T>
constexpr FieldType scalar_type() {
  if constexpr (std::is_same_v<T, bool>) return FieldType::boolean;
  else if constexpr (std::is_pointer_v<T> || std::is_null_pointer_v<T>) return FieldType::pointer;
  else if constexpr (std::is_same_v<T, float>) return FieldType::f32;
  else if constexpr (std::is_same_v<T, double>) return FieldType::f64;
  else if constexpr (std::is_enum_v<T>) return scalar_type<std::underlying_type_t<T>>();
  else {
    constexpr bool is_signed = std::is_signed_v<T>;
    constexpr int log = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
    return static_cast<FieldType>((is_signed ? 4 : 0) + log);
  }
}

// The bits of a scalar, for packing into words.
template <Scalar T>
[[gnu::always_inline]] inline std::uint64_t bits_of(T value) noexcept {
  if constexpr (std::is_null_pointer_v<T>) return 0;
  else if constexpr (std::is_pointer_v<T>) return reinterpret_cast<std::uintptr_t>(value);
  else if constexpr (std::is_same_v<T, float>) return __builtin_bit_cast(std::uint32_t, value);
  else if constexpr (std::is_same_v<T, double>) return __builtin_bit_cast(std::uint64_t, value);
  else if constexpr (std::is_same_v<T, bool>) return value ? 1 : 0;
  else if constexpr (std::is_enum_v<T>) return bits_of(static_cast<std::underlying_type_t<T>>(value));
  else if constexpr (sizeof(T) == 8) return static_cast<std::uint64_t>(value);
  else return static_cast<std::uint64_t>(static_cast<std::make_unsigned_t<T>>(value));
}

template <class E>
struct LabelsOf {
  using type = void;
};
template <class E>
  requires std::is_enum_v<E>
struct LabelsOf<E> {
  using type = E;
};

// ---- prepared values: kSize is the size in bytes, or 0 where it is known at run time only.

template <Scalar T>
struct ScalarValue {
  static constexpr FieldType kType = std::is_same_v<T, std::byte> ? FieldType::u8 : scalar_type<T>();
  static constexpr FieldShape kShape = FieldShape::scalar;
  static constexpr bool kHex = std::is_pointer_v<T> || std::is_null_pointer_v<T> || std::is_same_v<T, std::byte>;
  static constexpr std::uint32_t kCount = 0;
  static constexpr std::size_t kSize = sizeof(T);
  using Labelled = typename LabelsOf<T>::type;
  T value;
  std::uint64_t bits() const noexcept { return bits_of(value); }
  std::size_t size() const noexcept { return kSize; }
  std::byte* put(std::byte* to) const noexcept {
    const std::uint64_t b = bits();
    std::memcpy(to, &b, kSize);
    return to + kSize;
  }
};

struct StringValue {
  static constexpr FieldType kType = FieldType::string;
  static constexpr FieldShape kShape = FieldShape::scalar;
  static constexpr bool kHex = false;
  static constexpr std::uint32_t kCount = 0;
  static constexpr std::size_t kSize = 0;
  using Labelled = void;
  const char* text;
  std::size_t length;
  std::size_t size() const noexcept { return length + 1; }
  std::byte* put(std::byte* to) const noexcept {
    std::memcpy(to, text, length);
    for (void* nul; (nul = std::memchr(to, 0, length)) != nullptr;) *static_cast<char*>(nul) = '?';
    to[length] = std::byte{0};
    return to + length + 1;
  }
};

template <class T>
struct SequenceValue {
  static constexpr FieldType kType = ScalarValue<T>::kType;
  static constexpr FieldShape kShape = FieldShape::sequence;
  static constexpr bool kHex = ScalarValue<T>::kHex;
  static constexpr std::uint32_t kCount = 0;
  static constexpr std::size_t kSize = 0;
  using Labelled = typename LabelsOf<T>::type;
  const T* data;
  std::uint32_t count;
  std::size_t size() const noexcept { return 4 + std::size_t{count} * sizeof(T); }
  std::byte* put(std::byte* to) const noexcept {
    std::memcpy(to, &count, 4);
    if (count != 0) std::memcpy(to + 4, data, std::size_t{count} * sizeof(T));
    return to + size();
  }
};

template <class T, std::size_t N>
struct ArrayValue {
  static constexpr FieldType kType = ScalarValue<T>::kType;
  static constexpr FieldShape kShape = FieldShape::array;
  static constexpr bool kHex = ScalarValue<T>::kHex;
  static constexpr std::uint32_t kCount = N;
  static constexpr std::size_t kSize = 0;  // not packed into words
  using Labelled = typename LabelsOf<T>::type;
  const T* data;
  std::size_t size() const noexcept { return N * sizeof(T); }
  std::byte* put(std::byte* to) const noexcept {
    std::memcpy(to, data, N * sizeof(T));
    return to + N * sizeof(T);
  }
};

// std::array, told by its shape so that <array> need not be included here.
template <class T>
inline constexpr std::size_t kArraySize = 0;
template <template <class, std::size_t> class A, class T, std::size_t N>
  requires(sizeof(A<T, N>) == N * sizeof(T))  // a std::span of fixed extent is a pointer
inline constexpr std::size_t kArraySize<A<T, N>> = N;

template <class T>
concept Supported = HasField<T> || Scalar<T> || CharPointer<T> || Text<T> || Contiguous<T> || std::is_array_v<T>;

template <class T>
[[gnu::always_inline]] inline auto prepare(const T& value) noexcept {
  static_assert(Supported<T>, "ouro: a value of this type cannot be a field of an event: convert it, or specialise ouro::Field<T>");
  if constexpr (!Supported<T>) {
    return ScalarValue<int>{0};
  } else if constexpr (HasField<T>) {
    return prepare(Field<T>::value(value));
  } else if constexpr (Scalar<T>) {
    return ScalarValue<T>{value};
  } else if constexpr (CharPointer<T>) {
    const char* text = value != nullptr ? value : "(null)";
    return StringValue{text, std::strlen(text)};
  } else if constexpr (Text<T>) {
    const std::string_view text = value;
    return StringValue{text.data(), text.size()};
  } else if constexpr (std::is_array_v<T>) {
    using E = std::remove_cv_t<std::remove_extent_t<T>>;
    static_assert(std::is_same_v<E, char> || Scalar<E>, "ouro: an array field wants elements that are numbers, enumerations or pointers");
    if constexpr (std::is_same_v<E, char>) return StringValue{value, strnlen(value, std::extent_v<T>)};
    else if constexpr (Scalar<E>) return ArrayValue<E, std::extent_v<T>>{value};
    else return ScalarValue<int>{0};
  } else {
    using E = std::remove_cv_t<std::remove_pointer_t<decltype(value.data())>>;
    static_assert(Scalar<E>, "ouro: a sequence field wants elements that are numbers, enumerations or pointers");
    if constexpr (!Scalar<E>) return ScalarValue<int>{0};
    else if constexpr (kArraySize<T> != 0) return ArrayValue<E, kArraySize<T>>{value.data()};
    else return SequenceValue<E>{value.data(), static_cast<std::uint32_t>(value.size())};
  }
}

template <class T>
using Prepared = decltype(prepare(std::declval<const T&>()));

}  // namespace detail
}  // namespace ouro
