// ouro: one of these has no partner
#include <ouro/trace.hpp>
void f() { OURO_EVENT("a:b", "id", 1, "total"); }
