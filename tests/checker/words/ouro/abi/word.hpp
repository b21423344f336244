// ouro/abi/word.hpp, as the checker has it: every access goes to the machine that tests/checker/machine.hpp describes.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ouro::checker {

// The line of source where an access stands.
struct Line {
  const char* file;
  int number;
};

std::uint64_t load(const std::uint64_t& word, std::memory_order order, Line line) noexcept;
void store(std::uint64_t& word, std::uint64_t value, std::memory_order order, Line line) noexcept;
std::uint64_t add(std::uint64_t& word, std::uint64_t value, std::memory_order order, Line line) noexcept;
bool exchange_if(std::uint64_t& word, std::uint64_t& expected, std::uint64_t value, std::memory_order done, std::memory_order failed,
                 Line line) noexcept;
void fence(std::memory_order order, Line line) noexcept;
bool broken(int check) noexcept;  // the copies that mutate.py makes ask this
void stored(const void* at, std::size_t size) noexcept;
void loaded(const void* at, std::size_t size) noexcept;
void copied(void* to, const void* from, std::size_t size) noexcept;

}  // namespace ouro::checker

namespace ouro::abi {

#define OURO_LINE const char *file = __builtin_FILE(), int number = __builtin_LINE()

class Word {
 public:
  using Order = std::memory_order;
  constexpr Word() noexcept = default;
  constexpr Word(std::uint64_t value) noexcept : value_(value) {}
  Word(const Word&) = delete;
  Word& operator=(const Word&) = delete;
  std::uint64_t load(Order order, OURO_LINE) const noexcept { return checker::load(value_, order, {file, number}); }
  void store(std::uint64_t value, Order order, OURO_LINE) noexcept { checker::store(value_, value, order, {file, number}); }
  std::uint64_t fetch_add(std::uint64_t value, Order order, OURO_LINE) noexcept { return checker::add(value_, value, order, {file, number}); }
  bool compare_exchange_strong(std::uint64_t& expected, std::uint64_t value, Order done, Order failed, OURO_LINE) noexcept {
    return checker::exchange_if(value_, expected, value, done, failed, {file, number});
  }
  bool compare_exchange_weak(std::uint64_t& expected, std::uint64_t value, Order done, Order failed, OURO_LINE) noexcept {
    return checker::exchange_if(value_, expected, value, done, failed, {file, number});
  }

 private:
  std::uint64_t value_ = 0;  // the newest
};
using Word32 = std::atomic<std::uint32_t>;  // of bells, which no scenario has

inline void fence(std::memory_order order, OURO_LINE) noexcept { checker::fence(order, {file, number}); }
#undef OURO_LINE

using checker::copied;
using checker::loaded;
using checker::stored;

}  // namespace ouro::abi
