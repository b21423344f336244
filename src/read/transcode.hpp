// read/transcode.hpp -- texts of UTF-16 and UTF-32 as UTF-8, in memory that is used again for the next event.
#pragma once
#include <cstddef>
#include <memory>
#include <vector>

#include <ouro/read.hpp>

namespace ouro::read {

class TextBuffer {
 public:
  // What was converted goes.
  void clear() {
    if (!blocks_.empty()) reuse();
  }
  // `value` has bytes of `encoding`, and gets those of UTF-8, up to the first NUL. What is no character becomes U+FFFD. Null, or what is wrong:
  // bytes that are no whole units.
  const char* convert(Value& value, Encoding encoding);

 private:
  struct Block {
    std::unique_ptr<char[]> bytes;
    std::size_t size = 0;
  };
  void reuse();
  char* room(std::size_t size);

  std::vector<Block> blocks_;  // the last one is being filled; none moves while texts point into it
  std::size_t used_ = 0;       // of the last one
};

}  // namespace ouro::read
