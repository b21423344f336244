#include "cli/say.hpp"

#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <utility>

#include "base/fd.hpp"

namespace ouro::cli {
namespace {

thread_local const std::function<void(const std::string&)>* listener = nullptr;

}  // namespace

SayTo::SayTo(std::function<void(const std::string&)> to) : to_(std::move(to)) { listener = &to_; }
SayTo::~SayTo() { listener = nullptr; }

void say_line(const std::string& text) {
  if (listener != nullptr) return (*listener)(text);
  const std::string line = "ouro: " + text + "\n";
  static_cast<void>(base::write_all(STDERR_FILENO, line.data(), line.size()));  // of a failure there is nobody to tell
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
