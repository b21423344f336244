// base/rules.hpp -- looks an event up in a list of rules (ouro/abi/rules_layout.hpp). Programs do in signal handlers what tools do:
// nothing here allocates, recurses or keeps state, and nothing is read beyond the list, whatever stands in it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <ouro/abi/rules_layout.hpp>
#include <ouro/abi/schema.hpp>

#include "base/glob.hpp"

namespace ouro::base {

// What rules ask about an event.
struct EventFacts {
  const char* name;  // without a span's _begin or _end
  const char* file;
  std::uint8_t level;
  abi::EventKind kind = abi::EventKind::point;
};

struct Rule {
  abi::RuleHeader header{};
  const char *name = nullptr, *name_end = nullptr;  // globs
  const char *file = nullptr, *file_end = nullptr;  // empty: any
  const char *text = nullptr, *text_end = nullptr;  // the filter as it was given
  const std::byte* filter = nullptr;                // header.filter_size bytes
};

// One rule after the other of a list of `size` bytes. False: there is no other, or what follows is none.
class RuleReader {
 public:
  RuleReader(const std::byte* list, std::size_t size) noexcept {
    abi::RuleList head{};
    if (size < sizeof head) return;
    std::memcpy(&head, list, sizeof head);
    at_ = list + sizeof head;
    end_ = at_ + (head.size < size - sizeof head ? head.size : size - sizeof head);
  }
  bool next(Rule& out) noexcept {
    const auto left = static_cast<std::size_t>(end_ - at_);
    if (left < sizeof out.header) return false;
    std::memcpy(&out.header, at_, sizeof out.header);
    if (out.header.size < sizeof out.header || out.header.size > left) return false;
    const char* text = reinterpret_cast<const char*>(at_) + sizeof out.header;
    const char* const end = reinterpret_cast<const char*>(at_) + out.header.size;
    if (!take_text(text, end, out.name, out.name_end) || !take_text(text, end, out.file, out.file_end) ||
        !take_text(text, end, out.text, out.text_end))
      return false;
    out.filter = reinterpret_cast<const std::byte*>(text);
    if (out.header.filter_size > end - text) return false;
    at_ += out.header.size;
    return true;
  }

 private:
  // Both ends: a NUL that was there may be gone when it is looked for again.
  static bool take_text(const char*& from, const char* end, const char*& text, const char*& text_end) noexcept {
    text = from;
    text_end = static_cast<const char*>(std::memchr(from, '\0', static_cast<std::size_t>(end - from)));
    if (text_end == nullptr) return false;
    from = text_end + 1;
    return true;
  }

  const std::byte* at_ = nullptr;
  const std::byte* end_ = nullptr;
};

// A file's glob is for its whole path, as the compiler was given it, or for its last component.
inline bool matches(const Rule& rule, const EventFacts& event) noexcept {
  if (rule.header.level != abi::kAnyLevel && event.level > rule.header.level) return false;
  if (!detail::match(rule.name, rule.name_end, event.name)) return false;
  if (rule.file == rule.file_end || detail::match(rule.file, rule.file_end, event.file)) return true;
  const char* slash = std::strrchr(event.file, '/');
  return slash != nullptr && detail::match(rule.file, rule.file_end, slash + 1);
}

// The rule that decides about the event; false if none does, or it excludes the event.
inline bool find_rule(const std::byte* list, std::size_t size, const EventFacts& event, Rule& out) noexcept {
  bool found = false;
  Rule rule;
  for (RuleReader reader(list, size); reader.next(rule);)
    if (matches(rule, event)) {
      found = rule.header.excludes == 0;
      out = rule;
    }
  if (!found || out.header.longer == 0) return found;
  if (event.kind == abi::EventKind::span_end) out.header.filter_size = 0;  // it has no fields: its begin was judged
  return event.kind == abi::EventKind::span_begin || event.kind == abi::EventKind::span_end;
}

// Of a schema's bytes, which are the caller's own and whole. `name`: room for the name without its suffix. False: it is too long.
template <std::size_t N>
bool facts_of(const char* schema, char (&name)[N], EventFacts& out) noexcept {
  abi::SchemaHeader header;
  std::memcpy(&header, schema, sizeof header);
  const char* full = schema + sizeof header;
  const std::size_t whole = std::strlen(full);
  std::size_t length = whole;
  if (header.kind == abi::EventKind::span_begin) length -= std::strlen("_begin");
  if (header.kind == abi::EventKind::span_end) length -= std::strlen("_end");
  if (length >= N) return false;
  std::memcpy(name, full, length);
  name[length] = '\0';
  out = {name, full + whole + 1, static_cast<std::uint8_t>(header.level), header.kind};
  return true;
}

}  // namespace ouro::base
