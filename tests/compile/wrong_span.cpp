// ouro: one of these has no partner
#include <ouro/trace.hpp>
void f() { OURO_SPAN("a:b", "id"); }
