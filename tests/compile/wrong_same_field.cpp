// ouro: two fields of this event have the same name
#include <ouro/trace.hpp>
void f() { OURO_EVENT("a:b", "id", 1, "other", 2, "id", 3); }
