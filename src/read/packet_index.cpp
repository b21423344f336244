// read/packet_index.cpp -- see the header.
#include "read/packet_index.hpp"

#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "base/fd.hpp"
#include "base/textf.hpp"

namespace ouro::read {
namespace {

constexpr std::uint64_t kMagic = 0x31544b504f52554f;  // "OUROPKT1": the 1 is the version
constexpr std::size_t kHeaderWords = 6;
constexpr std::string_view kLttngSuffix = ".idx";
// Of smaller files the pass over the headers takes a few milliseconds, also from a disk.
constexpr std::uint64_t kLeastBytes = 8 << 20;
constexpr std::size_t kLeastPackets = 128;
// Of all indexes in the cache, and of one.
constexpr std::uint64_t kMostBytes = 256 << 20, kMostOfOne = 64 << 20;

// ---- the cache's folder

bool is_own_folder(const std::string& path) {
  struct stat about {};
  return ::stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode) && about.st_uid == ::geteuid();
}

// None if it is not ours alone: root in a user's home would leave files there that the user cannot remove.
std::optional<std::string> cache_folder(bool create) {
  const char *const off = ::secure_getenv("OURO_CACHE"), *const cache = ::secure_getenv("XDG_CACHE_HOME"), *const home = ::secure_getenv("HOME");
  if (off != nullptr && std::strcmp(off, "0") == 0) return std::nullopt;
  std::vector<const char*> parts{"/ouro", "/packets"};
  std::string out;
  if (cache != nullptr && *cache == '/') {
    out = cache;
    if (create) ::mkdir(out.c_str(), 0700);
  } else if (home != nullptr && *home == '/') {
    out = home;
    parts.insert(parts.begin(), "/.cache");
  }
  if (out.empty() || !is_own_folder(out)) return std::nullopt;
  for (const char* part : parts) {
    out += part;
    if (create) ::mkdir(out.c_str(), 0700);
    if (!is_own_folder(out)) return std::nullopt;
  }
  return out;
}

std::string name_of(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), std::free);
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char* c = real != nullptr ? real.get() : path.c_str(); *c != '\0'; ++c) hash = (hash ^ static_cast<unsigned char>(*c)) * 0x100000001b3;
  return base::textf("/%016llx", static_cast<unsigned long long>(hash));
}

// The oldest go when all together are too large.
void make_room(const std::string& folder, std::uint64_t wanted) {
  struct Entry {
    std::int64_t written;
    std::uint64_t bytes;
    std::string path;
  };
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return;
  std::vector<Entry> all;
  std::uint64_t sum = wanted;
  while (const dirent* entry = ::readdir(dir)) {
    struct stat about {};
    std::string path = folder + "/" + entry->d_name;
    if (::lstat(path.c_str(), &about) != 0 || !S_ISREG(about.st_mode)) continue;
    sum += static_cast<std::uint64_t>(about.st_size);
    all.push_back({about.st_mtim.tv_sec, static_cast<std::uint64_t>(about.st_size), std::move(path)});
  }
  ::closedir(dir);
  std::sort(all.begin(), all.end(), [](const Entry& a, const Entry& b) { return a.written < b.written; });
  for (auto entry = all.begin(); sum > kMostBytes && entry != all.end(); ++entry) {
    ::unlink(entry->path.c_str());
    sum -= entry->bytes;
  }
}

// ---- what is in files

// A regular file, and its status; none if it is somebody else's and must not be.
base::Fd open_regular(const std::string& path, bool own, struct stat& about) {
  base::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  if (fd && (::fstat(fd.get(), &about) != 0 || !S_ISREG(about.st_mode) || (own && about.st_uid != ::geteuid()))) fd.reset();
  return fd;
}

// `most` bytes at most; nothing if it cannot be read.
std::string contents(const std::string& path, std::uint64_t most, bool own) {
  struct stat about {};
  const base::Fd fd = open_regular(path, own, about);
  if (!fd || about.st_size <= 0 || static_cast<std::uint64_t>(about.st_size) > most) return {};
  std::string out(static_cast<std::size_t>(about.st_size), '\0');
  return base::read_at(fd.get(), out.data(), out.size(), 0) == out.size() ? out : std::string();
}

bool is_whole(const std::vector<PacketPlace>& places, std::uint64_t size) {
  std::uint64_t end = 0, tick = 0;
  for (const PacketPlace& place : places) {
    if (place.offset != end || place.size == 0 || place.size > size - end || place.begin < tick || place.end < place.begin) return false;
    end += place.size;
    tick = place.begin;
  }
  return end == size;
}

std::vector<PacketPlace> cached(const std::string& path, const FileIdentity& file) {
  if (file.size < kLeastBytes) return {};
  const std::optional<std::string> folder = cache_folder(false);
  if (!folder) return {};
  const std::string bytes = contents(*folder + name_of(path), kMostOfOne, true);
  std::uint64_t header[kHeaderWords];
  if (bytes.size() < sizeof header) return {};
  std::memcpy(header, bytes.data(), sizeof header);
  const std::size_t count = (bytes.size() - sizeof header) / sizeof(PacketPlace);
  if (header[0] != kMagic || header[5] != count || bytes.size() != sizeof header + count * sizeof(PacketPlace)) return {};
  if (FileIdentity{header[1], header[2], header[3], static_cast<std::int64_t>(header[4])} != file) return {};
  std::vector<PacketPlace> out(count);
  if (count != 0) std::memcpy(out.data(), bytes.data() + sizeof header, count * sizeof(PacketPlace));
  return out;
}

// LTTng's: magic, major, minor, bytes of an entry; then entries of offset, packet and content size in bits, begin, end, events discarded, stream, its instance, number
// of the packet. All big endian. Before 1.1 there were no numbers, and packets that are missing could not be known.
constexpr std::size_t kLttngHeader = 4 * sizeof(std::uint32_t);
std::size_t lttng_entry_size(std::string_view bytes) {
  std::uint32_t header[4];
  if (bytes.size() < kLttngHeader) return 0;
  std::memcpy(header, bytes.data(), kLttngHeader);
  const std::size_t each = be32toh(header[3]);
  return be32toh(header[0]) == 0xc1f1dcc1 && be32toh(header[1]) == 1 && each >= 9 * sizeof(std::uint64_t) && each <= 4096 ? each : 0;
}

std::vector<PacketPlace> lttng(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {};
  const std::string bytes = contents(path.substr(0, slash) + "/index" + path.substr(slash) + std::string(kLttngSuffix), kMostOfOne, false);
  const std::size_t each = lttng_entry_size(bytes);
  std::vector<PacketPlace> out;
  std::uint64_t number = 0;
  for (std::size_t at = kLttngHeader; each != 0 && at + each <= bytes.size(); at += each) {
    std::uint64_t entry[9];
    std::memcpy(entry, bytes.data() + at, sizeof entry);
    const std::uint64_t begin = be64toh(entry[3]), end = be64toh(entry[4]), is_number = be64toh(entry[8]);
    if (!out.empty() && (begin == 0 || is_number != number + 1)) return {};
    number = is_number;
    out.push_back({be64toh(entry[0]), be64toh(entry[1]) / 8, begin, end != 0 ? end : PacketPlace::kNoEnd});
  }
  return out;
}

}  // namespace

static_assert(sizeof(PacketPlace) == 32, "in the cache as in memory");

PacketIndex load_packet_index(const std::string& path, const FileIdentity& file) {
  std::vector<PacketPlace> places = lttng(path);
  if (!is_whole(places, file.size)) places = cached(path, file);
  if (!is_whole(places, file.size)) places.clear();
  return {file, std::move(places), true};
}

std::map<std::string, std::uint64_t> lttng_packets(const std::string& folder) {
  std::map<std::string, std::uint64_t> out;
  DIR* dir = ::opendir((folder + "/index").c_str());
  if (dir == nullptr) return out;
  while (const dirent* entry = ::readdir(dir)) {
    std::string name = entry->d_name;
    if (!name.ends_with(kLttngSuffix)) continue;
    struct stat about {};
    const base::Fd fd = open_regular(folder + "/index/" + name, false, about);
    char header[kLttngHeader];
    if (!fd || about.st_size < static_cast<off_t>(sizeof header) || base::read_at(fd.get(), header, sizeof header, 0) != sizeof header) continue;
    name.resize(name.size() - kLttngSuffix.size());
    if (const std::size_t each = lttng_entry_size({header, sizeof header}); each != 0) out[name] = (static_cast<std::uint64_t>(about.st_size) - sizeof header) / each;
  }
  ::closedir(dir);
  return out;
}

void judge_packet_index(PacketIndex& index, bool damage) { index.is_whole = !damage && is_whole(index.places, index.file.size); }

void save_packet_index(const std::string& path, const PacketIndex& index) {
  const std::size_t bytes = kHeaderWords * sizeof(std::uint64_t) + index.places.size() * sizeof(PacketPlace);
  if (index.file.size < kLeastBytes || index.places.size() < kLeastPackets || bytes > kMostOfOne || !index.is_whole) return;
  const std::optional<std::string> folder = cache_folder(true);
  if (!folder) return;
  make_room(*folder, bytes);
  std::string temporary = *folder + "/.new-XXXXXX";
  const base::Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return;
  const FileIdentity& file = index.file;
  const std::uint64_t header[kHeaderWords] = {kMagic, file.device, file.inode, file.size, static_cast<std::uint64_t>(file.modified_ns), index.places.size()};
  const bool is_written = base::write_all(fd.get(), reinterpret_cast<const char*>(header), sizeof header) == 0 &&
                          base::write_all(fd.get(), reinterpret_cast<const char*>(index.places.data()), index.places.size() * sizeof(PacketPlace)) == 0;
  if (!is_written || ::rename(temporary.c_str(), (*folder + name_of(path)).c_str()) != 0) ::unlink(temporary.c_str());
}

}  // namespace ouro::read
