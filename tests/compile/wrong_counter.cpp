// ouro: an event's name is
#include <ouro/trace.hpp>
void f() { OURO_COUNTER("depth", 1); }
