// The shared library that program places links.
#include "places.hpp"

namespace {

struct Lifetime {
  Lifetime() { OURO_EVENT("places:library_constructor"); }
  ~Lifetime() { OURO_EVENT("places:library_destructor"); }
} lifetime;

}  // namespace

void in_library(int number) {
  OURO_EVENT("places:library", "number", number);
  in_inline_function("library");
  in_template(1.5);
}
