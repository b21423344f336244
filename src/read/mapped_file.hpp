// read/mapped_file.hpp -- a file's bytes, read only, while the object lives.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <ouro/result.hpp>

namespace ouro::read {

// Two files, or two states of one, have different ones.
struct FileIdentity {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t modified_ns = 0;
  bool operator==(const FileIdentity&) const = default;
};

class MappedFile {
 public:
  // Fails with ENOTSUP for what is no regular file (a pipe would block the reader for ever).
  static Result<MappedFile> open(const std::string& path);
  // Of what `path`, a zstd file, holds: in a file without a name in $TMPDIR or /var/tmp, so that it need not fit into memory. `trouble`: not empty, and
  // only what stands before the damage is here. Fails where there is nothing, or no room.
  static Result<MappedFile> open_compressed(const std::string& path, std::string& trouble);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)), released_(other.released_), identity_(other.identity_) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(released_, other.released_);
    std::swap(identity_, other.identity_);
    return *this;
  }

  std::string_view bytes() const { return {data_, size_}; }
  // As the file was when it was mapped. Of what was compressed: of the file, with the size of its contents.
  const FileIdentity& identity() const { return identity_; }
  // Reading has come to `at`: the pages of the next `size` bytes are wanted now, those before `at` no more. They stay readable.
  void move_window(std::size_t at, std::size_t size) const;
  // While this lives, a little is read here and there: at `at`, at `at` + `apart` and so on. Then none of it stays in this program's memory.
  class Glances {
   public:
    explicit Glances(const MappedFile& file) : file_(&file) {}
    ~Glances();
    Glances(const Glances&) = delete;
    Glances& operator=(const Glances&) = delete;
    void next(std::size_t at, std::size_t apart);

   private:
    const MappedFile* file_;
    std::size_t apart_ = 0, asked_ = 0;
    bool is_sparse_ = false;
  };

 private:
  static Result<MappedFile> map(int fd, const std::string& path, const FileIdentity& identity);
  MappedFile(const char* data, const FileIdentity& identity) : data_(data), size_(identity.size), identity_(identity) {}
  const char* data_ = nullptr;
  std::size_t size_ = 0;
  mutable std::size_t released_ = 0;
  FileIdentity identity_;
};

}  // namespace ouro::read
