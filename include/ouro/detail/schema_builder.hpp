// ouro/detail/schema_builder.hpp -- an event's schema (ouro/abi/schema.hpp) as a constant, built by the compiler.
#pragma once
#include <cstddef>
#include <cstdint>

#include <ouro/abi/schema.hpp>
#include <ouro/detail/codec.hpp>

namespace ouro::detail {

template <std::size_t N>
struct Schema {
  char bytes[N];
};

constexpr std::size_t length_of(const char* s) {
  std::size_t n = 0;
  while (s[n] != '\0') ++n;
  return n;
}

constexpr bool is_word(const char* s, std::size_t n) {
  if (n == 0) return false;
  for (std::size_t i = 0; i < n; ++i) {
    const char c = s[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!letter && (i == 0 || c < '0' || c > '9')) return false;
  }
  return true;
}

// "provider:event", both of them words; the event's may have dots and further colons' worth of structure in it.
constexpr bool is_event_name(const char* s) {
  std::size_t colon = 0;
  while (s[colon] != '\0' && s[colon] != ':') ++colon;
  if (s[colon] == '\0' || !is_word(s, colon)) return false;
  const char* event = s + colon + 1;
  return is_word(event, length_of(event));
}

template <class... Names>
constexpr bool are_field_names(const Names&... names) {
  return (true && ... && is_word(names, length_of(names)));
}

template <class... Names>
constexpr bool are_distinct(const Names&... names) {
  const char* list[] = {names..., ""};
  for (std::size_t i = 0; i + 1 < sizeof...(names); ++i)
    for (std::size_t j = i + 1; j < sizeof...(names); ++j) {
      std::size_t k = 0;
      while (list[i][k] != '\0' && list[i][k] == list[j][k]) ++k;
      if (list[i][k] == list[j][k]) return false;
    }
  return true;
}

template <class T>
constexpr std::size_t labels_size() {
  using E = typename Prepared<T>::Labelled;
  std::size_t size = 0;
  if constexpr (!std::is_void_v<E>)
    if constexpr (HasLabels<E>)
      for (const auto& label : EnumLabels<E>::labels) size += 8 + length_of(label.text) + 1;
  return size;
}

// Appends to a constant's bytes.
template <std::size_t N>
struct SchemaWriter {
  Schema<N> schema{};
  std::size_t used = 0;
  constexpr void number(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) schema.bytes[used++] = static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
  }
  constexpr void text(const char* s, const char* suffix = "") {
    for (; *s != '\0'; ++s) schema.bytes[used++] = *s;
    for (; *suffix != '\0'; ++suffix) schema.bytes[used++] = *suffix;
    schema.bytes[used++] = '\0';
  }
  template <class T>
  constexpr void field(const char* name) {
    using P = Prepared<T>;
    using E = typename P::Labelled;
    number(static_cast<std::uint8_t>(P::kType), 1);
    number(static_cast<std::uint8_t>(P::kShape), 1);
    number(P::kHex ? 1 : 0, 1);
    number(0, 1);
    number(P::kCount, 4);
    if constexpr (!std::is_void_v<E>) {
      if constexpr (HasLabels<E>) {
        constexpr auto& labels = EnumLabels<E>::labels;
        number(sizeof labels / sizeof labels[0], 2);
        text(name);
        for (const auto& label : labels) {
          number(static_cast<std::uint64_t>(static_cast<std::int64_t>(label.value)), 8);
          text(label.text);
        }
        return;
      }
    }
    number(0, 2);
    text(name);
  }
};

template <class... T>
struct Types {};
// The types of the values in a list of names and values; never evaluated.
template <class... Done>
Types<Done...> types_of(Types<Done...>);
template <class... Done, std::size_t N, class V, class... Rest>
auto types_of(Types<Done...>, const char (&)[N], const V&, const Rest&... rest)
    -> decltype(types_of(Types<Done..., V>{}, rest...));

template <class List>
struct SchemaOf;
template <class... T>
struct SchemaOf<Types<T...>> {
  static_assert(sizeof...(T) <= abi::kMaxFields, "ouro: an event has at most 32 fields");
  template <std::size_t NameSize, std::size_t FileSize, std::size_t... FieldSizes>
  static constexpr auto make(abi::EventKind kind, Level level, std::uint32_t line, const char (&name)[NameSize],
                             const char (&file)[FileSize], const char (&... fields)[FieldSizes]) {
    constexpr std::size_t kSuffix = 6;  // "_begin" and "_end"
    constexpr std::size_t kSize = sizeof(abi::SchemaHeader) + NameSize + kSuffix + FileSize +
                                  (0 + ... + (sizeof(abi::FieldHeader) + FieldSizes)) + (0 + ... + labels_size<T>());
    static_assert(kSize <= abi::kMaxSchemaSize, "ouro: this event's names and labels are longer than 16 KiB");
    const char* suffix = kind == abi::EventKind::span_begin ? "_begin" : kind == abi::EventKind::span_end ? "_end" : "";
    SchemaWriter<kSize> w;
    w.number(kSize - kSuffix + length_of(suffix), 4);
    w.number(abi::kSchemaVersion, 1);
    w.number(static_cast<std::uint8_t>(kind), 1);
    w.number(static_cast<std::uint8_t>(level), 1);
    w.number(sizeof...(T), 1);
    w.number(line, 4);
    w.text(name, suffix);
    w.text(file);
    (w.template field<T>(fields), ...);
    return w.schema;
  }
};

}  // namespace ouro::detail
