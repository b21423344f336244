// A traced program. Nobody records it: its events are off.
#include <string>

#include <ouro/trace.hpp>

int main() {
  const std::string name = "consumer";
  OURO_SPAN("install:run", "name", name);
  OURO_EVENT("install:event", "id", 42, "name", name);
  OURO_COUNTER("install:counter", 7);
}
