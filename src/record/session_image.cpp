// Sessions of which only a copy is left, and what a session keeps for that case.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "record/session.hpp"

namespace ouro::record {
namespace {

// Of the clock that runs, to 2 millionths.
std::uint64_t frequency_now() {
  const clock::Pair begin = clock::read_pair(abi::ClockKind::tsc);
  ::usleep(200'000);
  return clock::calibrate(abi::ClockKind::tsc, begin, clock::read_pair(abi::ClockKind::tsc), {}).frequency;
}

}  // namespace

// The clock's speed where the running one does not tell it: from a program that joined, if it agrees with what was measured at the beginning.
clock::Pair Session::late_pair(const abi::SessionHeader& h) const {
  const clock::Pair late{h.late_ticks.load(std::memory_order_relaxed), static_cast<std::int64_t>(h.late_ns.load(std::memory_order_relaxed)), begin_.error_ns};
  constexpr std::int64_t kLeast = 1'000'000'000, kMost = std::int64_t{1} << 56;  // ns: two years
  constexpr std::uint64_t kMostHz = 100'000'000'000;
  const bool is_measured = h.frequency != 0 && h.frequency <= kMostHz;
  // Nobody did: this machine's clock has the speed that it had, if it is this machine's.
  const double hz = static_cast<double>(is_measured ? h.frequency : !is_of_other_boot_ ? 0 : options_.clock == abi::ClockKind::tsc ? frequency_now() : 1'000'000'000);
  const bool is_known = late.ns > begin_.ns + kLeast && late.ns < begin_.ns + kMost && late.ticks > begin_.ticks;
  const double seen = is_known ? static_cast<double>(late.ticks - begin_.ticks) * 1e9 / static_cast<double>(late.ns - begin_.ns) : 0;
  if (seen > hz * 0.9999 && seen < hz * 1.0001) return late;
  constexpr std::int64_t kTime = 100'000'000'000;  // as if it had been measured for so long
  return {begin_.ticks + static_cast<clock::Ticks>(hz * 100), begin_.ns + kTime, begin_.error_ns};
}

// For those who read it after a reboot.
void Session::measure_frequency() {
  ::usleep(200'000);
  header().frequency = clock::calibrate(options_.clock, begin_, clock::read_pair(options_.clock), realtime_).frequency;
}

bool Session::is_hole(std::uint32_t ring, std::uint64_t subbuf) const {
  const std::uint64_t begin = places_.rings + ring * places_.ring_stride + abi::kRingDataOffset + subbuf * options_.subbuf_size;
  const off_t data = ::lseek(fd_.get(), static_cast<off_t>(begin), SEEK_DATA);
  return data < 0 ? errno == ENXIO : static_cast<std::uint64_t>(data) >= begin + options_.subbuf_size;
}

Result<Session> Session::of_image(base::Fd file, const std::string& path) {
  Session out;
  out.leaves_ = out.is_image_ = true;
  out.path_ = path;
  out.file_ = path.substr(path.rfind('/') + 1);
  out.options_.name = out.file_.rfind("session-", 0) == 0 ? out.file_.substr(std::strlen("session-")) : out.file_;
  out.fd_ = std::move(file);
  struct stat status;
  if (::fstat(out.fd_.get(), &status) != 0) return error_from_errno("session '%s'", path.c_str());
  if (!S_ISREG(status.st_mode)) return errorf(EINVAL, "session '%s' is no regular file, want one", path.c_str());
  out.options_.owner = status.st_uid;
  out.places_.end = static_cast<std::uint64_t>(status.st_size);
  if (!out.read_header())
    return errorf(EINVAL, "session '%s': its header makes no sense, or is of another version than %u (hint: it was made by another Ouro, is no session, or its beginning is torn)",
                  path.c_str(), abi::kSessionVersion);
  if (Status mapped = out.map(); !mapped) return mapped.error();
  // The newest stamp of all rings, as far as it may be true.
  constexpr clock::Ticks kMost = clock::Ticks{1} << 62;
  for (std::uint32_t i = 0; i < out.ring_count(); ++i) {
    const clock::Ticks last = out.ring(i).writer.last_stamp.load(std::memory_order_relaxed);
    if (last < kMost) out.image_end_ = std::max(out.image_end_, last);
  }
  return out;
}

}  // namespace ouro::record
