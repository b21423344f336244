// filter/filter.hpp -- filter expressions as people type them: text to code, and mistakes that point at a character.
// For tools; docs/filters.md is the language.
//
//   Result<Filter> filter = compile("total > 100 && user == \"eve*\"");
//   filter->code                           for the session's memory; programs bind() it
//   check(*filter, schema_of_an_event)     would it fit that event?
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ouro/abi/filter_layout.hpp>
#include <ouro/result.hpp>

namespace ouro::filter {

// What is wrong with an expression: what was seen, what is wanted, and the byte of the text where it stands.
struct Mistake {
  std::size_t at = 0;
  std::string text;
  std::vector<std::string> lists = {};  // what there is instead: "fields: id (u32), total (u64)"
};

// Three lines and the lists, without a newline at the end; the caret stands below the character:
//   filter: 'totel' is no field of shop:order (hint: total?)
//     totel > 100
//     ^
//     fields: id (u32), total (u64)
//     contexts: tid (u32), pid (u32), ...
std::string render(const Mistake& mistake, std::string_view expression);

struct Filter {
  struct Places {  // in `text`, of a term's operands
    std::size_t left = 0, right = 0;
  };
  std::string text;
  std::vector<std::byte> code;  // abi/filter_layout.hpp; at most abi::kMaxFilterSize bytes
  std::vector<Places> places;   // by term
};

// The expression, or what is wrong with it.
std::optional<Mistake> compile(std::string_view text, Filter& filter);
// The same; the error's text is the mistake as render() shows it.
Result<Filter> compile(std::string_view text);

// Does the filter fit the event that `schema` (abi/schema.hpp; not trusted) describes? Nothing: it does. If a name is
// unknown, the mistake lists the fields, with their types, and the contexts, or the labels.
std::optional<Mistake> check(const Filter& filter, std::span<const std::byte> schema);

}  // namespace ouro::filter
