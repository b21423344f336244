// States one event at each place in the life of a program where it may: tests/e2e/places.sh knows them all.
//
//   places MODULE
#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "places.hpp"

namespace {

struct Lifetime {
  Lifetime() { OURO_EVENT("places:constructor"); }
  ~Lifetime() { OURO_EVENT("places:destructor"); }
} lifetime;

[[gnu::constructor]] void early() { OURO_EVENT("places:early_function"); }
[[gnu::destructor]] void late() { OURO_EVENT("places:late_function"); }

struct ThreadEnd {
  ~ThreadEnd() { OURO_EVENT("places:thread_end"); }
};

void in_thread(const char* kind) {
  thread_local ThreadEnd end;
  static_cast<void>(&end);
  OURO_EVENT("places:thread", "kind", kind);
}

void on_signal(int number) { OURO_EVENT("places:signal_handler", "number", number); }

// Opened and closed `turns` times; each time it must really be gone from memory, or the test tests nothing.
void use_module(const char* path, int turns) {
  for (int i = 0; i < turns; ++i) {
    void* module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (module == nullptr) std::fprintf(stderr, "places: %s\n", dlerror()), std::exit(1);
    reinterpret_cast<void (*)(int)>(dlsym(module, "in_module"))(i);
    dlclose(module);
    if (dlopen(path, RTLD_NOW | RTLD_NOLOAD) != nullptr) std::fprintf(stderr, "places: %s is still loaded\n", path), std::exit(1);
    usleep(100);  // the kernel looks at rseq_cs: had it been left to point into the module, it would kill this thread
  }
}

void start_threads() {
  std::thread([] { in_thread("std"); }).join();
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 64 << 10);
  pthread_t small;
  pthread_create(&small, &attributes, [](void*) -> void* { return in_thread("small stack"), nullptr; }, nullptr);
  pthread_join(small, nullptr);
  for (int i = 0; i < 100; ++i) std::thread([] { in_thread("many"); }).join();
}

}  // namespace

int main(int, char** argv) {
  std::atexit([] { OURO_EVENT("places:atexit"); });
  OURO_EVENT("places:main");
  in_library(1);
  in_inline_function("program");
  in_template(2);
  in_template(3.5f);
  [] { OURO_EVENT("places:lambda"); }();
  start_threads();
  std::signal(SIGUSR1, on_signal);
  std::raise(SIGUSR1);
  use_module(argv[1], 10);
}
