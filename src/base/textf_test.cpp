#include "base/textf.hpp"

#include <gtest/gtest.h>

namespace ouro::base {
namespace {

TEST(Printable, LeavesNothingThatATerminalObeys) {
  EXPECT_EQ(printable("\x1b[2Jgone\r\n\x7f"), "?[2Jgone???");
  EXPECT_EQ(printable(std::string("a\0b", 3), ' '), "a b");
  EXPECT_EQ(printable("\xc2\x9b" "2J, and \xc2\x80\xc2\x9f"), "?2J, and ??");  // U+009B is ESC [
}

TEST(Printable, LeavesTextAsItIs) {
  for (const char* text : {"", "gr\xc3\xbc\xc3\x9f", "\xc2\xa0\xc2\xbf", "\xe2\x82\xac \xf0\x9f\x90\x8d", "\xff\xc2"}) EXPECT_EQ(printable(text), text);
}

}  // namespace
}  // namespace ouro::base
