// ouro: one of these has no partner
#include <ouro/trace.hpp>
void f() { int x = 1; OURO_EVENT("a:b", "x", x, x); }
