#include "cli/follow.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <optional>
#include <thread>
#include <utility>

#include "format/live_mark.hpp"
#include "format/pieces.hpp"

namespace ouro::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kLookEvery = 50ms;
constexpr std::int64_t kClockError = 1'000'000'000;
constexpr int kLooksWithoutAMark = 20;  // between two traces of a rotated recording there may be none for a moment

// The trace that is written now: the newest of those of a rotated recording.
std::string newest(const std::string& folder) {
  std::string name;
  std::error_code failed;
  for (std::filesystem::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed))
    if (const std::string here = at->path().filename(); format::parse_piece_name(here) && here > name) name = here;
  return name.empty() ? folder : folder + "/" + name;
}

// None: nobody is writing.
std::optional<format::LiveMark> mark_of(const std::string& folder) {
  const base::Fd fd(::open((newest(folder) + "/" + format::kLiveMarkName).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return std::nullopt;
  if (::flock(fd.get(), LOCK_SH | LOCK_NB) == 0) return std::nullopt;
  std::array<std::byte, format::kLiveMarkSize> bytes;
  const ssize_t n = ::pread(fd.get(), bytes.data(), bytes.size(), 0);
  const auto mark = n == static_cast<ssize_t>(bytes.size()) ? format::decode_live_mark(bytes) : std::nullopt;
  return mark.value_or(format::LiveMark{});  // half written: later, then
}

}  // namespace

bool Follow::wait(const std::function<bool()>& stop) {
  if (is_over_) return false;
  for (int without = 0; !stop(); std::this_thread::sleep_for(kLookEvery)) {
    const std::optional<format::LiveMark> mark = mark_of(folder_);
    if (!mark && ++without == kLooksWithoutAMark) {
      is_over_ = true;
      until_ = ~std::uint64_t{0};
      return true;
    }
    if (!mark || mark->complete_until <= given_) continue;
    until_ = mark->complete_until;
    return true;
  }
  return false;
}

Result<read::Trace> Follow::open() {
  Result<read::Trace> trace = read::Trace::open(folder_);
  if (!trace) return trace;
  // What the clock's ticks are in ns is known better from second to second: is_new() goes by ticks.
  if (last_ns_ != INT64_MIN) trace->seek(last_ns_ - kClockError);
  from_ = std::exchange(given_, until_);
  return trace;
}

}  // namespace ouro::cli
