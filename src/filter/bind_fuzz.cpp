// A fuzz target (tests/fuzz/run bind): code, schema and body from anywhere. Whatever bind() takes must end and stay within the body.
//
// The first byte chooses: an expression to be compiled for the event of the tests, or bytes of all three kinds, each
// behind its length, 16 bits. Lengths in headers are set right, so that more than the first check is reached.
#include <algorithm>
#include <string_view>

#include "filter/test_event.hpp"

namespace {

using namespace ouro::filter;
using test::Bytes;

const test::Event& order() {
  static const test::Event event = test::Event()
                                       .scalar("id", std::uint32_t{7})
                                       .scalar("s", std::int8_t{2}, {{-1, "A"}, {2, "B"}})
                                       .text("u", "evelyn")
                                       .sequence("p", std::vector<std::int16_t>{5, -3, 900})
                                       .array("x", std::vector<std::uint16_t>{30, 20, 10})
                                       .scalar("r", 0.5);
  return event;
}

void try_out(const Bytes& code, const Bytes& schema, const Bytes& body) {
  const test::Exact exact_code(code), exact_schema(schema);
  const std::span<const std::byte> code_span(exact_code.data(), exact_code.size());
  Bytes memory(bound_size(code_span));
  const BindResult result = ouro::filter::bind(code_span, {exact_schema.data(), exact_schema.size()}, memory);
  if (result) test::verdict(*result.bound, body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  if (data[0] % 2 == 0) {
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    Filter filter;
    if (const auto mistake = compile(text, filter)) {
      render(*mistake, text);
      return 0;
    }
    if (const auto mistake = check(filter, order().schema())) render(*mistake, text);
    try_out(filter.code, order().schema(), order().body);
    return 0;
  }
  std::size_t at = 1;
  const auto take = [&] {
    std::uint16_t length = 0;
    if (size - at >= 2) std::memcpy(&length, data + at, 2), at += 2;
    const std::size_t n = std::min<std::size_t>(length, size - at);
    Bytes part(bytes + at, bytes + at + n);
    at += n;
    if (const auto all = static_cast<std::uint32_t>(n); n >= 4) std::memcpy(part.data(), &all, sizeof all);
    return part;
  };
  const Bytes code = take(), schema = take(), body(bytes + at, bytes + size);
  try_out(code, order().schema(), order().body);
  try_out(code, schema.empty() ? order().schema() : schema, body);
  return 0;
}
