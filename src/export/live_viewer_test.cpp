// What a viewer is told of a trace that grows, and what becomes of one that asks for nonsense.
#include "export/live_viewer.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/file.h>

#include <filesystem>
#include <random>
#include <thread>

#include "base/fd.hpp"
#include "export/live_server.hpp"
#include "format/live_mark.hpp"
#include "format/test_trace.hpp"

namespace ouro::live {
namespace {

using format::LiveMark;
using format::PacketHeader;
using format::test::description;
using format::test::TestTrace;

std::uint64_t number(const Bytes& from, std::size_t at, std::size_t size) {
  std::uint64_t out = 0;
  for (std::size_t i = at; i < at + size && i < from.size(); ++i) out = out << 8 | static_cast<std::uint64_t>(from[i]);
  return out;
}

format::EventClass event(const char* name) { return {name, abi::EventKind::point, abi::Level::info, "a.cpp", 1, {}}; }

class LiveViewer : public testing::Test {
 protected:
  enum Status { ok = 1, retry = 2, hung_up = 3, error = 4, inactive = 5 };
  struct Answer {
    unsigned status;
    std::uint64_t begin, end, bytes, flags, offset;
    bool operator==(const Answer&) const = default;
  };

  LiveViewer() { mark(0); }

  // The recorder.
  void mark(std::uint64_t until, std::uint32_t cpus = 1) {
    const std::string path = trace_.folder() + "/" + format::kLiveMarkName;
    if (!mark_) mark_ = base::Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::flock(mark_.get(), LOCK_EX | LOCK_NB), 0);
    const auto bytes = format::encode(LiveMark{until, cpus});
    ASSERT_EQ(::pwrite(mark_.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    wait();
  }
  void end() {
    std::filesystem::remove(trace_.folder() + "/" + format::kLiveMarkName);
    mark_.reset();
    wait();
  }
  void packet(const std::string& stream, std::uint64_t begin, std::uint64_t end, std::size_t bytes = 10, std::size_t written = 10) {
    PacketHeader header{.uuid = description({}).uuid, .stream_id = stream == "ouro_state", .timestamp_begin = begin, .timestamp_end = end, .content_bytes = format::kPacketHeaderSize + bytes};
    const auto head = format::encode(header);
    std::string text(reinterpret_cast<const char*>(head.data()), head.size());
    text.append(written, 'x');
    std::ofstream(trace_.folder() + "/" + stream, std::ios::app | std::ios::binary) << text;
    wait();
  }
  void metadata(std::vector<const char*> names) {
    format::TraceDescription trace = description({});
    for (std::size_t i = 0; i < names.size(); ++i) trace.events.emplace_back(static_cast<std::uint32_t>(i), event(names[i]));
    std::ofstream(trace_.folder() + "/metadata.new") << format::metadata_text(trace);
    std::filesystem::rename(trace_.folder() + "/metadata.new", trace_.folder() + "/metadata");
    wait();
  }
  static void wait() { std::this_thread::sleep_for(std::chrono::milliseconds(25)); }  // until it is looked at again

  // The viewer.
  void serve(bool from_now = false) {
    Result<LiveTrace> trace = LiveTrace::open(trace_.folder());
    ASSERT_TRUE(trace) << trace.error().text;
    sessions_.push_back({"trace", std::move(*trace)});
    options_ = {from_now, "host"};
    viewer_.emplace(sessions_, options_, 1);
  }
  Bytes ask(const Request& request) {
    Bytes out;
    EXPECT_TRUE(viewer_->answer(request, out));
    return out;
  }
  Bytes attach() {
    ask({.command = Command::connect, .major = 2, .minor = 4});
    return ask({.command = Command::attach_session, .session = 0, .seek = 2});
  }
  std::string metadata_text() {
    const Bytes out = ask({.command = Command::get_metadata, .stream = 0});
    return std::string(reinterpret_cast<const char*>(out.data()) + 12, out.size() - 12);
  }
  Answer next(std::uint64_t stream) {
    const Bytes out = ask({.command = Command::get_next_index, .stream = stream});
    return {static_cast<unsigned>(number(out, 56, 4)), number(out, 24, 8), number(out, 32, 8), number(out, 8, 8) / 8, number(out, 60, 4), number(out, 0, 8)};
  }
  unsigned new_streams() { return static_cast<unsigned>(number(ask({.command = Command::get_new_streams, .session = 0}), 0, 4)); }

  static constexpr std::uint64_t kState = 1, kCpu0 = 2, kShared0 = 3;
  static constexpr std::uint64_t kPacket = format::kPacketHeaderSize + 10;
  TestTrace trace_{description({})};
  base::Fd mark_;
  std::vector<LiveSession> sessions_;
  ViewerOptions options_;
  std::optional<Viewer> viewer_;
};

TEST_F(LiveViewer, HasAllStreamsThatThereMayBeFromTheBeginning) {
  mark(0, 3);
  serve();
  const Bytes out = attach();
  EXPECT_EQ(number(out, 0, 4), 1u);
  EXPECT_EQ(number(out, 4, 4), 1u + 1 + 3 + 3);  // metadata, ouro_state, stream_cpuN, stream_sharedN
}

TEST_F(LiveViewer, WaitsUntilTheClockIsKnown) {
  serve();
  attach();
  packet("stream_cpu0", 5, 6);
  EXPECT_EQ(metadata_text(), "");
  EXPECT_EQ(next(kCpu0).status, retry);
  mark(1000);
  EXPECT_EQ(metadata_text(), format::metadata_text(description({})));
  EXPECT_EQ(next(kCpu0).status, ok);
}

TEST_F(LiveViewer, IsToldOfQuietStreamsUpToWhenAndNoTwoTheSame) {
  mark(1000);
  serve();
  attach();
  metadata_text();
  packet("stream_cpu0", 1500, 1600);
  EXPECT_EQ(next(kState), (Answer{inactive, 0, 1000, 0, 0, 0}));
  EXPECT_EQ(next(kCpu0), (Answer{ok, 1500, 1600, kPacket, 0, 0}));
  EXPECT_EQ(next(kShared0), (Answer{inactive, 0, 1000 - 32, 0, 0, 0}));
  EXPECT_EQ(next(kCpu0), (Answer{inactive, 0, 1600, 0, 0, 0}));  // not before its own last packet
  mark(5000);
  EXPECT_EQ(next(kCpu0), (Answer{inactive, 0, 5000 - 16, 0, 0, 0}));
  packet("stream_cpu0", 6000, 6000);
  EXPECT_EQ(next(kCpu0), (Answer{ok, 6000, 6000, kPacket, 0, kPacket}));
}

TEST_F(LiveViewer, HasAPacketWhenAllOfItIsThere) {
  mark(1000);
  serve();
  attach();
  metadata_text();
  packet("stream_cpu0", 1500, 1600, 10, 4);
  EXPECT_EQ(next(kCpu0).status, inactive);
  std::ofstream(trace_.folder() + "/stream_cpu0", std::ios::app) << "abcdef";
  wait();
  EXPECT_EQ(next(kCpu0).status, ok);
  const Bytes out = ask({.command = Command::get_packet, .stream = kCpu0, .offset = format::kPacketHeaderSize, .bytes = 100});
  EXPECT_EQ(number(out, 0, 4), 1u);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(out.data()) + 12, out.size() - 12), "xxxxabcdef");
}

TEST_F(LiveViewer, IsSentNewEventsBeforeTheirPacket) {
  metadata({"a:b"});
  mark(1000);
  serve();
  attach();
  EXPECT_NE(metadata_text().find("\"a:b\""), std::string::npos);
  packet("stream_cpu0", 1500, 1600);
  EXPECT_EQ(next(kCpu0).flags, 0u);
  metadata({"a:b", "a:c }; {"});
  packet("stream_cpu0", 1700, 1800);
  EXPECT_EQ(next(kCpu0).flags, kNewMetadata);
  const std::string text = metadata_text();
  EXPECT_TRUE(text.starts_with("event {\n  name = \"a:c }; {\";")) << text;
  EXPECT_EQ(text.find("a:b"), std::string::npos);
  EXPECT_EQ(metadata_text(), "");
}

TEST_F(LiveViewer, OfAPacketThatComesTooLateHasNothingAndItIsCounted) {
  mark(1000);
  serve();
  attach();
  metadata_text();
  EXPECT_EQ(next(kCpu0), (Answer{inactive, 0, 984, 0, 0, 0}));
  packet("stream_cpu0", 900, 990);
  packet("stream_cpu0", 990, 1100);
  EXPECT_EQ(next(kCpu0), (Answer{ok, 990, 1100, kPacket, 0, kPacket}));
  EXPECT_EQ(viewer_->served().late, 1u);
}

TEST_F(LiveViewer, HasEverythingAndThenTheEnd) {
  packet("stream_cpu0", 5, 6);
  mark(1000);
  serve();
  attach();
  metadata_text();
  EXPECT_EQ(next(kState).status, inactive);
  EXPECT_EQ(new_streams(), 2u);  // none
  packet("ouro_state", 1200, 1300);
  end();
  EXPECT_EQ(next(kState), (Answer{ok, 1200, 1300, kPacket, 0, 0}));
  EXPECT_EQ(next(kState).status, hung_up);
  EXPECT_EQ(next(kShared0).status, hung_up);
  EXPECT_EQ(new_streams(), 2u) << "the end before it had all";
  EXPECT_EQ(next(kCpu0).status, ok);
  EXPECT_EQ(next(kCpu0).status, hung_up);
  EXPECT_EQ(new_streams(), 4u);  // it is over
  EXPECT_EQ(number(ask({.command = Command::list_sessions}), 0, 4), 0u) << "it would attach again";
}

TEST_F(LiveViewer, OfARecorderThatWasKilledHasWhatThereIs) {
  packet("stream_cpu0", 5, 6);
  packet("stream_cpu0", 7, 8, 10, 3);
  mark_.reset();  // the lock goes with it; the mark stays
  serve();
  attach();
  EXPECT_NE(metadata_text(), "");
  EXPECT_EQ(next(kCpu0).status, ok);
  EXPECT_EQ(next(kCpu0).status, hung_up);
}

TEST_F(LiveViewer, FromNowHasPacketsThatEndLater) {
  packet("ouro_state", 1, 2);
  packet("stream_cpu0", 5, 6);
  packet("stream_cpu0", 7, 1200);
  mark(1000);
  serve(true);
  attach();
  metadata_text();
  EXPECT_EQ(next(kState), (Answer{ok, 1, 2, kPacket, 0, 0}));
  EXPECT_EQ(next(kCpu0), (Answer{ok, 7, 1200, kPacket, 0, kPacket}));
}

TEST_F(LiveViewer, ABrokenStreamEndsAndSaysWhy) {
  mark(1000);
  serve();
  attach();
  metadata_text();
  packet("stream_cpu0", 1500, 1600);
  std::ofstream(trace_.folder() + "/stream_cpu0", std::ios::app) << std::string(100, 'x');
  packet("stream_cpu0", 1700, 1800);
  EXPECT_EQ(next(kCpu0).status, ok);
  EXPECT_EQ(next(kCpu0).status, inactive);
  EXPECT_EQ(sessions_[0].trace.streams()[1].damage, "trace '" + trace_.folder() + "': stream_cpu0: no packet of this trace at byte " + std::to_string(kPacket));
}

TEST_F(LiveViewer, MustConnectFirstAndSpeakOurVersion) {
  serve();
  Bytes out;
  EXPECT_FALSE(viewer_->answer({.command = Command::list_sessions}, out));
  EXPECT_TRUE(out.empty());
  EXPECT_FALSE(viewer_->answer({.command = Command::connect, .major = 3, .minor = 0}, out));
  EXPECT_EQ(number(out, 8, 4), 2u);  // so that it can say what is wrong
}

TEST_F(LiveViewer, MayAskForAnything) {
  packet("stream_cpu0", 5, 6);
  mark(1000);
  serve();
  attach();
  EXPECT_EQ(number(ask({.command = Command::attach_session, .session = 0}), 0, 4), 2u);
  EXPECT_EQ(number(ask({.command = Command::attach_session, .session = 1}), 0, 4), 3u);
  EXPECT_EQ(number(ask({.command = Command::detach_session, .session = 1}), 0, 4), 2u);
  EXPECT_EQ(next(0).status, error);
  EXPECT_EQ(next(4).status, error);
  EXPECT_EQ(next(std::uint64_t{1} << 32 | kCpu0).status, error);
  EXPECT_EQ(number(ask({.command = Command::get_packet, .stream = kCpu0, .offset = kPacket, .bytes = 1}), 0, 4), 3u);
  std::mt19937_64 random(3);
  const auto some = [&] { return random() % 3 == 0 ? random() : random() % 5; };
  for (int i = 0; i < 50'000; ++i) {
    const Request request{.command = static_cast<Command>(1 + random() % kCommands), .major = 2, .minor = static_cast<std::uint32_t>(some()), .session = some(), .seek = 1,
                          .stream = some(), .offset = some(), .bytes = static_cast<std::uint32_t>(some())};
    Bytes out;
    ASSERT_TRUE(viewer_->answer(request, out));
    ASSERT_FALSE(out.empty());
    ASSERT_LT(out.size(), 100'000u);
  }
}

TEST(LiveTrace, IsAFolderWithMetadata) {
  const Result<LiveTrace> none = LiveTrace::open("/nowhere");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().text, "trace '/nowhere': No such file or directory (hint: the folder that `ouro record -o` writes)");
}

TEST(LiveAddress, IsAnAddressAndAPort) {
  const auto parsed = [](const char* text) {
    const Result<Address> address = parse_address(text);
    return address ? address->host + " " + std::to_string(address->port) + (address->is_loopback ? " loopback" : "") : "";
  };
  EXPECT_EQ(parsed("5345"), "127.0.0.1 5345 loopback");
  EXPECT_EQ(parsed("localhost:0"), "127.0.0.1 0 loopback");
  EXPECT_EQ(parsed("0.0.0.0:5344"), "0.0.0.0 5344");
  EXPECT_EQ(parsed("[::1]:80"), "::1 80 loopback");
  for (const char* wrong : {"", ":", ":5344", "::1", "1.2.3.4:", "host:5344", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:5x", "127.0.0.1"})
    EXPECT_EQ(parsed(wrong), "") << wrong;
}

TEST(LiveMark, IsReadOnlyAsAWhole) {
  auto bytes = format::encode(LiveMark{77, 4});
  const std::optional<LiveMark> mark = format::decode_live_mark(bytes);
  ASSERT_TRUE(mark);
  EXPECT_EQ(mark->complete_until, 77u);
  EXPECT_EQ(mark->cpus, 4u);
  EXPECT_FALSE(format::decode_live_mark(std::span(bytes).first(31)));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i / 4 == 3) continue;  // cpus: any number but large ones
    bytes[i] ^= std::byte{1};
    EXPECT_FALSE(format::decode_live_mark(bytes)) << i;
    bytes[i] ^= std::byte{1};
  }
  EXPECT_FALSE(format::decode_live_mark(format::encode(LiveMark{77, format::kMostMarkedCpus + 1})));
}

}  // namespace
}  // namespace ouro::live
