#include "record/journal.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <sstream>

#include "base/fd.hpp"

namespace ouro::record {
namespace {

constexpr const char* kFirstLine = "ouro recorder 1";
constexpr const char* kNew = ".recorder.new";
constexpr std::size_t kMostBytes = 4 << 20;

}  // namespace

Status write_journal(int folder, const Journal& journal) {
  std::ostringstream text;
  text << kFirstLine << "\nsession " << journal.session.generation << ' ' << journal.session.file << "\nuuid";
  for (const std::uint8_t byte : journal.uuid) text << ' ' << unsigned{byte};
  text << '\n';
  for (const auto& [ring, counts] : journal.lost) {
    text << "lost " << ring;
    for (const std::uint64_t count : counts) text << ' ' << count;
    text << '\n';
  }
  for (const auto& [event, counts] : journal.left_out) text << "left_out " << event << ' ' << counts.first << ' ' << counts.second << '\n';
  text << "end\n";
  const std::string bytes = text.str();
  const base::Fd fd(::openat(folder, kNew, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd || ::write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) || ::renameat(folder, kNew, folder, kJournalFile) != 0) {
    const Error error = error_from_errno("trace: its file %s, for a recorder that goes on", kJournalFile);
    ::unlinkat(folder, kNew, 0);
    return error;
  }
  return Ok{};
}

// Somebody may have changed it: numbers are bounded where they are used, and counts are only said.
Result<Journal> read_journal(const std::string& folder) {
  const std::string path = folder + "/" + kJournalFile;
  const base::Fd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status;
  if (!fd || ::fstat(fd.get(), &status) != 0) {
    Error error = error_from_errno("trace '%s': file %s", folder.c_str(), kJournalFile);
    if (error.code == ENOENT) error.text += " (hint: its recorder was not killed; there is nothing to resume)";
    return error;
  }
  if (!S_ISREG(status.st_mode) || static_cast<std::size_t>(status.st_size) > kMostBytes) return errorf(EINVAL, "file '%s' is no recorder's", path.c_str());
  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  if (::read(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return errorf(EIO, "file '%s' cannot be read", path.c_str());
  Journal out;
  std::istringstream text(bytes);
  std::string line;
  std::getline(text, line);
  bool is_whole = false;
  for (std::string what; line == kFirstLine && !is_whole && text >> what;) {
    if (what == "session") {
      text >> out.session.generation >> out.session.file;
    } else if (what == "uuid") {
      for (std::uint8_t& byte : out.uuid) {
        unsigned value = 0;
        text >> value;
        byte = static_cast<std::uint8_t>(value);
      }
    } else if (what == "lost") {
      std::uint32_t ring = 0;
      text >> ring;
      for (std::uint64_t& count : out.lost[ring]) text >> count;
    } else if (what == "left_out") {
      std::uint32_t event = 0;
      text >> event;
      text >> out.left_out[event].first >> out.left_out[event].second;
    } else {
      is_whole = what == "end" && !text.fail();
      break;
    }
  }
  if (!is_whole) return errorf(EINVAL, "file '%s' makes no sense, or is of another version", path.c_str());
  return out;
}

void remove_journal(int folder) {
  for (const char* const name : {kJournalFile, kNew}) ::unlinkat(folder, name, 0);
}

}  // namespace ouro::record
