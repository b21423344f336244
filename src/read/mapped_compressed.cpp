// read/mapped_compressed.cpp -- a zstd file's contents as a mapped file. Nothing of the file is trusted: no more is written than its header announces, and
// than there is room for.
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/fd.hpp"
#include "read/mapped_file.hpp"

namespace ouro::read {
namespace {

// A file without a name.
Result<base::Fd> temporary_file(std::uint64_t size) {
  const char* const wanted = std::getenv("TMPDIR");
  const std::string folder = wanted != nullptr && *wanted != '\0' ? wanted : "/var/tmp";
  struct statvfs room;
  if (::statvfs(folder.c_str(), &room) == 0 && std::uint64_t{room.f_bavail} * room.f_frsize < size)
    return errorf(ENOSPC, "%llu bytes free in %s, want %llu (hint: TMPDIR)", static_cast<unsigned long long>(std::uint64_t{room.f_bavail} * room.f_frsize),
                  folder.c_str(), static_cast<unsigned long long>(size));
  base::Fd out(::open(folder.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
  if (out) return out;
  std::string name = folder + "/ouro-XXXXXX";  // a file system without O_TMPFILE
  out = base::Fd(::mkostemp(name.data(), O_CLOEXEC));
  if (!out) return error_from_errno("no file in %s (hint: TMPDIR)", folder.c_str());
  ::unlink(name.c_str());
  return out;
}

}  // namespace

Result<MappedFile> MappedFile::open_compressed(const std::string& path, std::string& trouble) {
  const Result<MappedFile> file = open(path);
  if (!file) return file.error();
  const std::string_view bytes = file->bytes();
  const unsigned long long size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN)
    return errorf(EINVAL, "file '%s' is no zstd file that says its size (hint: zstd -d makes one of any)", path.c_str());
  Result<base::Fd> to = temporary_file(size);
  if (!to) return errorf(to.error().code, "file '%s' cannot be decompressed: %s", path.c_str(), to.error().text.c_str());
  const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  std::vector<char> part(ZSTD_DStreamOutSize());
  std::uint64_t written = 0;
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  const auto damaged = [&](const std::string& why) {
    trouble = "file '" + path + "' is damaged at byte " + std::to_string(in.pos) + " of " + std::to_string(in.size) + ": " + why + "; of " + std::to_string(size) +
              " bytes in it, " + std::to_string(written) + " were had";
  };
  for (std::size_t rest = 1; rest != 0;) {
    ZSTD_outBuffer out{part.data(), part.size(), 0};
    const std::size_t before = in.pos;
    rest = ZSTD_decompressStream(context.get(), &out, &in);
    const std::size_t room = size - written;
    if (const int error = base::write_all(to->get(), part.data(), std::min<std::size_t>(out.pos, room)); error != 0)
      return errno = error, error_from_errno("file '%s' cannot be decompressed (hint: TMPDIR)", path.c_str());
    written += std::min<std::size_t>(out.pos, room);
    if (ZSTD_isError(rest) != 0) damaged(ZSTD_getErrorName(rest));
    else if (out.pos > room) damaged("it holds more than it says");
    else if (rest != 0 && in.pos == before && out.pos == 0) damaged("it is cut off");
    else if (rest == 0 && written < size) damaged("it holds less than it says");
    if (!trouble.empty()) break;
  }
  FileIdentity identity = file->identity();
  identity.size = written;
  return map(to->get(), path, identity);
}

}  // namespace ouro::read
