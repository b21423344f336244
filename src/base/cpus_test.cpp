#include "base/cpus.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

namespace ouro::base {
namespace {

std::uint32_t parse(std::string_view text) { return parse_possible_cpus(text.data(), text.size()); }

TEST(PossibleCpus, AreCountedToTheHighest) {
  EXPECT_EQ(parse("0\n"), 1u);
  EXPECT_EQ(parse("0-3\n"), 4u);
  EXPECT_EQ(parse("0-3,8-11\n"), 12u);
  EXPECT_EQ(parse("8-11,0-3"), 12u);
}

TEST(PossibleCpus, OfATextThatIsNoneAreNone) {
  EXPECT_EQ(parse(""), 0u);
  EXPECT_EQ(parse("\n"), 0u);
  EXPECT_EQ(parse("many"), 0u);
}

TEST(PossibleCpus, OfANumberTooLargeToBeOneAreFarTooMany) {
  EXPECT_GT(parse("0-99999999999999999999\n"), 1u << 20);
}

TEST(PossibleCpus, OfThisMachineAreAtLeastThoseConfigured) {
  errno = 42;
  EXPECT_GE(possible_cpus(), static_cast<std::uint32_t>(::sysconf(_SC_NPROCESSORS_CONF)));
  errno = 42;
  possible_cpus();
  EXPECT_EQ(errno, 42);
}

}  // namespace
}  // namespace ouro::base
