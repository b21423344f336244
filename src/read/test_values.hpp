// read/test_values.hpp -- for tests only: values as texts, "name=value" each, and events decoded from bytes.
#pragma once
#include <string>

#include "format/test_trace.hpp"
#include "read/decoder.hpp"
#include "read/metadata.hpp"

namespace ouro::read::test {

inline std::string text_of(const Value& value) {
  std::string out;
  switch (value.kind()) {
    case Kind::unsigned_integer: return std::to_string(value.u);
    case Kind::signed_integer: return std::to_string(value.i);
    case Kind::enumeration:
      for (const Label& label : value.type().labels)
        if (value.holds(label)) out.append(out.empty() ? "" : "/").append(label.text);
      return out;
    case Kind::floating_point: return std::to_string(value.f);
    case Kind::string: return std::string(value.text());
    case Kind::structure: return "{" + std::to_string(value.count) + "}";
    case Kind::variant: return "|";
    case Kind::array:
      out = "[" + std::to_string(value.count) + "]";
      for (std::size_t i = 0; value.is_packed() && i < value.count; ++i) out.append(":").append(text_of(value.element(i)));
      return out;
    case Kind::boolean: return value.u == 1 ? "true" : value.u == 0 ? "false" : "?";
    case Kind::bit_array: return std::to_string(value.u);
    case Kind::bit_map:
      out = std::to_string(value.u);
      for (const Label& flag : value.type().labels)
        if (value.holds(flag)) out.append("+").append(flag.text);
      return out;
    case Kind::blob: return "<" + std::string(value.bytes, value.count) + ">";
    case Kind::optional: return value.count == 0 ? "none" : "some";
  }
  return "?";
}

// Context and fields of the first event of `text` in stream 0, taken from bytes; or what is wrong with either.
inline std::string decoded(const std::string& text, const format::test::Bytes& bytes) {
  const Result<Metadata> metadata = parse_metadata(text);
  if (!metadata) return metadata.error().text;
  Decoder decoder(metadata->slots);
  decoder.start(reinterpret_cast<const char*>(bytes.get().data()), bytes.size());
  const Scope scopes[] = {Scope::of(metadata->streams[0].event_context),
                          {metadata->events[0].context, metadata->aligns[0].context},
                          {metadata->events[0].fields, metadata->aligns[0].fields}};
  Program program = compile(scopes);
  if (const char* wrong = decoder.run(program)) return wrong;
  std::string out;
  for (const Value& value : decoder.values()) out.append(out.empty() ? "" : " ").append(value.name()).append("=").append(text_of(value));
  return out;
}

}  // namespace ouro::read::test
