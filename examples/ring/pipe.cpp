// Values from one thread to another, in order, none lost: fifo.
#include <cstdint>
#include <cstdio>
#include <thread>

#include <ouro/ring/clients.hpp>

int main() {
  auto pipe = ouro::ring::fifo<std::uint64_t>::create(4096);
  if (!pipe) return std::fprintf(stderr, "pipe: error: %s\n", pipe.error().text.c_str()), 1;
  constexpr std::uint64_t kCount = 1'000'000;

  std::jthread writer([&] {
    for (std::uint64_t i = 0; i < kCount; ++i)
      while (!pipe->push(i)) std::this_thread::yield();
  });
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0, value = 0; i < kCount; sum += value, ++i)
    while (!pipe->pop(value)) std::this_thread::yield();
  std::printf("pipe: %llu values, sum %llu\n", static_cast<unsigned long long>(kCount), static_cast<unsigned long long>(sum));
}
