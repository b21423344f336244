// A module that program places opens, uses and closes.
#include "places.hpp"

namespace {

struct Lifetime {
  Lifetime() { OURO_EVENT("places:module_constructor"); }
  ~Lifetime() {
    for (int i = 0; i < 3; ++i) OURO_EVENT("places:module_destructor");  // the last of them on the inline path
  }
} lifetime;

}  // namespace

extern "C" void in_module(int number) {
  OURO_SPAN("places:module_span", "number", number);
  OURO_EVENT("places:module", "number", number);
  in_inline_function("module");
}
