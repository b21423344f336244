// many [TURNS [US]]: six hundred events, many:e100 to many:e699: some share a filter word. Each comes TURNS times (3), with its number and the
// turn; US microseconds between the turns. Prints how many of them have come by the inline path, or would.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include <ouro/trace.hpp>

#define EVENT(n) OURO_EVENT("many:e" #n, "number", n, "turn", turn)
#define TEN(n) EVENT(n##0); EVENT(n##1); EVENT(n##2); EVENT(n##3); EVENT(n##4); EVENT(n##5); EVENT(n##6); EVENT(n##7); EVENT(n##8); EVENT(n##9)
#define HUNDRED(n) TEN(n##0); TEN(n##1); TEN(n##2); TEN(n##3); TEN(n##4); TEN(n##5); TEN(n##6); TEN(n##7); TEN(n##8); TEN(n##9)

int main(int argc, char** argv) {
  const int turns = argc > 1 ? std::atoi(argv[1]) : 3;
  const int pause = argc > 2 ? std::atoi(argv[2]) : 0;
  for (int turn = 0; turn < turns; ++turn) {
    HUNDRED(1);
    HUNDRED(2);
    HUNDRED(3);
    HUNDRED(4);
    HUNDRED(5);
    HUNDRED(6);
    if (pause > 0) usleep(static_cast<useconds_t>(pause));
  }
  int all = 0, inline_path = 0;
  for (const ouro::detail::Site* const* site = ouro::detail::__start_ouro_sites; site != ouro::detail::__stop_ouro_sites; ++site, ++all)
    inline_path += (*site)->target.load() != 0;
  std::printf("%d of %d\n", inline_path, all);
  return 0;
}
