#include "cli/say.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <utility>

namespace ouro::cli {
namespace {

thread_local const std::function<void(const std::string&)>* listener = nullptr;

}  // namespace

SayTo::SayTo(std::function<void(const std::string&)> to) : to_(std::move(to)) { listener = &to_; }
SayTo::~SayTo() { listener = nullptr; }

void say_line(const std::string& text) {
  if (listener != nullptr) return (*listener)(text);
  const std::string line = "ouro: " + text + "\n";
  for (std::size_t done = 0; done < line.size();) {
    const ssize_t n = ::write(STDERR_FILENO, line.data() + done, line.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // nobody to tell
    done += static_cast<std::size_t>(n);
  }
}

void say(const char* format, ...) {
  char text[2048];
  va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof text, format, args);
  va_end(args);
  say_line(text);
}

std::string human_bytes(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"bytes", "kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) return std::to_string(bytes) + " bytes";
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 999.95 && unit + 1 < std::size(kUnits); ++unit) value /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %s", value, kUnits[unit]);
  return text;
}

std::string binary_size(std::uint64_t bytes) {
  for (const auto& [suffix, shift] : {std::pair{'G', 30}, {'M', 20}, {'K', 10}})
    if (bytes != 0 && bytes % (std::uint64_t{1} << shift) == 0) return std::to_string(bytes >> shift) + suffix;
  return std::to_string(bytes);
}

}  // namespace ouro::cli
