// ouro: an event's name is a string literal
#include <ouro/trace.hpp>
void f() { OURO_EVENT(); }
