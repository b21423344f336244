// A program that does the same every time: N turns, each a span around a point and a counter. What scenarios run when
// they ask how a program is traced, not what it writes. Also built as basic_static.
//
//   basic [N] [COMMAND...]     after N turns (1,000), becomes COMMAND
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include <ouro/trace.hpp>

int main(int argc, char** argv) {
  const long turns = argc > 1 ? std::atol(argv[1]) : 1000;
  for (long i = 0; i < turns; ++i) {
    OURO_SPAN("basic:turn", "number", i);
    OURO_EVENT("basic:point", "number", i, "text", i % 2 == 0 ? "even" : "odd");
    OURO_COUNTER("basic:level", i * 2);
  }
  if (argc > 2) {
    execv(argv[2], argv + 2);
    std::perror(argv[2]);
    return 127;
  }
  std::printf("%ld turns\n", turns);
  return 0;
}
