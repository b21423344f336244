// ouro: come pairs of
#include <ouro/trace.hpp>
void f() { const char* name = "id"; OURO_EVENT("a:b", name, 1); }
