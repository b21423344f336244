#include "cli/recorded_folder.hpp"

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <thread>

#include "format/live_mark.hpp"

namespace ouro::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kLongestBeginning = 1s;

// Empty: none of the process's files is a mark.
std::string marked_folder(int pid, std::error_code& error) {
  namespace fs = std::filesystem;
  for (fs::directory_iterator file("/proc/" + std::to_string(pid) + "/fd", error), end; !error && file != end; file.increment(error)) {
    std::error_code gone;
    const fs::path path = fs::read_symlink(file->path(), gone);
    if (!gone && path.filename() == format::kLiveMarkName) return path.parent_path();
  }
  return {};
}

}  // namespace

bool is_being_recorded(const record::SessionFile& session) { return !session.is_kept() && !session.is_watched() && session.is_open() && !session.is_left_behind(); }

Result<std::string> recorded_folder(const record::SessionFile& session) {
  const char* const name = session.name().c_str();
  if (session.is_kept()) return errorf(EINVAL, "session '%s' is a flight recorder, which writes no trace (hint: ouro snapshot %s)", name, name);
  for (const auto end = std::chrono::steady_clock::now() + kLongestBeginning;; std::this_thread::sleep_for(20ms)) {
    std::error_code error;
    const std::string folder = is_being_recorded(session) ? marked_folder(session.creator_pid(), error) : "";
    if (!folder.empty()) return folder;
    if (!error && std::chrono::steady_clock::now() < end && is_being_recorded(session)) continue;
    return errorf(error ? error.value() : ENOENT, "session '%s': process %d writes no trace for it%s%s (hint: ouro live FOLDER)", name, session.creator_pid(), error ? ": " : "",
                  error ? error.message().c_str() : "");
  }
}

}  // namespace ouro::cli
