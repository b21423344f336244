// A program that is killed at chosen places of what the tracer does in it; tests/kills/tracer_test.cpp says where.
//
//   killed stop        stops before the tracer knows of it, then: two events, and the end
//   killed fork        the same; its child writes an event, too
//   killed N           N events of another kind
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include <ouro/trace.hpp>

namespace {

void stop_first(int argc, char** argv, char**) {
  if (argc != 2 || (std::strcmp(argv[1], "stop") != 0 && std::strcmp(argv[1], "fork") != 0)) return;
  ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  asm volatile("int3");
}
[[gnu::section(".preinit_array"), gnu::used]] void (*const before_all)(int, char**, char**) = stop_first;

}  // namespace

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "0";
  if (const long n = std::atol(what); n != 0) {
    for (long i = 0; i < n; ++i) OURO_EVENT("killed:healthy", "n", i);
    return 0;
  }
  OURO_EVENT("killed:first", "n", 0);
  if (std::strcmp(what, "fork") == 0) {
    if (fork() == 0) {
      OURO_EVENT("killed:child", "n", 0);
      return 0;
    }
    wait(nullptr);
  }
  OURO_EVENT("killed:second", "n", 1);
  return 0;
}
