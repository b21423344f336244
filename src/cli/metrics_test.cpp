#include "cli/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <sstream>

namespace ouro::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

DaemonFigures one_session(std::uint64_t in_memory, std::uint64_t overwritten) {
  DaemonFigures out;
  DaemonFigures::Session& session = out.sessions.emplace_back();
  session.user = "shop";
  session.generation = 7;
  session.is_of_the_file = session.is_watched = true;
  session.figures.name = "flight";
  session.figures.events = in_memory;
  session.figures.lost[static_cast<std::size_t>(abi::Loss::lapped)] = overwritten;
  session.figures.lost[static_cast<std::size_t>(abi::Loss::too_large)] = 3;
  return out;
}

TEST(Metrics, FiguresOfASessionHaveItsNameAndUser) {
  const std::string text = MetricsText().of(one_session(100, 20));
  EXPECT_THAT(text, HasSubstr("# TYPE ouro_session_events_total counter\nouro_session_events_total{session=\"flight\",user=\"shop\"} 120\n"));
  EXPECT_THAT(text, HasSubstr("\nouro_session_events{session=\"flight\",user=\"shop\"} 100\n"));
  EXPECT_THAT(text, HasSubstr("\nouro_session_overwritten_events_total{session=\"flight\",user=\"shop\"} 20\n"));
  EXPECT_THAT(text, HasSubstr("\nouro_session_lost_events_total{session=\"flight\",user=\"shop\",cause=\"too_large\"} 3\n"));
  EXPECT_THAT(text, Not(HasSubstr("cause=\"lapped\"")));
  EXPECT_THAT(text, HasSubstr("\nouro_daemon_watched{session=\"flight\",user=\"shop\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("ouro_snapshots")));
}

TEST(Metrics, ASessionThatIsNotThereHasNoFiguresButIsNotWatched) {
  DaemonFigures figures = one_session(100, 20);
  figures.sessions[0].generation = 0;
  figures.sessions[0].is_watched = false;
  figures.sessions[0].restarts = 5;
  const std::string text = MetricsText().of(figures);
  EXPECT_THAT(text, HasSubstr("ouro_daemon_watched{session=\"flight\",user=\"shop\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("ouro_daemon_restarts_total{session=\"flight\",user=\"shop\"} 5\n"));
  EXPECT_THAT(text, Not(HasSubstr("ouro_session_events{")));
}

TEST(Metrics, ACounterDoesNotGoBackUnlessTheSessionIsAnother) {
  MetricsText text;
  text.of(one_session(100, 20));
  EXPECT_THAT(text.of(one_session(90, 20)), HasSubstr("ouro_session_events_total{session=\"flight\",user=\"shop\"} 120\n"));
  DaemonFigures another = one_session(5, 0);
  another.sessions[0].generation = 8;
  EXPECT_THAT(text.of(another), HasSubstr("ouro_session_events_total{session=\"flight\",user=\"shop\"} 5\n"));
}

// As Prometheus' exposition format has it: each family once, HELP and TYPE before its samples, labels with escapes.
TEST(Metrics, EachLineIsOfTheFormat) {
  DaemonFigures figures = one_session(1, 2);
  figures.has_retention = true;
  figures.sessions[0].figures.name = "a\"b\\c\nd";
  const std::string text = MetricsText().of(figures);
  std::istringstream lines(text);
  std::map<std::string, int> families;
  std::string family, mark, kind, name, type;
  for (std::string line; std::getline(lines, line);) {
    if (line[0] == '#') {
      std::istringstream(line) >> mark >> kind >> family;
      EXPECT_EQ(kind, "HELP") << line;
      EXPECT_EQ(++families[family], 1) << line;
      std::getline(lines, line);
      std::istringstream(line) >> mark >> kind >> name >> type;
      EXPECT_EQ(line, "# TYPE " + family + (family.ends_with("_total") ? " counter" : " gauge"));
    } else {
      EXPECT_THAT(line, MatchesRegex(R"re([a-z_]+(\{[a-z]+="([^"\\]|\\["\\n])*"(,[a-z]+="([^"\\]|\\["\\n])*")*\})? [0-9.e+-]+)re"));
      EXPECT_EQ(line.substr(0, line.find_first_of(" {")), family);
    }
  }
  EXPECT_GE(families.size(), 15u);
  EXPECT_THAT(text, HasSubstr(R"(session="a\"b\\c\nd")"));
}

class MetricsServerTest : public testing::Test {
 protected:
  ~MetricsServerTest() override { server_.reset(), ::unlink(path_.c_str()); }
  std::string ask(const std::string& request) {
    const base::Fd caller(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path_.c_str());
    if (::connect(caller.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return "nobody";
    (void)!::write(caller.get(), request.data(), request.size());
    std::string out;
    for (int i = 0; i < 500; ++i) {
      pollfd on{server_->fd(), POLLIN, 0};
      ::poll(&on, 1, 10);
      server_->step();
      char text[4096];
      const ssize_t n = ::recv(caller.get(), text, sizeof text, MSG_DONTWAIT);
      if (n == 0) break;
      if (n > 0) out.append(text, static_cast<std::size_t>(n));
    }
    return out;
  }
  std::string get(const std::string& path, const std::string& method = "GET") { return ask(method + " " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); }
  Status start() {
    auto made = MetricsServer::create("unix:" + path_, -1, [] { return std::string("ouro_x 1\n"); });
    if (!made) return made.error();
    server_ = std::move(*made);
    return Ok{};
  }

  const std::string path_ = testing::TempDir() + "ouro-metrics-" + std::to_string(::getpid());
  std::unique_ptr<MetricsServer> server_;
};

TEST_F(MetricsServerTest, AnswersWithTheText) {
  ASSERT_TRUE(start());
  const std::string answer = get("/metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\nouro_x 1\n"));
}

TEST_F(MetricsServerTest, RefusesAllElse) {
  ASSERT_TRUE(start());
  EXPECT_THAT(get("/"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(get("/metrics/../etc/passwd"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(get("/metrics", "DELETE"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(ask("\x16\x03\x01 nonsense\r\n\r\n"), StartsWith("HTTP/1."));
  EXPECT_THAT(get("/metrics"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(MetricsServerTest, ASocketThatSomebodyLeftIsTakenAndOneThatAnswersIsNot) {
  ASSERT_TRUE(start());
  struct stat status;
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0660u);
  EXPECT_THAT(MetricsServer::create("unix:" + path_, -1, {}).error().text, HasSubstr("Address already in use"));
  server_.reset();
  EXPECT_NE(::stat(path_.c_str(), &status), 0);
  { const Result<base::Fd> left = listen_on("unix:" + path_); }
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_TRUE(start());
}

TEST_F(MetricsServerTest, AddressesThatAreNone) {
  EXPECT_FALSE(listen_on("no.such.host.invalid:1"));
  EXPECT_THAT(listen_on("unix:/no/such/folder/s").error().text, HasSubstr("No such file"));
  EXPECT_TRUE(listen_on("127.0.0.1:0"));
}

}  // namespace
}  // namespace ouro::cli
