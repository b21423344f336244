// read/mapped_file.cpp -- see the header.
#include "read/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace ouro::read {

Result<MappedFile> MappedFile::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return error_from_errno("file '%s' cannot be opened", path.c_str());
  struct stat about {};
  if (::fstat(fd, &about) != 0) {
    const Error error = error_from_errno("file '%s' cannot be examined", path.c_str());
    ::close(fd);
    return error;
  }
  if (!S_ISREG(about.st_mode)) {
    ::close(fd);
    return errorf(ENOTSUP, "file '%s' is no regular file", path.c_str());
  }
  Result<MappedFile> out = map(fd, path, static_cast<std::size_t>(about.st_size));
  ::close(fd);
  return out;
}

Result<MappedFile> MappedFile::map(int fd, const std::string& path, std::size_t size) {
  if (size == 0) return MappedFile(nullptr, 0);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return error_from_errno("file '%s' of %zu bytes cannot be mapped", path.c_str(), size);
  ::madvise(data, size, MADV_SEQUENTIAL);
  return MappedFile(static_cast<const char*>(data), size);
}

void MappedFile::move_window(std::size_t at, std::size_t size) const {
  constexpr std::size_t kPage = 4096;
  char* const data = const_cast<char*>(data_);
  const std::size_t from = at / kPage * kPage, to = std::min(size_, from + size + kPage);
  if (from < to) ::madvise(data + from, to - from, MADV_POPULATE_READ);
  if (released_ < from) ::madvise(data + released_, from - released_, MADV_DONTNEED);
  released_ = from;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<char*>(data_), size_);
}

}  // namespace ouro::read
