// ouro: a value of this type cannot be a field
#include <ouro/trace.hpp>
struct File { int fd; };
void f() { OURO_EVENT("a:b", "file", File{}); }
