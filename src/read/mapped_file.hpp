// read/mapped_file.hpp -- a file's bytes, read only, while the object lives.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ouro/result.hpp>

#include "base/fd.hpp"

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
      : file_(std::move(other.file_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)), released_(other.released_), identity_(other.identity_) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(file_, other.file_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(released_, other.released_);
    std::swap(identity_, other.identity_);
    return *this;
  }

  std::string_view bytes() const { return {data_, size_}; }
  // As the file was when it was mapped. Of what was compressed: of the file, with the size of its contents.
  const FileIdentity& identity() const { return identity_; }
  // Reading has come to `at`: the pages before it are not wanted any more, though they stay readable; with move_window(), those of the next `size` bytes are.
  void release(std::size_t at) const;
  void move_window(std::size_t at, std::size_t size) const;
  // The bytes from `at` on to `to`. False: not all of them can be had so; of what was compressed, and of more files than a few hundred, none.
  bool copy(std::size_t at, std::size_t size, char* to) const;
  // While this lives, a little is read here and there: at `at`, at `at` + `apart` and so on. None of it stays in this program's memory.
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
  base::Fd file_;  // to copy from
  const char* data_ = nullptr;
  std::size_t size_ = 0;
  mutable std::size_t released_ = 0;
  FileIdentity identity_;
};

// The part of a file that is being read, copied page by page from a place on. For a pass over the whole file that is less work than to have its pages mapped
// and unmapped one by one: the copy is in the processor's cache when it is read.
class FileWindow {
 public:
  static constexpr std::size_t kPage = 4096;
  static constexpr std::size_t kLargest = 64 << 10, kLeast = 16 << 10, kTogether = 4 << 20;
  // So many streams are read in turns: their windows are to stay in the processor's cache.
  static std::size_t size_for(std::size_t streams) { return std::clamp(kTogether / std::max<std::size_t>(streams, 1) / kPage * kPage, kLeast, kLargest); }
  explicit FileWindow(std::size_t size = kLargest) : size_(size) {}
  // From the page of `at` on. False: cannot be had (MappedFile::copy); then nothing is in it.
  bool move(const MappedFile& file, std::size_t at);
  void clear() { begin_ = end_ = 0; }
  bool holds(std::size_t at) const { return begin_ <= at && at < end_; }
  std::size_t begin() const { return begin_; }  // in the file
  std::size_t end() const { return end_; }
  // Where the file's byte `at`, which may lie outside, is or would be.
  const char* place_of(std::size_t at) const { return reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(bytes_.data()) + at - begin_); }
  bool has(const char* byte) const { return bytes_.data() <= byte && byte < bytes_.data() + (end_ - begin_); }

 private:
  std::size_t size_;
  std::vector<char> bytes_;
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace ouro::read
