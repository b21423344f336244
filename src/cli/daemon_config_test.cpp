#include "cli/daemon_config.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace ouro::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Strings = std::vector<std::string>;

DaemonConfig good(const std::string& text) {
  Strings mistakes;
  DaemonConfig out = parse_daemon_config(text, "ouro.toml", mistakes);
  EXPECT_THAT(mistakes, ElementsAre());
  return out;
}
Strings mistakes(const std::string& text) {
  Strings out;
  parse_daemon_config(text, "ouro.toml", out);
  return out;
}
// Of a file with a good session in lines 1 and 2, and these behind it.
std::string mistake(const std::string& lines) {
  const Strings all = mistakes("[[session]]\nname = \"flight\"\n" + lines);
  EXPECT_EQ(all.size(), 1u) << lines << testing::PrintToString(all);
  return all.empty() ? "" : all.front();
}

TEST(DaemonConfig, ASessionIsACommandLineOfRecord) {
  const DaemonConfig config = good(R"(
    [[session]]
    name = "flight"
    events = ["shop:*", "!shop:sql*", { event = "shop:order", filter = "total > 100", rate = 10 }]
    level = "warning"
    context = ["pid", "thread"]
    buffer_size = "4M"
    subbuf_count = 8
    seccomp_ok = true
    [[session.trigger]]
    on = "span shop:checkout > 50ms"
    do = ["snapshot --last 10s /var/lib/ouro", "run true"]
    times = "5/10s"
    per_day = 20
    hold_off = "1m"
    [[session.trigger]]
    on = "crash"
  )");
  ASSERT_EQ(config.sessions.size(), 1u);
  EXPECT_EQ(config.sessions[0].name, "flight");
  EXPECT_FALSE(config.sessions[0].user);
  EXPECT_EQ(config.sessions[0].line, 2u);
  EXPECT_THAT(config.sessions[0].arguments,
              ElementsAre("--flight", "--join", "--all", "--name", "flight", "--level", "warning", "--event", "shop:*", "--event", "!shop:sql*", "--event", "shop:order",
                          "--filter", "total > 100", "--rate", "10", "--context", "pid", "--context", "thread", "--buffer-size", "4M", "--subbuf-count", "8", "--seccomp-ok",
                          "--on", "span shop:checkout > 50ms", "--do", "snapshot --last 10s /var/lib/ouro", "--do", "run true", "--times", "5/10s", "--hold-off", "1m",
                          "--per-day", "20", "--on", "crash"));
  EXPECT_FALSE(config.retention);
  EXPECT_EQ(config.listen, "");
}

TEST(DaemonConfig, RetentionAndMetrics) {
  const DaemonConfig config = good("[[session]]\nname = 'a'\n[retention]\nfolder = '/var/lib/ouro'\nkeep = '10G'\nage = '30d'\n[metrics]\nlisten = 'unix:/run/ouro.sock'\n");
  ASSERT_TRUE(config.retention);
  EXPECT_EQ(config.retention->folder, "/var/lib/ouro");
  EXPECT_EQ(config.retention->keep, std::uint64_t{10} << 30);
  EXPECT_EQ(config.retention->age, 30 * 24h);
  EXPECT_EQ(config.listen, "unix:/run/ouro.sock");
  EXPECT_EQ(good("[[session]]\nname = 'a'\n[metrics]\nlisten = '[::1]:9464'\n").listen, "[::1]:9464");
}

TEST(DaemonConfig, ASessionWithOutputIsARecordingThatCanBeResumed) {
  const DaemonConfig::Session session = good("[[session]]\nname = 'disk'\noutput = '/var/tmp/x'\nrotate = ['100M', '1h']\nkeep = '10G'\ncompress = true\nrate = 5").sessions[0];
  EXPECT_THAT(session.arguments, ElementsAre("--all", "--output", "/var/tmp/x", "--name", "disk", "--rate", "5", "--rotate", "100M", "--rotate", "1h", "--keep", "10G", "--compress"));
  EXPECT_THAT(session.resumes, ElementsAre("--all", "--resume", "/var/tmp/x", "--rotate", "100M", "--rotate", "1h", "--keep", "10G", "--compress"));
  EXPECT_FALSE(session.is_flight());
  EXPECT_THAT(mistake("output = 'x'\nrotate = '1h'"), HasSubstr("ouro.toml:3: output is 'x', want an absolute path"));
  EXPECT_THAT(mistake("output = '/x'"), HasSubstr("ouro.toml:1: [[session]] has output, but neither rotate nor keep"));
  EXPECT_THAT(mistake("output = '/x'\nrotate = 'often'"), HasSubstr("ouro.toml:4: --rotate is 'often'"));
  EXPECT_THAT(mistake("output = '/x'\nkeep = '10M'\nrotate = '8M'"), HasSubstr("ouro.toml:1: --keep is '10M', want 16M or more"));
  const DaemonConfig::Session watched = good("[[session]]\nname = 'disk'\noutput = '/x'\nkeep = '10M'\n[[session.trigger]]\non = 'crash'\ndo = 'rotate'").sessions[0];
  EXPECT_THAT(watched.arguments, ElementsAre("--all", "--output", "/x", "--name", "disk", "--keep", "10M", "--on", "crash", "--do", "rotate"));
  EXPECT_THAT(watched.resumes, ElementsAre("--all", "--resume", "/x", "--keep", "10M", "--on", "crash", "--do", "rotate"));
  EXPECT_THAT(mistake("rotate = '1h'"), HasSubstr("--rotate, --keep or --do rotate with --overwrite or --flight"));
}

TEST(DaemonConfig, AValueThatLooksLikeAnOptionIsNone) {
  EXPECT_THAT(good("[[session]]\nname = 'a'\nfilter = '-1 < total'").sessions[0].arguments, ElementsAre("--flight", "--join", "--all", "--name", "a", "--filter=-1 < total"));
  EXPECT_THAT(mistake("events = ['--output=/tmp/x', '-d']\nname2 = 1"), HasSubstr("'name2'"));
}

TEST(DaemonConfig, AnotherUserIsForRoot) {
  const passwd* other = ::getpwnam("nobody");
  if (other == nullptr) GTEST_SKIP() << "no user 'nobody'";
  Strings wrong;
  const DaemonConfig config = parse_daemon_config("[[session]]\nname = 'a'\nuser = 'nobody'\nruntime_dir = '/run/shop'", "ouro.toml", wrong);
  if (::geteuid() == other->pw_uid) GTEST_SKIP() << "we are nobody";
  if (::geteuid() != 0) {
    EXPECT_THAT(wrong, ElementsAre("ouro.toml:3: user is 'nobody', want the user who runs the daemon, for that is not root"));
    return;
  }
  ASSERT_TRUE(config.sessions[0].user);
  EXPECT_EQ(config.sessions[0].user->uid, other->pw_uid);
  EXPECT_EQ(config.sessions[0].runtime_dir, "/run/shop");
}

TEST(DaemonConfig, MistakesHaveTheirLines) {
  EXPECT_THAT(mistakes(""), ElementsAre("ouro.toml:1: there is no [[session]], want one at least"));
  EXPECT_THAT(mistake("[retention\n"), HasSubstr("ouro.toml:3: "));
  EXPECT_THAT(mistakes("[[session]]\n"), ElementsAre("ouro.toml:1: [[session]] has no name, want one"));
  EXPECT_THAT(mistakes("[session]\nname = 'a'"), ElementsAre("ouro.toml:1: session is a table, want [[tables]]"));
  EXPECT_EQ(mistake("\nbuffers = 1"), "ouro.toml:4: [[session]] has 'buffers', want one of name, user, runtime_dir, filter, level, file, rate, sample, events, context, "
                                      "buffer_size, subbuf_count, clock, seccomp_ok, output, rotate, keep, compress, trigger");
  EXPECT_EQ(mistake("buffer_size = 4"), "ouro.toml:3: buffer_size is 4, a whole number, want a string");
  EXPECT_EQ(mistake("buffer_size = '4Q'"), "ouro.toml:3: --buffer-size is '4Q', want a number with K, M or G, such as 4M");
  EXPECT_EQ(mistake("seccomp_ok = 'yes'"), "ouro.toml:3: seccomp_ok is 'yes', want true or false");
  EXPECT_EQ(mistake("rate = 1.5"), "ouro.toml:3: rate is 1.5, a number, want a whole number");
  EXPECT_EQ(mistake("rate = 0"), "ouro.toml:3: --rate is '0', want a number above 0");
  EXPECT_EQ(mistake("events = ['a', 5]"), "ouro.toml:3: events is an array, want a string, or an array of strings and of { event = ... }");
  EXPECT_EQ(mistake("events = [\n 'a',\n { filter = 'x' }]"), "ouro.toml:5: an event has no key 'event', want a name or a pattern");
  EXPECT_THAT(mistake("\n\nfilter = 'total >'"), HasSubstr("ouro.toml:5: "));
  EXPECT_THAT(mistake("context = ['pid', 'colour']"), HasSubstr("ouro.toml:3: context 'colour' is unknown"));
  EXPECT_EQ(mistake("runtime_dir = 'run'"), "ouro.toml:3: runtime_dir is 'run', want an absolute path");
  EXPECT_EQ(mistake("user = 'no such user'"), "ouro.toml:3: user is 'no such user', want a user of this machine");
  EXPECT_EQ(mistake("[[session]]\nname = 'flight'"), "ouro.toml:3: name is 'flight' as that of the [[session]] in line 1, want another");
  EXPECT_EQ(mistake("[[session]]\nname = 'a/b'"), "ouro.toml:4: --name is 'a/b', want up to 64 characters without '/' and blanks");
  EXPECT_THAT(mistake("[[session.trigger]]\non = 'sometimes'"), HasSubstr("ouro.toml:3: --on is 'sometimes', want a condition"));
  EXPECT_EQ(mistake("[[session.trigger]]\ndo = 'snapshot'"), "ouro.toml:3: [[session.trigger]] has no 'on', want a condition");
  EXPECT_THAT(mistake("[[session.trigger]]\non = 'crash'\ndo = 'dance'"), HasSubstr("ouro.toml:3: --do is 'dance'"));
  EXPECT_EQ(mistake("[retention]\nfolder = '/x'"), "ouro.toml:3: [retention] has neither keep nor age, want one of them");
  EXPECT_EQ(mistake("[retention]\nfolder = 'x'\nkeep = '1G'"), "ouro.toml:4: folder is 'x', want an absolute path");
  EXPECT_EQ(mistake("[retention]\nfolder = '/x'\nkeep = 'all'"), "ouro.toml:5: keep is 'all', want a size such as '10G'");
  EXPECT_EQ(mistake("[retention]\nfolder = '/x'\nage = '1y'"), "ouro.toml:5: age is '1y', want a time such as '30d' or '12h'");
  EXPECT_EQ(mistake("[metrics]\nlisten = 9464"), "ouro.toml:4: listen is 9464, a whole number, want a string");
  for (const char* address : {"9464", "127.0.0.1:99999", "unix:run", "localhost:", ":80"})
    EXPECT_THAT(mistake(std::string("[metrics]\nlisten = '") + address + "'"), HasSubstr("want 'ADDRESS:PORT'")) << address;
}

TEST(DaemonConfig, AllMistakesOfAFileAreFound) {
  EXPECT_EQ(mistakes("[[session]]\nname = 'a'\nrate = 0\nbuffers = 1\n[metrics]\nport = 1").size(), 3u);
}

TEST(DaemonConfig, AFileThatOthersCouldWriteIsNotRead) {
  const std::string file = testing::TempDir() + "ouro-config-" + std::to_string(::getpid());
  std::ofstream(file) << "x";
  ::chmod(file.c_str(), 0644);
  EXPECT_EQ(*read_daemon_config(file), "x");
  ::chmod(file.c_str(), 0664);
  EXPECT_THAT(read_daemon_config(file).error().text, HasSubstr("writable by nobody else"));
  ::unlink(file.c_str());
  EXPECT_EQ(read_daemon_config(file).error().code, ENOENT);
  EXPECT_THAT(read_daemon_config("/").error().text, HasSubstr("want a regular file"));
}

}  // namespace
}  // namespace ouro::cli
