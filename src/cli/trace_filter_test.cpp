// Filters on the events of a trace: what they accept, and where their mistakes point.
#include <gtest/gtest.h>

#include "cli/commands.hpp"
#include "cli/test_command.hpp"
#include "format/test_trace.hpp"

namespace ouro::cli {
namespace {

using format::test::Bytes;
using format::test::TestTrace;
using test::Outcome;

// Six events "t:e" with id 0 to 5, and one "t:other" that has nothing of theirs. Not what this project's own traces are like.
class Filtered : public testing::Test {
 protected:
  Filtered() : trace_(format::test::description({})) {
    trace_.write("metadata", R"(/* CTF 1.8 */
typealias integer { size = 8; align = 8; } := u8;
trace { major = 1; minor = 8; byte_order = le; };
stream {
  packet.context := struct { integer { size = 32; align = 8; } packet_size; integer { size = 32; align = 8; } content_size; u8 cpu_id; };
  event.header := struct { u8 id; };
  event.context := struct { integer { size = 32; align = 8; } _vtid; integer { size = 8; align = 8; encoding = UTF8; } _procname[8]; };
};
event { id = 0; name = "t:e"; fields := struct {
  u8 _id; integer { size = 64; align = 8; signed = true; } _big; floating_point { exp_dig = 11; mant_dig = 53; align = 8; } _ratio;
  enum : u8 { LOW = 0 ... 2, HIGH = 3 ... 9, LAST = 5 } _state; string _user; integer { size = 12; align = 8; signed = true; } _odd;
  u8 __n; u8 _list[__n]; u8 _pair[2]; struct { u8 x; } _inner; enum : u8 { a = 0, b = 1 } _tag; variant <_tag> { u8 a; string b; } _any; }; };
event { id = 1; name = "t:other"; fields := struct { u8 _id; u8 _else; }; };
)");
    Bytes events;
    for (std::uint8_t i = 0; i < 6; ++i) {
      head(events, 0, 40u + i, i < 3 ? "first" : "second99");
      events.put(i).put(std::int64_t{i} - 3).put(i / 4.0).put(i).text("user-" + std::string(i, 'x')).put(static_cast<std::int16_t>((i - 3) & 0xfff));
      events.put(i);
      for (std::uint8_t k = 0; k < i; ++k) events.put(static_cast<std::uint8_t>(10 * k));
      events.put(i).put(std::uint8_t{7}).put(std::uint8_t{1}).put(static_cast<std::uint8_t>(i % 2));
      if (i % 2 == 0) events.put(i);
      else events.text("text");
    }
    head(events, 1, 90, "");
    events.put(std::uint8_t{3}).put(std::uint8_t{1});
    const auto bits = static_cast<std::uint32_t>((9 + events.size()) * 8);
    Bytes all;
    all.put(bits).put(bits).put(std::uint8_t{3}).add(events);
    trace_.write("s", std::string(reinterpret_cast<const char*>(all.get().data()), all.size()));
  }
  static void head(Bytes& out, std::uint8_t id, std::uint32_t tid, const char* name) {
    char text[8] = {};
    std::memcpy(text, name, std::strlen(name));
    out.put(id).put(tid).raw(text, sizeof text);
  }

  Outcome print(std::vector<std::string> arguments) {
    arguments.push_back(trace_.folder());
    return test::run(print_command, "print", std::move(arguments));
  }
  // The ids of those that are accepted, of t:e.
  std::string accepted(const std::string& expression) {
    const Outcome outcome = print({"--format", "csv", "-e", "t:e", "-f", expression});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    std::string out;
    for (std::size_t at = 0; (at = outcome.out.find(",t:e,", at)) != std::string::npos; at += 5) out += outcome.out[at + 5];
    return out;
  }
  std::string mistake(const std::string& expression) {
    const Outcome outcome = print({"-e", "t:e", "--filter", expression});
    EXPECT_EQ(outcome.status, 2);
    return outcome.err;
  }

  TestTrace trace_;
};

TEST_F(Filtered, NumbersTextsAndLabels) {
  EXPECT_EQ(accepted("id > 2"), "345");
  EXPECT_EQ(accepted("2 >= id && big != -2"), "02");
  EXPECT_EQ(accepted("big < 0"), "012");
  EXPECT_EQ(accepted("odd == -1"), "2");
  EXPECT_EQ(accepted("odd & 0xf == 15"), "2");
  EXPECT_EQ(accepted("big == odd"), "012345");
  EXPECT_EQ(accepted("ratio >= 0.5 && ratio < 1"), "23");
  EXPECT_EQ(accepted("state == HIGH"), "345");
  EXPECT_EQ(accepted("state != LOW"), "345");
  EXPECT_EQ(accepted("state == \"LAST\" || state == 0"), "05");
  EXPECT_EQ(accepted("state > LOW"), "345");
  EXPECT_EQ(accepted("user == \"user-\""), "0");
  EXPECT_EQ(accepted("user == \"*xxx\""), "345");
  EXPECT_EQ(accepted("user == \"user-x*\" && !(user == \"*xx*\")"), "1");
  EXPECT_EQ(accepted("user == \"user-[x]\""), "1");
  EXPECT_EQ(accepted("len(user) > 8"), "45");
}

TEST_F(Filtered, ElementsVariantsContexts) {
  EXPECT_EQ(accepted("list[2] == 20"), "345");
  EXPECT_EQ(accepted("list[2] != 20"), "");  // beyond the end every comparison is false
  EXPECT_EQ(accepted("len(list) == 4"), "4");
  EXPECT_EQ(accepted("pair[0] == id && pair[1] == 7"), "012345");
  EXPECT_EQ(accepted("any == \"text\""), "135");
  EXPECT_EQ(accepted("any > 1"), "24");
  EXPECT_EQ(accepted("vtid == 44"), "4");
  EXPECT_EQ(accepted("ctx.tid == 44 || tid == 45"), "45");
  EXPECT_EQ(accepted("procname == \"first\""), "012");
  EXPECT_EQ(accepted("procname == \"second99\""), "345");
  EXPECT_EQ(accepted("cpu == 3 && cpu_id == 3 && id"), "12345");
  EXPECT_EQ(accepted("pid == 1 || pid != 1"), "");  // nobody knows it
}

TEST_F(Filtered, MistakesPointAtTheirPlaceAndListWhatThereIs) {
  EXPECT_EQ(mistake("id == 1 && use == \"x\""),
            "ouro: error: print: filter: 'use' is no field of t:e (hint: user?)\n  id == 1 && use == \"x\"\n             ^\n"
            "  fields: id (u8), big (i64), ratio (f64), state (enum u8), user (string), odd (i12), _n (u8), list (u8[]), pair (u8[2]), inner (struct), "
            "tag (enum u8), any (variant)\n"
            "  contexts: vtid (u32), procname (string), packet_size (u32), content_size (u32), cpu_id (u8), tid (i32), pid (i32), cpu (i32), thread (string), "
            "comm (string)\n");
  EXPECT_NE(mistake("state == HIHG").find("'HIHG' is no label of 'state' (hint: HIGH?)\n  state == HIHG\n           ^\n  labels: LOW, HIGH, LAST\n"), std::string::npos);
  EXPECT_NE(mistake("user > \"a\"").find("no order"), std::string::npos);
  EXPECT_NE(mistake("list == 1").find("want one element, list[0]"), std::string::npos);
  EXPECT_NE(mistake("inner == 1").find("'inner' is of type struct, which does not fit here"), std::string::npos);
  EXPECT_NE(mistake("id == \"1\"").find("'id' is of type u8, but what it is compared with is a string"), std::string::npos);
  EXPECT_NE(mistake("ratio & 1 == 1").find("'&' wants an integer"), std::string::npos);
  EXPECT_NE(mistake("id ==").find("id ==\n       ^"), std::string::npos) << mistake("id ==");
}

TEST_F(Filtered, AFilterIsOfTheEventsBeforeItAndWhatLacksItsFieldsIsLeftOut) {
  const auto lines = [&](std::vector<std::string> arguments) {
    const Outcome outcome = print(std::move(arguments));
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return std::count(outcome.out.begin(), outcome.out.end(), '\n');
  };
  EXPECT_EQ(lines({"-f", "id == 3"}), 2);
  EXPECT_EQ(lines({"-f", "else == 1"}), 1);
  EXPECT_EQ(lines({"-e", "t:e", "-f", "id == 3", "-e", "t:other"}), 2);
  EXPECT_EQ(lines({"-f", "id == 1", "-e", "t:e", "-f", "id > 3", "-e", "t:other"}), 2);
  EXPECT_EQ(print({"-e", "!t:e", "-f", "id"}).status, 2);
  EXPECT_EQ(print({"-f", "id", "-f", "id"}).status, 2);
}

}  // namespace
}  // namespace ouro::cli
