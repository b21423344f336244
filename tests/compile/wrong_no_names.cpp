// ouro: come pairs of
#include <ouro/trace.hpp>
void f() { int x = 1; OURO_EVENT("a:b", x); }
