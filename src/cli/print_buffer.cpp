#include "cli/print_buffer.hpp"

#include <unistd.h>

#include <cerrno>

namespace ouro::cli {

void PrintBuffer::flush() {
  write_out({buffer_.get(), static_cast<std::size_t>(at_ - buffer_.get())});
  at_ = buffer_.get();
}

void PrintBuffer::write_out(std::string_view text) {
  written_ += text.size();
  if (text_ != nullptr) {
    text_->append(text);
    return;
  }
  while (error_ == 0 && !text.empty()) {
    const ssize_t n = ::write(fd_, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      error_ = errno;
    else
      text.remove_prefix(static_cast<std::size_t>(n));
  }
}

void PrintBuffer::put_long(std::string_view text) {
  flush();
  if (text.size() >= size_) return write_out(text);
  std::memcpy(at_, text.data(), text.size());
  at_ += text.size();
}

}  // namespace ouro::cli
