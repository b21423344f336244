// Opens, uses and closes a module many times, while threads write events of the program's own and of the module.
//
//   modules MODULE LOADS FILE     begins when FILE is there
//
// Prints how many events of the program and how many of the module there were. Ends with 1 if its memory has grown with the loads.
#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include <ouro/trace.hpp>

namespace {

constexpr int kThreads = 2, kPerLoad = 3;
using InModule = void (*)(int, int);

std::shared_mutex loaded;  // held by whoever is in the module
std::atomic<InModule> in_module{nullptr};
std::atomic<int> load_number{0};
std::atomic<bool> stop{false};
std::atomic<long> of_program{0}, of_module{0};

void use(InModule function, int load, int number) {
  function(load, number);
  of_module.fetch_add(1);
}

// Most of the time in the program, sometimes in the module.
void work() {
  for (int i = 0; !stop; ++i) {
    OURO_EVENT("modules:program", "number", i);
    of_program.fetch_add(1);
    if (i % 4 == 0) {
      const std::shared_lock inside(loaded);
      if (const InModule function = in_module) use(function, load_number, -1);
    }
    usleep(300);
  }
}

void* open_module(const char* path) {
  void* module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) std::fprintf(stderr, "modules: %s\n", dlerror()), std::exit(1);
  in_module = reinterpret_cast<InModule>(dlsym(module, "in_module"));
  return module;
}

void load_and_unload(const char* path, int load) {
  void* const module = open_module(path);
  load_number = load;
  for (int i = 0; i < kPerLoad; ++i) use(in_module, load, i);
  std::this_thread::yield();
  const std::unique_lock alone(loaded);
  in_module = nullptr;
  dlclose(module);
  if (dlopen(path, RTLD_NOW | RTLD_NOLOAD) != nullptr) std::fprintf(stderr, "modules: %s is still loaded\n", path), std::exit(1);
}

struct Memory {
  long mappings = 0, size_kb = 0, resident_kb = 0;
};
Memory memory_now() {
  Memory out;
  std::ifstream maps("/proc/self/maps"), status("/proc/self/status");
  for (std::string line; std::getline(maps, line);) ++out.mappings;
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmSize:", 0) == 0) out.size_kb = std::atol(line.c_str() + 7);
    if (line.rfind("VmRSS:", 0) == 0) out.resident_kb = std::atol(line.c_str() + 6);
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const int loads = std::atoi(argv[2]);
  while (access(argv[3], F_OK) != 0) usleep(1000);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(work);
  Memory before;
  for (int i = 0; i < loads; ++i) {
    if (i == loads / 5) before = memory_now();
    load_and_unload(argv[1], i);
  }
  const Memory after = memory_now();
  stop = true;
  for (std::thread& thread : threads) thread.join();
  std::printf("%ld %ld\n", of_program.load(), of_module.load());
  std::fprintf(stderr, "modules: mappings %ld, then %ld; size %ld, then %ld kB; resident %ld, then %ld kB\n", before.mappings, after.mappings, before.size_kb,
               after.size_kb, before.resident_kb, after.resident_kb);
  return after.mappings > before.mappings + 20 || after.size_kb > before.size_kb + (256 << 10) || after.resident_kb > before.resident_kb + (16 << 10);
}
