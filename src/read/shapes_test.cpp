// Events of the shapes that have a way of their own through the decoder: whatever lies behind the first run of fields, at whatever distance, every value comes out as it
// was written, and the first event that is cut off ends the packet.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <ouro/read.hpp>

#include "format/test_trace.hpp"

namespace ouro::read {
namespace {

using abi::FieldType;
using format::test::Bytes;
using format::test::description;
using format::test::scalar;
using format::test::sequence;
using format::test::TestTrace;

format::TraceDescription shapes() {
  const auto event = [](const char* name, std::vector<format::Field> fields) { return format::EventClass{name, abi::EventKind::point, abi::Level::info, "", 0, std::move(fields)}; };
  return description({{0, event("t:number", {scalar("n", FieldType::u32)})},
                      {1, event("t:text", {scalar("s", FieldType::string)})},
                      {2, event("t:number_and_text", {scalar("n", FieldType::u64), scalar("s", FieldType::string)})},
                      {3, event("t:text_and_numbers", {scalar("s", FieldType::string), scalar("n", FieldType::u8), scalar("m", FieldType::f64)})},
                      {4, event("t:texts", {scalar("s", FieldType::string), scalar("t", FieldType::string), scalar("n", FieldType::u16)})},
                      {5, event("t:counted", {sequence("a", FieldType::u16), sequence("b", FieldType::u64), scalar("s", FieldType::string), sequence("c", FieldType::u8)})}});
}
constexpr std::uint32_t kShapes = 6;

// Records that hold a text of `length`, and as many numbers; and what is to be read.
struct Written {
  Bytes bytes;
  std::string text;
};

Written event_of(std::uint32_t shape, std::uint64_t stamp, std::size_t length) {
  const std::string s(length, static_cast<char>('a' + length % 26));
  const auto n = static_cast<std::uint8_t>(length);
  Written out;
  const auto numbers = [&](auto as) {
    out.bytes.put(static_cast<std::uint32_t>(length));
    out.text += " " + std::to_string(length) + " [";  // CTF 1.8 has a length as a field
    for (std::size_t i = 0; i < length; ++i) {
      out.bytes.put(static_cast<decltype(as)>(i));
      out.text += std::to_string(i) + ",";
    }
  };
  out.bytes.compact(shape, stamp, 7);
  switch (shape) {
    case 0: out.bytes.put(std::uint32_t{n}), out.text = " " + std::to_string(n); break;
    case 1: out.bytes.text(s), out.text = " " + s; break;
    case 2: out.bytes.put(std::uint64_t{n}).text(s), out.text = " " + std::to_string(n) + " " + s; break;
    case 3: out.bytes.text(s).put(n).put(0.5 * n), out.text = " " + s + " " + std::to_string(n) + " " + std::to_string(0.5 * n); break;
    case 4: out.bytes.text(s).text("").put(std::uint16_t{n}), out.text = " " + s + "  " + std::to_string(n); break;
    default:
      numbers(std::uint16_t{});
      numbers(std::uint64_t{});
      out.bytes.text(s), out.text += " " + s;
      numbers(std::uint8_t{});
  }
  out.text = std::to_string(stamp) + " 7" + out.text;
  return out;
}

std::string shown(const Event& event) {
  std::string out = std::to_string(event.ticks) + " " + std::to_string(event.tid);
  for (const Value& value : event.fields()) {
    out += " ";
    if (value.kind() == Kind::string) out += value.text();
    else if (value.kind() == Kind::floating_point) out += std::to_string(value.f);
    else if (value.kind() != Kind::array) out += std::to_string(value.u);
    else {
      out += "[";
      for (std::size_t i = 0; i < value.count; ++i) out += std::to_string(value.element(i).u) + ",";
    }
  }
  return out;
}

std::vector<std::string> read_all(const std::string& folder, bool& complete) {
  std::vector<std::string> out;
  Result<Trace> trace = Trace::open(folder);
  EXPECT_TRUE(trace) << trace.error().text;
  while (const Event* event = trace->next()) out.push_back(shown(*event));
  complete = trace->complete();
  return out;
}

class Shapes : public testing::TestWithParam<std::uint32_t> {};

// The text's end comes in each place of the first 70 bytes, among other shapes and among its own.
TEST_P(Shapes, ComeOutWithTextsOfEveryLength) {
  TestTrace folder(shapes());
  Bytes records;
  std::vector<std::string> wanted;
  for (std::size_t i = 0; i < 4 * 70; ++i) {
    const std::uint32_t shape = i / 70 % 2 == 0 ? GetParam() : static_cast<std::uint32_t>((GetParam() + i) % kShapes);
    const Written event = event_of(shape, 1000 + i, i % 70);
    records.add(event.bytes);
    wanted.push_back(event.text);
  }
  folder.packet("s", {.timestamp_begin = 1000, .timestamp_end = 1400}, records.get());
  bool complete = false;
  EXPECT_EQ(read_all(folder.folder(), complete), wanted);
  EXPECT_TRUE(complete);
}

TEST_P(Shapes, CutOffAtEachByteLeaveTheEventsBefore) {
  for (const std::size_t length : {0u, 1u, 15u, 16u, 31u, 32u, 33u, 60u}) {
    const Written first = event_of(GetParam(), 1000, 3), last = event_of(GetParam(), 1001, length);
    for (std::size_t cut = 1; cut <= last.bytes.size(); ++cut) {
      TestTrace folder(shapes());
      Bytes records = first.bytes;
      records.add(first.bytes).add(last.bytes);
      records.get().resize(records.size() - cut);
      folder.packet("s", {.timestamp_begin = 1000, .timestamp_end = 1400}, records.get());
      bool complete = false;
      ASSERT_EQ(read_all(folder.folder(), complete), (std::vector{first.text, first.text})) << length << " bytes of text, " << cut << " cut off";
      ASSERT_EQ(complete, cut == last.bytes.size());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Each, Shapes, testing::Range(0u, kShapes));

}  // namespace
}  // namespace ouro::read
