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
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  std::string_view bytes() const { return {data_, size_}; }

 private:
  MappedFile(const char* data, std::size_t size) : data_(data), size_(size) {}
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace ouro::read
