#include "export/live_trace.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <thread>

#include "base/fd.hpp"
#include "format/live_mark.hpp"
#include "format/pieces.hpp"

namespace ouro::live {
namespace {

using namespace std::chrono_literals;

constexpr auto kLookEvery = 20ms;
constexpr auto kLongestBeginning = 1s;
constexpr off_t kMostMetadata = 256 << 20;
constexpr const char* kStateName = "ouro_state";

// A regular file of the folder, or none.
base::Fd open_in(const base::Fd& folder, const std::string& name, struct stat& about) {
  base::Fd out(::openat(folder.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (out && (::fstat(out.get(), &about) != 0 || !S_ISREG(about.st_mode))) out.reset();
  return out;
}

}  // namespace

std::vector<std::string> split_declarations(const std::string& text) {
  std::vector<std::string> out;
  std::size_t begin = 0;
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) i += text[i] == '\\';
    } else if (c == '/' && text.compare(i, 2, "/*") == 0) {
      const std::size_t end = text.find("*/", i + 2);
      i = end == std::string::npos ? text.size() : end + 1;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}') {
      --depth;
    } else if (c == ';' && depth == 0) {
      while (i + 1 < text.size() && std::isspace(static_cast<unsigned char>(text[i + 1]))) ++i;
      out.push_back(text.substr(begin, i + 1 - begin));
      begin = i + 1;
    }
  }
  return out;
}

Result<LiveTrace> LiveTrace::open(const std::string& path) {
  LiveTrace out;
  out.path_ = path;
  struct stat about {};
  for (const auto end = Clock::now() + kLongestBeginning;; std::this_thread::sleep_for(kLookEvery)) {
    out.folder_ = base::Fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const bool is_there = out.folder_ && ::fstatat(out.folder_.get(), "metadata", &about, AT_SYMLINK_NOFOLLOW) == 0;
    if (is_there) break;
    if ((errno == ENOENT) && Clock::now() < end) continue;
    Error error = error_from_errno(out.folder_ ? "trace '%s': metadata" : "trace '%s'", path.c_str());
    error.text += " (hint: the folder that `ouro record -o` writes)";
    return error;
  }
  out.look();
  if (!out.is_over_ || !out.preamble_.empty()) return out;
  return errorf(EINVAL, "trace '%s': metadata is empty or no CTF 1.8, want that of a trace that ouro wrote", path.c_str());
}

void LiveTrace::look() {
  if (is_over_ || Clock::now() < next_look_) return;
  const bool is_over = !look_at_mark();
  if (is_over) add_files();
  for (Stream& stream : streams_) look_at(stream);
  if (complete_until_ != 0 || is_over) look_at_metadata();  // the first second's clock is a rough one
  is_over_ = is_over;
  next_look_ = Clock::now() + kLookEvery;
}

// Whether somebody is writing the trace.
bool LiveTrace::look_at_mark() {
  struct stat about {};
  if (!mark_) mark_ = open_in(folder_, format::kLiveMarkName, about);
  if (!mark_) return false;
  std::array<std::byte, format::kLiveMarkSize> bytes;
  const std::optional<format::LiveMark> mark = format::decode_live_mark(std::span(bytes).first(base::read_at(mark_.get(), bytes.data(), bytes.size(), 0)));
  if (mark && streams_.empty()) {
    add_stream(kStateName);
    for (std::uint32_t i = 0; i < mark->cpus; ++i) add_stream("stream_cpu" + std::to_string(i));
    for (std::uint32_t i = 0; i < mark->cpus; ++i) add_stream("stream_shared" + std::to_string(i));
  }
  if (mark) complete_until_ = std::max(complete_until_, mark->complete_until);
  if (::flock(mark_.get(), LOCK_SH | LOCK_NB) != 0) return true;
  ::flock(mark_.get(), LOCK_UN);
  return false;
}

void LiveTrace::add_stream(const std::string& name) {
  if (std::any_of(streams_.begin(), streams_.end(), [&](const Stream& stream) { return stream.name == name; })) return;
  streams_.push_back({name, name == kStateName ? 1u : 0u, {}, 0, {}, {}});
}

void LiveTrace::add_files() {
  DIR* dir = ::fdopendir(::openat(folder_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir == nullptr) return;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (name == kStateName || name.starts_with("stream_")) add_stream(name);
  }
  ::closedir(dir);
}

void LiveTrace::look_at(Stream& stream) {
  struct stat about {};
  if (!stream.fd) stream.fd = open_in(folder_, stream.name, about);
  if (stream.name.ends_with(format::kCompressedSuffix)) stream.damage = "trace '" + path_ + "': " + stream.name + " is compressed (hint: zstd -d)";
  if (!stream.fd || !stream.damage.empty() || ::fstat(stream.fd.get(), &about) != 0) return;
  const auto size = static_cast<std::uint64_t>(about.st_size);
  while (size > stream.end && size - stream.end >= format::kPacketHeaderSize) {
    std::array<std::byte, format::kPacketHeaderSize> bytes;
    if (base::read_at(stream.fd.get(), bytes.data(), bytes.size(), stream.end) != bytes.size()) return;
    const std::optional<format::PacketHeader> header = format::decode(bytes);
    if (header && !uuid_) uuid_ = header->uuid;
    if (!header || header->timestamp_begin > header->timestamp_end || header->uuid != *uuid_ || header->stream_id != stream.stream_class ||
        (!stream.packets.empty() && header->timestamp_begin < stream.packets.back().end)) {
      stream.damage = "trace '" + path_ + "': " + stream.name + ": no packet of this trace at byte " + std::to_string(stream.end);
      return;
    }
    if (header->content_bytes > size - stream.end) return;  // it is just being written
    stream.packets.push_back({stream.end, header->content_bytes, header->timestamp_begin, header->timestamp_end, header->events_discarded});
    stream.end += header->content_bytes;
  }
}

// A change is another file: it is replaced as a whole.
void LiveTrace::look_at_metadata() {
  struct stat about {}, before {};
  base::Fd fd = open_in(folder_, "metadata", about);
  if (!fd || about.st_size > kMostMetadata) return;
  if (metadata_ && ::fstat(metadata_.get(), &before) == 0 && before.st_ino == about.st_ino) return;
  std::string text(static_cast<std::size_t>(about.st_size), '\0');
  text.resize(base::read_at(fd.get(), text.data(), text.size(), 0));
  if (!text.starts_with("/* CTF 1.8")) return;
  metadata_ = std::move(fd);
  preamble_.clear();
  for (std::string& declaration : split_declarations(text)) {
    if (!declaration.starts_with("event")) preamble_ += declaration;
    else if (known_.insert(declaration).second) declarations_.push_back(std::move(declaration));
  }
}

std::size_t LiveTrace::read(std::size_t stream, std::uint64_t offset, std::span<std::byte> out) const {
  const Stream& from = streams_[stream];
  if (!from.fd || offset > from.end || out.size() > from.end - offset) return 0;
  return base::read_at(from.fd.get(), out.data(), out.size(), offset);
}

}  // namespace ouro::live
