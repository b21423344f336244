// bench/sustain.cpp -- one thread that writes events of 4 bytes of payload at a given rate, for `ouro record`.
//
//   sustain MILLIONS_PER_SECOND SECONDS      0: as fast as it can
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include <ouro/clock/tsc.hpp>
#include <ouro/trace.hpp>

int main(int argc, char** argv) {
  const double rate = argc > 1 ? std::atof(argv[1]) * 1e6 : 0;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 2;
  const auto now = [] { return static_cast<double>(ouro::clock::read_monotonic()); };
  OURO_EVENT("sustain:first", "rate", rate);  // reserves the buffer, so that the rate holds from the beginning
  const double begin = now();
  std::uint32_t n = 0;
  for (double elapsed = 0; elapsed < seconds * 1e9; elapsed = now() - begin) {
    if (rate != 0 && n >= elapsed * 1e-9 * rate) continue;
    for (int i = 0; i < 100; ++i) OURO_EVENT("sustain:event", "n", n++);
  }
  std::fprintf(stderr, "sustain: %u events, %.1f M/s\n", n, n / (now() - begin) * 1e3);
}
