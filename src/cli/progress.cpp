#include "cli/progress.hpp"

#include <unistd.h>

#include <algorithm>

#include "base/fd.hpp"
#include "base/textf.hpp"

namespace ouro::cli {
namespace {

using base::textf;

std::string human(double n) {
  if (n < 1e4) return textf("%.0f", n);
  if (n < 1e6) return textf("%.0f k", n / 1e3);
  return n < 1e9 ? textf("%.1f M", n / 1e6) : textf("%.2f G", n / 1e9);
}

}  // namespace

Progress::Progress(const char* command, const read::Trace& trace, const Place& place) : command_(command), trace_(trace), place_(place), next_(begun_ + place.after) {}

Progress::Place Progress::standard() { return {.fd = STDERR_FILENO, .is_terminal = ::isatty(STDERR_FILENO) == 1}; }

Progress::Place Progress::beside_output() {
  Place out = standard();
  out.is_terminal = out.is_terminal && ::isatty(STDOUT_FILENO) != 1;
  return out;
}

// What share of the files was read, padding aside. Of a recording in pieces only those that are open have a size.
std::string Progress::text(double seconds) const {
  std::uint64_t all = 0;
  bool in_pieces = false;
  for (const read::Stream& stream : trace_.streams()) {
    all += stream.bytes;
    in_pieces |= stream.file.find('/') != std::string::npos;
  }
  std::string out = textf("ouro: %s: ", command_) + human(static_cast<double>(events_)) + " events";
  if (share_ || (!in_pieces && all != 0)) out += textf(", %.0f%%", std::min(99.0, 100 * share_.value_or(static_cast<double>(bytes_) / static_cast<double>(all))));
  if (seconds > 0) out += " (" + human(static_cast<double>(events_) / seconds) + " events/s)";
  return out;
}

void Progress::look() {
  const Clock::time_point now = Clock::now();
  if (now < next_) return;
  next_ = now + place_.every;
  const std::string line = "\r" + text(std::chrono::duration<double>(now - begun_).count()) + "\x1b[K";
  (void)base::write_all(place_.fd, line.data(), line.size());
  is_shown_ = true;
}

void Progress::clear() {
  if (!is_shown_) return;
  is_shown_ = false;
  (void)base::write_all(place_.fd, "\r\x1b[K", 4);
}

}  // namespace ouro::cli
