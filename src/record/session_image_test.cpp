// Sessions of which a copy is left.
#include <sys/mman.h>

#include <gtest/gtest.h>

#include <optional>

#include "record/snapshot.hpp"
#include "record/test_session.hpp"

namespace ouro::record {
namespace {

std::uint64_t memory_of(int fd) {
  struct stat status;
  return ::fstat(fd, &status) == 0 ? static_cast<std::uint64_t>(status.st_blocks) * 512 : ~std::uint64_t{0};
}

class SessionImage : public testing::Test {
 protected:
  void make(std::uint32_t subbuf_count, std::uint64_t subbuf_size) {
    SessionOptions options = test::small_session();
    options.subbuf_count = subbuf_count;
    options.subbuf_size = subbuf_size;
    options.contexts = abi::bit(abi::Context::check);
    session_.emplace(std::move(*Session::create(folder_.runtime(), options)));
    program_.emplace(*session_);
    program_->add_event(0, "test:number");
  }
  // What the session's memory holds now, and holes where it holds nothing.
  base::Fd copy() {
    base::Fd out(::memfd_create("ouro-test", MFD_CLOEXEC));
    const std::uint64_t size = program_->header().total_size;
    EXPECT_EQ(::ftruncate(out.get(), static_cast<off_t>(size)), 0);
    const std::byte zeros[4096] = {};
    for (std::uint64_t at = 0; at < size; at += sizeof zeros) {
      if (std::memcmp(program_->base() + at, zeros, sizeof zeros) == 0) continue;
      EXPECT_EQ(::pwrite(out.get(), program_->base() + at, sizeof zeros, static_cast<off_t>(at)), static_cast<ssize_t>(sizeof zeros));
    }
    return out;
  }
  SnapshotSummary snapshot(base::Fd image) {
    const Result<Session> session = Session::of_image(std::move(image), "/session-test");
    EXPECT_TRUE(session) << session.error().text;
    Result<TraceFolder> trace = TraceFolder::create(folder_.in("trace"));
    return *write_snapshot(*session, *trace, {.env = {}, .warn = [](const std::string& text) { ADD_FAILURE() << text; }, .last = {}});
  }

  test::TestFolder folder_;
  std::optional<Session> session_;
  std::optional<test::FakeProgram> program_;
};

// A header may say that it is terabytes: what was never written takes nothing.
TEST_F(SessionImage, WhatIsAHoleIsNotRead) {
  make(16, 1 << 20);
  for (std::uint64_t n = 0; n < 50'000; ++n) program_->write(0, n);  // into the second sub-buffer
  base::Fd image = copy();
  const base::Fd same(::dup(image.get()));
  const std::uint64_t before = memory_of(same.get());
  EXPECT_EQ(snapshot(std::move(image)).events, 50'000u);
  EXPECT_GT(before, 1u << 20);
  EXPECT_LT(memory_of(same.get()), before + (1 << 20)) << "of " << program_->header().total_size << " bytes";
}

TEST_F(SessionImage, AStampOfTheFarFutureIsNoTimeOfThePast) {
  make(4, 4096);
  for (std::uint64_t n = 0; n < 2; ++n) program_->write(0, n);
  std::byte* record = reinterpret_cast<std::byte*>(&program_->head(2)) + abi::kRingDataOffset;
  constexpr std::size_t kSize = 16 + 4 + 8 + 8;
  const std::uint64_t far = ~std::uint64_t{0} - 1;
  std::memcpy(record + kSize + 8, &far, sizeof far);
  abi::put_check(program_->header().generation, record + kSize, kSize);
  const SnapshotSummary seen = snapshot(copy());
  EXPECT_EQ(seen.events, 2u);
  EXPECT_GT(seen.covered.count(), 0);
}

}  // namespace
}  // namespace ouro::record
