// ouro/detail/schema_builder.hpp -- an event's schema (ouro/abi/schema.hpp) as a constant, built by the compiler.
#pragma once
#include <cstddef>
#include <cstdint>

#include <ouro/abi/schema.hpp>
#include <ouro/detail/codec.hpp>
#include <ouro/detail/statement.hpp>

namespace ouro::detail {

template <std::size_t N>
struct Schema {
  char bytes[N];
};

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
// The types of the values in a list of names and values; never evaluated. A lone name at the end is a mistake that has
// been reported by then: it is passed over, so that the report stays the only one.
template <class... Done>
Types<Done...> types_of(Types<Done...>);
template <class... Done, class Name>
Types<Done...> types_of(Types<Done...>, const Name&);
template <class... Done, class Name, class V, class... Rest>
auto types_of(Types<Done...>, const Name&, const V&, const Rest&... rest)
    -> decltype(types_of(Types<Done..., V>{}, rest...));

template <class List>
struct SchemaOf;
template <class... T>
struct SchemaOf<Types<T...>> {
  template <class Statement>
  static constexpr std::size_t names_size(const Statement& statement) {
    std::size_t size = length_of(statement.name()) + 1;
    for (std::size_t i = 0; i < sizeof...(T); ++i) size += length_of(statement.field(i)) + 1;
    return size;
  }
  template <const auto& kStatement, std::size_t kFile>
  static constexpr auto make(abi::EventKind kind, Level level, std::uint32_t line, const char (&file)[kFile]) {
    constexpr std::size_t kSuffix = 6;  // "_begin" and "_end"
    constexpr std::size_t kSize = sizeof(abi::SchemaHeader) + names_size(kStatement) + kSuffix + kFile + sizeof...(T) * sizeof(abi::FieldHeader) +
                                  (std::size_t{0} + ... + labels_size<T>());
    static_assert(kSize <= abi::kMaxSchemaSize, "ouro: this event's names and labels are longer than 16 KiB");
    const char* suffix = kind == abi::EventKind::span_begin ? "_begin" : kind == abi::EventKind::span_end ? "_end" : "";
    SchemaWriter<kSize> w;
    w.number(kSize - kSuffix + length_of(suffix), 4);
    w.number(abi::kSchemaVersion, 1);
    w.number(static_cast<std::uint8_t>(kind), 1);
    w.number(static_cast<std::uint8_t>(level), 1);
    w.number(sizeof...(T), 1);
    w.number(line, 4);
    w.text(kStatement.name(), suffix);
    w.text(file);
    std::size_t i = 0;
    (w.template field<T>(kStatement.field(i++)), ...);
    return w.schema;
  }
};

}  // namespace ouro::detail
