// storm_books.hpp -- the books of program storm, and what its texts must look like: shared with those who check them.
//
//   +---------+-----------+-----------+-----
//   | writers | writer[0] | writer[1] | ...
//   +---------+-----------+-----------+-----
//     indices   one line each: events tried so far, stored after each event. A writer that is killed has written
//     given     that many or one more.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

inline constexpr std::uint32_t kMaxWriters = 4096;

struct alignas(64) WriterBook {
  std::atomic<std::uint64_t> tried;
  std::atomic<std::int32_t> pid;
};

struct Books {
  alignas(64) std::atomic<std::uint32_t> writers;
  WriterBook writer[kMaxWriters];
};

inline char text_at(std::uint32_t writer, std::uint64_t number, std::size_t i) {
  return static_cast<char>('a' + (writer * 31 + number * 7 + i) % 26);
}
inline void fill_text(std::uint32_t writer, std::uint64_t number, char* to, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) to[i] = text_at(writer, number, i);
}
inline std::size_t text_size(std::uint32_t writer, std::uint64_t number) { return 1 + (writer * 13 + number) % 300; }
