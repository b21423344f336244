// A module that program modules opens and closes many times. OURO_EVENT needs nothing of the program.
#include <ouro/trace.hpp>

extern "C" void in_module(int load, int number) {
  OURO_SPAN("modules:span");
  OURO_EVENT("modules:loaded", "load", load, "number", number);
}
