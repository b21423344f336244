// Six hundred events, many:e100 to many:e699: some share a filter word. Each comes three times, with its number.
#include <ouro/trace.hpp>

#define EVENT(n) OURO_EVENT("many:e" #n, "number", n, "turn", turn)
#define TEN(n) EVENT(n##0); EVENT(n##1); EVENT(n##2); EVENT(n##3); EVENT(n##4); EVENT(n##5); EVENT(n##6); EVENT(n##7); EVENT(n##8); EVENT(n##9)
#define HUNDRED(n) TEN(n##0); TEN(n##1); TEN(n##2); TEN(n##3); TEN(n##4); TEN(n##5); TEN(n##6); TEN(n##7); TEN(n##8); TEN(n##9)

int main() {
  for (int turn = 0; turn < 3; ++turn) {
    HUNDRED(1);
    HUNDRED(2);
    HUNDRED(3);
    HUNDRED(4);
    HUNDRED(5);
    HUNDRED(6);
  }
  return 0;
}
