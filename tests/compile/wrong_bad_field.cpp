// ouro: a field's name is of letters
#include <ouro/trace.hpp>
void f() { OURO_EVENT("a:b", "order id", 1); }
