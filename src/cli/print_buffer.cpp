#include "cli/print_buffer.hpp"

#include <unistd.h>

#include <cerrno>

namespace ouro::cli {

void PrintBuffer::flush() {
  const auto used = static_cast<std::size_t>(at_ - buffer_.get());
  std::size_t done = 0;
  if (text_ != nullptr) {
    text_->append(buffer_.get(), used);
    done = used;
  }
  while (error_ == 0 && done < used) {
    const ssize_t n = ::write(fd_, buffer_.get() + done, used - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      error_ = errno;
    else
      done += static_cast<std::size_t>(n);
  }
  written_ += used;
  at_ = buffer_.get();
}

void PrintBuffer::put_long(std::string_view text) {
  while (text.size() > left()) {
    const std::size_t n = left();
    std::memcpy(at_, text.data(), n);
    at_ += n;
    text.remove_prefix(n);
    flush();
  }
  std::memcpy(at_, text.data(), text.size());
  at_ += text.size();
}

}  // namespace ouro::cli
