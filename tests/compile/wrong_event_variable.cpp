// ouro: an event's name is a string literal
#include <ouro/trace.hpp>
void f() { const char* name = "a:b"; OURO_EVENT(name, "id", 1); }
