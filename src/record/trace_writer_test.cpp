#include "record/trace_writer.hpp"

#include <sys/resource.h>

#include <csignal>

#include "record/test_session.hpp"

namespace ouro::record {
namespace {

using test::TestFolder;

// Files of this process hold at most `bytes` while it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    handler_ = ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit old_{};
  void (*handler_)(int);
};

constexpr std::size_t kHeader = format::kPacketHeaderSize;

std::uint64_t u64_at(const std::string& bytes, std::size_t at) {
  std::uint64_t out = 0;
  std::memcpy(&out, bytes.data() + at, sizeof out);
  return out;
}

class StreamTest : public testing::Test {
 protected:
  StreamTest() : trace_(std::move(*TraceFolder::create(folder_.in("t")))), stream_("s", format::Uuid{}, 0, 5, 3) {}
  Status append(std::size_t size, std::uint64_t discarded = 0) {
    const std::vector<std::byte> bytes(size, std::byte{'x'});
    return stream_.append(trace_, 10, 20, discarded, bytes);
  }
  std::string contents() const { return folder_.read("t/s"); }

  TestFolder folder_;
  TraceFolder trace_;
  StreamFile stream_;
};

TEST_F(StreamTest, ItsFileIsMadeWithTheFirstPacket) {
  EXPECT_FALSE(std::filesystem::exists(folder_.in("t/s")));
  ASSERT_TRUE(append(100));
  EXPECT_EQ(contents().size(), kHeader + 100);
}

TEST_F(StreamTest, PacketsAreNumberedFromZeroAndStandOneBehindTheOther) {
  ASSERT_TRUE(append(100, 1));
  ASSERT_TRUE(append(50, 2));
  const std::string bytes = contents();
  ASSERT_EQ(bytes.size(), 2 * kHeader + 150);
  EXPECT_EQ(u64_at(bytes, format::kEventsDiscardedOffset - 8), 0u);
  EXPECT_EQ(u64_at(bytes, kHeader + 100 + format::kEventsDiscardedOffset - 8), 1u);
  EXPECT_EQ(u64_at(bytes, kHeader + 100 + format::kEventsDiscardedOffset), 2u);
}

//  before   [ packet 0 ][ packet 1: as much as fits |   the limit
//  after    [ packet 0 ]
TEST_F(StreamTest, APacketThatIsNotWrittenWholeIsTakenBack) {
  ASSERT_TRUE(append(100));
  const std::string before = contents();
  {
    const FileSizeLimit limit(before.size() + kHeader + 10);
    const Status written = append(100);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, EFBIG);
  }
  EXPECT_EQ(contents(), before);
  ASSERT_TRUE(append(30));  // there is room again
  EXPECT_EQ(contents().size(), before.size() + kHeader + 30);
  EXPECT_EQ(u64_at(contents(), before.size() + format::kEventsDiscardedOffset - 8), 1u);
}

TEST_F(StreamTest, AFirstPacketThatCannotBeWrittenLeavesNoFile) {
  const FileSizeLimit limit(50);
  EXPECT_FALSE(append(100));
  EXPECT_FALSE(std::filesystem::exists(folder_.in("t/s")));
}

TEST_F(StreamTest, ALossAfterTheLastPacketIsWrittenOverItsHeader) {
  ASSERT_TRUE(append(100, 1));
  ASSERT_TRUE(append(50, 2));
  const std::string before = contents();
  ASSERT_TRUE(stream_.set_discarded(9));
  std::string wanted = before;
  wanted[kHeader + 100 + format::kEventsDiscardedOffset] = 9;
  EXPECT_EQ(contents(), wanted);
}

TEST(TraceFolder, OneThatHoldsSomethingIsRefused) {
  TestFolder folder;
  std::filesystem::create_directory(folder.in("t"));
  EXPECT_TRUE(TraceFolder::create(folder.in("t")));
  std::ofstream(folder.in("t/.hidden")) << "";
  const Result<TraceFolder> trace = TraceFolder::create(folder.in("t"));
  ASSERT_FALSE(trace);
  EXPECT_NE(trace.error().text.find("not empty"), std::string::npos);
  EXPECT_FALSE(TraceFolder::create(folder.in("no/parent")));
  EXPECT_FALSE(TraceFolder::create(folder.in("t/.hidden")));
}

TEST(TraceFolder, MetadataIsReplacedWhole) {
  TestFolder folder;
  Result<TraceFolder> trace = TraceFolder::create(folder.in("t"));
  ASSERT_TRUE(trace->write_metadata("first, and longer"));
  ASSERT_TRUE(trace->write_metadata("second"));
  EXPECT_EQ(folder.read("t/metadata"), "second");
  const FileSizeLimit limit(3);
  EXPECT_FALSE(trace->write_metadata("third"));
  EXPECT_EQ(folder.read("t/metadata"), "second");
  EXPECT_FALSE(std::filesystem::exists(folder.in("t/metadata.new")));
}

TEST(TraceFolder, OneThatWasMadeForNothingIsRemoved) {
  TestFolder folder;
  TraceFolder::create(folder.in("t"))->discard();
  EXPECT_FALSE(std::filesystem::exists(folder.in("t")));
  std::filesystem::create_directory(folder.in("u"));
  TraceFolder::create(folder.in("u"))->discard();
  EXPECT_TRUE(std::filesystem::exists(folder.in("u")));  // somebody else's
}

}  // namespace
}  // namespace ouro::record
