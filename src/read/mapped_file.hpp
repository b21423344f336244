// read/mapped_file.hpp -- a file's bytes, read only, while the object lives.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <ouro/result.hpp>

namespace ouro::read {

class MappedFile {
 public:
  // Fails with ENOTSUP for what is no regular file (a pipe would block the reader for ever).
  static Result<MappedFile> open(const std::string& path);
  // Of what `path`, a zstd file, holds: in a file without a name in $TMPDIR or /var/tmp, so that it need not fit into memory. `trouble`: not empty, and
  // only what stands before the damage is here. Fails where there is nothing, or no room.
  static Result<MappedFile> open_compressed(const std::string& path, std::string& trouble);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)), released_(other.released_) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(released_, other.released_);
    return *this;
  }

  std::string_view bytes() const { return {data_, size_}; }
  // Reading has come to `at`: the pages of the next `size` bytes are wanted now, those before `at` no more. They stay readable.
  void move_window(std::size_t at, std::size_t size) const;

 private:
  static Result<MappedFile> map(int fd, const std::string& path, std::size_t size);
  MappedFile(const char* data, std::size_t size) : data_(data), size_(size) {}
  const char* data_ = nullptr;
  std::size_t size_ = 0;
  mutable std::size_t released_ = 0;
};

}  // namespace ouro::read
