// bench/spawn.cpp -- how long programs take from their start to their end, in turns: medians in microseconds, of the wall's
// time and of processors'.
//
//   spawn [--json] ROUNDS PROGRAM...
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

struct Program {
  char* path;
  std::vector<double> us, cpu_us;

  bool run() {
    char* args[] = {path, nullptr};
    const auto begin = std::chrono::steady_clock::now();
    pid_t pid = 0;
    int status = 1;
    rusage usage{};
    if (posix_spawn(&pid, path, nullptr, nullptr, args, environ) != 0 || wait4(pid, &status, 0, &usage) != pid || status != 0) return false;
    us.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
    const auto micros = [](const timeval& t) { return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec); };
    cpu_us.push_back(micros(usage.ru_utime) + micros(usage.ru_stime));
    return true;
  }
};

double at(std::vector<double>& v, double q) {
  std::sort(v.begin(), v.end());
  return v[static_cast<std::size_t>(q * static_cast<double>(v.size() - 1))];
}

}  // namespace

int main(int argc, char** argv) {
  const bool json = argc > 1 && std::strcmp(argv[1], "--json") == 0;
  argc -= json, argv += json;
  if (argc < 3 || std::atoi(argv[1]) < 1) {
    std::fprintf(stderr, "usage: spawn [--json] ROUNDS PROGRAM...\n");
    return 2;
  }
  std::vector<Program> programs;
  for (int i = 2; i < argc; ++i) programs.push_back({argv[i], {}, {}});
  for (int round = 0; round < std::atoi(argv[1]); ++round)
    for (Program& program : programs)
      if (!program.run()) {
        std::fprintf(stderr, "spawn: %s: failed\n", program.path);
        return 1;
      }
  if (json) std::printf("{");
  for (Program& program : programs) {
    const char* const slash = std::strrchr(program.path, '/');
    if (json)
      std::printf("%s\"%s\": {\"median_us\": %.1f, \"p10_us\": %.1f, \"p90_us\": %.1f, \"cpu_us\": %.1f}", &program == programs.data() ? "" : ", ",
                  slash != nullptr ? slash + 1 : program.path, at(program.us, 0.5), at(program.us, 0.1), at(program.us, 0.9), at(program.cpu_us, 0.5));
    else
      std::printf("%-40s median %8.1f us  p10 %8.1f us  p90 %8.1f us  cpu %8.1f us\n", program.path, at(program.us, 0.5), at(program.us, 0.1),
                  at(program.us, 0.9), at(program.cpu_us, 0.5));
  }
  if (json) std::printf("}\n");
}
