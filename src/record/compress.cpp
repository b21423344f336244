#include "record/compress.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "base/fd.hpp"
#include "format/pieces.hpp"
#include "record/housekeeper.hpp"

namespace ouro::record {
namespace {

constexpr int kLevel = 1;  // docs/sessions-on-disk.md has what others would save
constexpr std::size_t kRead = 1 << 20;

struct Compressor {
  std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> context{ZSTD_createCCtx(), ZSTD_freeCCtx};
  std::vector<char> in = std::vector<char>(kRead), out = std::vector<char>(ZSTD_CStreamOutSize());
  std::uint64_t written = 0;
};

// The frame's header says how large the whole is, its end a checksum of it. 0, an errno, or ECANCELED.
int compress_file(Compressor& c, int from, int to, std::uint64_t size, const std::function<bool()>& is_enough) {
  ZSTD_CCtx_reset(c.context.get(), ZSTD_reset_session_and_parameters);
  ZSTD_CCtx_setParameter(c.context.get(), ZSTD_c_compressionLevel, kLevel);
  ZSTD_CCtx_setParameter(c.context.get(), ZSTD_c_checksumFlag, 1);
  ZSTD_CCtx_setPledgedSrcSize(c.context.get(), size);
  c.written = 0;
  for (std::uint64_t left = size;;) {
    if (is_enough()) return ECANCELED;
    const ssize_t n = left == 0 ? 0 : ::read(from, c.in.data(), std::min<std::uint64_t>(left, c.in.size()));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0 && left != 0) return ESTALE;  // it was cut short
    left -= static_cast<std::uint64_t>(n);
    ZSTD_inBuffer in{c.in.data(), static_cast<std::size_t>(n), 0};
    for (bool again = true; again;) {
      ZSTD_outBuffer out{c.out.data(), c.out.size(), 0};
      const std::size_t rest = ZSTD_compressStream2(c.context.get(), &out, &in, left == 0 ? ZSTD_e_end : ZSTD_e_continue);
      if (ZSTD_isError(rest) != 0) return ENOMEM;
      if (const int error = base::write_all(to, c.out.data(), out.pos); error != 0) return error;
      c.written += out.pos;
      again = left == 0 ? rest != 0 : in.pos != in.size;
    }
    if (left == 0) return 0;
  }
}

}  // namespace

Status compress_trace(int folder, const std::string& trace, const std::function<bool()>& is_enough) {
  const base::Fd fd(::openat(folder, trace.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return error_from_errno("trace '%s': cannot be compressed", trace.c_str());
  Compressor c;
  if (c.context == nullptr) return errorf(ENOMEM, "trace '%s': no memory to compress it", trace.c_str());
  for (const std::string& name : entries_of(fd.get())) {
    if (name.starts_with('.') || name.starts_with("metadata") || name.ends_with(format::kCompressedSuffix)) continue;
    const base::Fd from(::openat(fd.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat status;
    if (!from || ::fstat(from.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) continue;
    // Readers take no notice of a file with a dot.
    const std::string becomes = name + std::string(format::kCompressedSuffix), meanwhile = "." + becomes + ".new";
    const base::Fd to(::openat(fd.get(), meanwhile.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666));
    const auto size = static_cast<std::uint64_t>(status.st_size);
    int error = to ? compress_file(c, from.get(), to.get(), size, is_enough) : errno;
    const bool smaller = error == 0 && c.written < size;
    if (smaller && ::renameat(fd.get(), meanwhile.c_str(), fd.get(), becomes.c_str()) != 0) error = errno;
    if (!smaller || error != 0) ::unlinkat(fd.get(), meanwhile.c_str(), 0);
    if (smaller && error == 0) ::unlinkat(fd.get(), name.c_str(), 0);
    if (error == ECANCELED) return Ok{};
    if (error != 0) return errno = error, error_from_errno("trace '%s': stream %s cannot be compressed", trace.c_str(), name.c_str());
  }
  return Ok{};
}

}  // namespace ouro::record
