// Streams are read by way of a window that is copied from the file, or, where a program has many files open, from the mapped file. Both give the same, wherever windows end.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <ouro/read.hpp>

#include "base/fd.hpp"
#include "format/test_trace.hpp"
#include "read/mapped_file.hpp"

namespace ouro::read {
namespace {

using abi::FieldType;
using format::test::Bytes;
using format::test::description;
using format::test::scalar;
using format::test::TestTrace;

constexpr std::size_t kWindow = FileWindow::kLargest;

// So many that files opened now are mapped, not copied.
class ManyFiles {
 public:
  ManyFiles() {
    while (files_.empty() || files_.back().get() < 512) files_.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }

 private:
  std::vector<base::Fd> files_;
};

// An event a line, then the damage.
std::vector<std::string> lines_of(const std::string& folder) {
  std::vector<std::string> out;
  Result<Trace> trace = Trace::open(folder);
  if (!trace) return {trace.error().text};
  while (const Event* event = trace->next()) {
    out.push_back(std::to_string(event->ticks) + " " + std::to_string(event->tid) + " " + event->type->name + " " + std::to_string(event->size));
    for (const Value& value : event->fields()) out.back() += " " + (value.kind() == Kind::string ? std::string(value.text()) : std::to_string(value.u));
  }
  for (const Damage& damage : trace->damage()) out.push_back(damage.text);
  return out;
}
std::vector<std::string> mapped_lines_of(const std::string& folder) {
  const ManyFiles many;
  return lines_of(folder);
}

class Windows : public testing::TestWithParam<unsigned> {
 protected:
  static format::TraceDescription two_classes() {
    return description({{0, {"t:n", abi::EventKind::point, abi::Level::info, "", 0, {scalar("n", FieldType::u32)}}},
                        {1, {"t:s", abi::EventKind::point, abi::Level::info, "", 0, {scalar("s", FieldType::string), scalar("n", FieldType::u32)}}}});
  }
  Windows() : random_(GetParam()), folder_(two_classes()) {}

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  // Mostly small events; some of about a window's size, some of several.
  void write_packets() {
    std::uint64_t stamp = 1000, bytes = 0;
    for (std::uint64_t p = 0, count = 3 + below(20); p < count || bytes < 3 * kWindow; ++p) {
      Bytes events;
      const std::uint64_t begin = stamp;
      for (std::uint64_t i = 0, n = below(2) == 0 ? below(20) : below(8000); i < n; ++i) {
        const auto tid = static_cast<std::uint32_t>(below(3));
        const std::uint64_t kind = below(4000);
        if (kind > 1000) {
          events.compact(0, stamp, tid).put(static_cast<std::uint32_t>(i));
          written_.push_back(std::to_string(stamp) + " " + std::to_string(tid) + " t:n 12 " + std::to_string(i));
        } else {
          const std::size_t size = kind == 0 ? below(4 * kWindow) : kind == 1 ? kWindow - 40 + below(60) : below(100);
          const std::string text(size, static_cast<char>('a' + i % 26));
          events.compact(1, stamp, tid).text(text).put(static_cast<std::uint32_t>(i));
          written_.push_back(std::to_string(stamp) + " " + std::to_string(tid) + " t:s " + std::to_string(size + 13) + " " + text + " " + std::to_string(i));
        }
        stamp += below(50);
      }
      bytes += events.size();
      folder_.packet("s", {.timestamp_begin = begin, .timestamp_end = stamp, .packet_seq_num = p}, events.get());
    }
  }

  void damage() {
    std::string bytes = folder_.read("s");
    switch (below(4)) {
      case 0: bytes[below(bytes.size())] = static_cast<char>(below(256)); break;
      case 1: bytes.resize(below(bytes.size())); break;
      case 2: bytes.replace(std::min(below(bytes.size()) / 4096 * 4096, bytes.size()), 4096 * (1 + below(20)), 4096, '\0'); break;
      default: bytes.insert(below(bytes.size()), below(2 * kWindow), 'x');
    }
    folder_.write("s", bytes);
  }

  std::mt19937_64 random_;
  std::vector<std::string> written_;  // as lines_of() has them
  TestTrace folder_;
};

TEST_P(Windows, EndAnywhereAndTheTraceIsTheSame) {
  write_packets();
  const std::vector<std::string> copied = lines_of(folder_.folder());
  EXPECT_TRUE(copied == mapped_lines_of(folder_.folder()));
  EXPECT_TRUE(copied == written_);
}

TEST_P(Windows, OfADamagedTraceGiveTheSameEventsAndSayTheSame) {
  write_packets();
  const std::string sound = folder_.read("s");
  for (int round = 0; round < 8; ++round) {
    folder_.write("s", sound);
    damage();
    const std::vector<std::string> copied = lines_of(folder_.folder()), mapped = mapped_lines_of(folder_.folder());
    const auto [a, b] = std::mismatch(copied.begin(), copied.end(), mapped.begin(), mapped.end());
    EXPECT_TRUE(a == copied.end() && b == mapped.end()) << "round " << round << ", line " << a - copied.begin() << "\ncopied: " << (a == copied.end() ? "" : a->substr(0, 300))
                                                        << "\nmapped: " << (b == mapped.end() ? "" : b->substr(0, 300)) << "\n" << copied.back().substr(0, 300) << "\n" << mapped.back().substr(0, 300);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Windows, testing::Range(0u, 12u));

}  // namespace
}  // namespace ouro::read
