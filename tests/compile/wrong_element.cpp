// ouro: a sequence field wants elements
#include <ouro/trace.hpp>
struct File { int fd; };
struct Files {
  const File* data() const { return nullptr; }
  unsigned long size() const { return 0; }
};
void f() { OURO_EVENT("a:b", "files", Files{}); }
