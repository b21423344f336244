// ouro/trace.hpp -- states what a program does, for whoever wants to know.
//
//   OURO_EVENT("shop:order", "id", order.id, "total", order.total, "user", order.user);   // a point in time
//   OURO_SPAN("shop:checkout", "id", order.id);                                             // until the scope ends
//   OURO_COUNTER("shop:queue_depth", queue.size());
//   OURO_EVENT_LEVEL(ouro::Level::error, "shop:refused", "reason", reason);                 // others are `info`
//
// "provider:event", then up to 32 pairs of name and value; names are string literals. Values may be integers, bool,
// float, double, enumerations (ouro::EnumLabels), pointers, C strings, anything that converts to std::string_view,
// arrays, std::array and anything with data() and size() of those numbers, std::byte for raw bytes, and own types
// (ouro::Field).
//
// Switched off, an event costs one load, test and branch, and its values are not evaluated. Switched on, it may be
// used wherever a plain store may: in any thread, in signal handlers, before main and after it, in forked children.
// It never allocates, blocks, throws or touches errno. A string is copied as far as its NUL; a NUL inside a
// std::string is written as '?'.
//
// What a program can ask for itself, a flight recorder and the last events when it crashes: ouro/flight.hpp.
//
// With OURO_OFF defined all of this compiles to nothing.
#pragma once
#include <ouro/flight.hpp>

#if defined(OURO_OFF)

#include <ouro/detail/codec.hpp>  // so that EnumLabels and Field can still be specialised

namespace ouro::detail {
template <class T>
constexpr void use_labels() noexcept {
  if constexpr (HasLabels<T>) static_cast<void>(EnumLabels<T>::labels);
}
template <class... T>
constexpr void unused(const T&...) noexcept {
  (use_labels<T>(), ...);
}
}  // namespace ouro::detail

// Evaluates nothing, yet what only events use counts as used: no warnings come from switching them off.
#define OURO_EVENT(...)                              \
  do {                                               \
    if (false) ::ouro::detail::unused(__VA_ARGS__);  \
  } while (false)
#define OURO_EVENT_LEVEL(...) OURO_EVENT(__VA_ARGS__)
#define OURO_SPAN(...) OURO_EVENT(__VA_ARGS__)
#define OURO_SPAN_LEVEL(...) OURO_EVENT(__VA_ARGS__)
#define OURO_COUNTER(...) OURO_EVENT(__VA_ARGS__)

#else

#include <ouro/detail/site.hpp>

#define OURO_EVENT(...) OURO_EVENT_LEVEL(::ouro::Level::info, __VA_ARGS__)
#define OURO_EVENT_LEVEL(level, ...) OURO_DETAIL_POINT(point, level, __VA_ARGS__)
#define OURO_COUNTER(name, ...) OURO_DETAIL_POINT(counter, ::ouro::Level::info, name, "value", __VA_ARGS__)
#define OURO_SPAN(...) OURO_SPAN_LEVEL(::ouro::Level::info, __VA_ARGS__)
#define OURO_SPAN_LEVEL(level, ...) OURO_DETAIL_SPAN(__COUNTER__, level, __VA_ARGS__)

// ---- how it is done

#define OURO_DETAIL_CAT(a, b) OURO_DETAIL_CAT_(a, b)
#define OURO_DETAIL_CAT_(a, b) a##b

// The event's name and those of its fields, from the spelling of the arguments.
#define OURO_DETAIL_STATEMENT(statement, name, ...)                                                                      \
  static constexpr auto statement =                                                                                      \
      ::ouro::detail::parse(decltype(::ouro::detail::count_of(__VA_ARGS__)){}, #name, #__VA_ARGS__);                     \
  static_assert(statement.mistake != ::ouro::detail::Mistake::event_not_literal,                                         \
                "ouro: an event's name is a string literal: \"provider:event\"");                                        \
  static_assert(statement.mistake != ::ouro::detail::Mistake::event_not_word,                                            \
                "ouro: an event's name is \"provider:event\", both of letters, digits and _");                           \
  static_assert(statement.mistake != ::ouro::detail::Mistake::event_too_long,                                            \
                "ouro: an event's name has at most 255 characters");                                                     \
  static_assert(statement.mistake != ::ouro::detail::Mistake::field_not_literal,                                         \
                "ouro: behind the event's name come pairs of a field's name, which is a string literal, and its value"); \
  static_assert(statement.mistake != ::ouro::detail::Mistake::not_pairs,                                                 \
                "ouro: behind the event's name come pairs of a field's name and its value: one of these has no partner"); \
  static_assert(statement.mistake != ::ouro::detail::Mistake::too_many_fields,                                           \
                "ouro: an event has at most 32 fields");                                                                 \
  static_assert(statement.mistake != ::ouro::detail::Mistake::field_not_word,                                            \
                "ouro: a field's name is of letters, digits and _");                                                     \
  static_assert(statement.mistake != ::ouro::detail::Mistake::same_field,                                                \
                "ouro: two fields of this event have the same name")

// The operand of an asm that is a variable's address, in code for any place too.
#if defined(__aarch64__)
#define OURO_DETAIL_ADDRESS(address) "S"(address)
#else
#define OURO_DETAIL_ADDRESS(address) "i"(address)
#endif

// The site's address goes into the section that the module registers. "aw?" puts the entry into the group of an inline
// function, so that copies dropped by the linker take it along.
#define OURO_DETAIL_SITE(statement, schema, holder, kind, level, ...)                                                    \
  static constexpr auto schema = ::ouro::detail::SchemaOf<decltype(::ouro::detail::types_of(                             \
      ::ouro::detail::Types<>{} __VA_OPT__(, ) __VA_ARGS__))>::template make<statement>(::ouro::abi::EventKind::kind,    \
                                                                                        level, __LINE__, __FILE__);      \
  using holder = ::ouro::detail::SiteOf<schema>;                                                                         \
  asm volatile(".pushsection ouro_sites, \"aw?\"\n\t.balign 8\n\t.quad %c0\n\t.popsection" : : OURO_DETAIL_ADDRESS(&holder::site))

#define OURO_DETAIL_POINT(kind, level, name, ...)                                                                        \
  do {                                                                                                                   \
    OURO_DETAIL_STATEMENT(ouro_statement_, name __VA_OPT__(, ) __VA_ARGS__);                                             \
    OURO_DETAIL_SITE(ouro_statement_, ouro_schema_, ouro_site_, kind, level __VA_OPT__(, ) __VA_ARGS__);                 \
    if (const auto ouro_word_ = ::ouro::detail::filter_word(ouro_site_::filter_index); ouro_word_ != 0) [[unlikely]]     \
      ::ouro::detail::emit(ouro_site_::site, ouro_word_ __VA_OPT__(, ) __VA_ARGS__);                                     \
  } while (false)

#define OURO_DETAIL_SPAN(number, level, ...) OURO_DETAIL_SPAN_(number, level, __VA_ARGS__)
#define OURO_DETAIL_SPAN_(number, level, name, ...)                                                                      \
  OURO_DETAIL_STATEMENT(OURO_DETAIL_CAT(ouro_statement_, number), name __VA_OPT__(, ) __VA_ARGS__);                      \
  OURO_DETAIL_SITE(OURO_DETAIL_CAT(ouro_statement_, number), OURO_DETAIL_CAT(ouro_schema_begin_, number),                \
                   OURO_DETAIL_CAT(ouro_site_begin_, number), span_begin, level __VA_OPT__(, ) __VA_ARGS__);             \
  OURO_DETAIL_SITE(OURO_DETAIL_CAT(ouro_statement_, number), OURO_DETAIL_CAT(ouro_schema_end_, number),                  \
                   OURO_DETAIL_CAT(ouro_site_end_, number), span_end, level);                                            \
  const auto OURO_DETAIL_CAT(ouro_word_, number) =                                                                       \
      ::ouro::detail::filter_word(OURO_DETAIL_CAT(ouro_site_begin_, number)::filter_index);                              \
  const ::ouro::detail::SpanEnd<OURO_DETAIL_CAT(ouro_site_end_, number)> OURO_DETAIL_CAT(ouro_span_, number)(            \
      OURO_DETAIL_CAT(ouro_word_, number) != 0 &&                                                                        \
      ::ouro::detail::emit(OURO_DETAIL_CAT(ouro_site_begin_, number)::site,                                        \
                                 OURO_DETAIL_CAT(ouro_word_, number) __VA_OPT__(, ) __VA_ARGS__))

#endif  // OURO_OFF
