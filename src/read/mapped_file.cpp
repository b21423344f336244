// read/mapped_file.cpp -- see the header.
#include "read/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace ouro::read {
namespace {

constexpr std::size_t kPage = FileWindow::kPage;
constexpr int kMostDescriptors = 512;  // of all that the program has: 1,024 are allowed where nobody asked for more

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
  base::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return error_from_errno("file '%s' cannot be opened", path.c_str());
  struct stat about {};
  if (::fstat(fd.get(), &about) != 0) return error_from_errno("file '%s' cannot be examined", path.c_str());
  if (!S_ISREG(about.st_mode)) return errorf(ENOTSUP, "file '%s' is no regular file", path.c_str());
  Result<MappedFile> out = map(fd.get(), path, {about.st_dev, about.st_ino, static_cast<std::uint64_t>(about.st_size),
                                          about.st_mtim.tv_sec * std::int64_t{1'000'000'000} + about.st_mtim.tv_nsec});
  if (out && fd.get() < kMostDescriptors) out->file_ = std::move(fd);
  return out;
}

Result<MappedFile> MappedFile::map(int fd, const std::string& path, const FileIdentity& identity) {
  const std::size_t size = identity.size;
  if (size == 0) return MappedFile(nullptr, identity);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return error_from_errno("file '%s' of %zu bytes cannot be mapped", path.c_str(), size);
  ::madvise(data, size, MADV_SEQUENTIAL);
  return MappedFile(static_cast<const char*>(data), identity);
}

void MappedFile::move_window(std::size_t at, std::size_t size) const {
  char* const data = const_cast<char*>(data_);
  const std::size_t from = at / kPage * kPage, to = std::min(size_, from + size + kPage);
  if (from < to) ::madvise(data + from, to - from, MADV_POPULATE_READ);
  release(at);
}

void MappedFile::release(std::size_t at) const {
  const std::size_t from = at / kPage * kPage;
  if (released_ < from) ::madvise(const_cast<char*>(data_) + released_, from - released_, MADV_DONTNEED);
  released_ = from;
}

bool MappedFile::copy(std::size_t at, std::size_t size, char* to) const {
  return file_ && base::read_at(file_.get(), to, size, at) == size;
}

bool FileWindow::move(const MappedFile& file, std::size_t at) {
  const std::size_t from = at / kPage * kPage, of_file = file.bytes().size(), size = std::min(size_, of_file - std::min(from, of_file));
  clear();
  if (bytes_.size() < size) bytes_.resize(size);
  if (!file.copy(from, size, bytes_.data())) return false;
  begin_ = from;
  end_ = from + size;
  return true;
}

// What lies far apart is not worth reading all that is between; and where it lies at equal distances, the disk is asked for the next ones together.
void MappedFile::Glances::next(std::size_t at, std::size_t apart) {
  constexpr std::size_t kFar = 64 << 10, kAhead = 64, kGlance = 512;
  char* const data = const_cast<char*>(file_->data_);
  const bool is_regular = apart == std::exchange(apart_, apart);
  if (std::exchange(is_sparse_, apart >= kFar) != is_sparse_) ::madvise(data, file_->size_, is_sparse_ ? MADV_RANDOM : MADV_SEQUENTIAL);
  if (is_sparse_) file_->release(at);
  if (!is_sparse_ || !is_regular) return;
  for (asked_ = std::max(asked_, at + apart); asked_ < file_->size_ && asked_ <= at + kAhead * apart; asked_ += apart)
    ::madvise(data + asked_ / kPage * kPage, std::min(asked_ % kPage + kGlance, file_->size_ - asked_ / kPage * kPage), MADV_WILLNEED);
}

MappedFile::Glances::~Glances() {
  if (file_->size_ == 0) return;
  char* const data = const_cast<char*>(file_->data_);
  if (is_sparse_) ::madvise(data, file_->size_, MADV_SEQUENTIAL);
  ::madvise(data, file_->size_, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<char*>(data_), size_);
}

}  // namespace ouro::read
