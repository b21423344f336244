// A library with a tracer of its own that asks to have its last events said when the program crashes. Loaded by crashes.
#include <ouro/trace.hpp>

extern "C" __attribute__((visibility("default"))) void ask() {
  OURO_EVENT("crash:asked");
  ouro::on_crash();
}
