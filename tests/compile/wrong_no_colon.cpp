// ouro: an event's name is
#include <ouro/trace.hpp>
void f() { OURO_EVENT("order", "id", 1); }
