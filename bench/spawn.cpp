// bench/spawn.cpp -- how long programs take from their start to their end, in turns: medians in microseconds.
//
//   spawn ROUNDS PROGRAM...
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: spawn ROUNDS PROGRAM...\n");
    return 2;
  }
  const int rounds = std::atoi(argv[1]);
  std::vector<std::vector<double>> us(static_cast<std::size_t>(argc - 2));
  for (int round = 0; round < rounds; ++round) {
    for (int i = 2; i < argc; ++i) {
      char* args[] = {argv[i], nullptr};
      const auto begin = std::chrono::steady_clock::now();
      pid_t pid = 0;
      int status = 1;
      if (posix_spawn(&pid, argv[i], nullptr, nullptr, args, environ) != 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        std::fprintf(stderr, "spawn: %s: failed\n", argv[i]);
        return 1;
      }
      us[static_cast<std::size_t>(i - 2)].push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
    }
  }
  for (int i = 2; i < argc; ++i) {
    auto& v = us[static_cast<std::size_t>(i - 2)];
    std::sort(v.begin(), v.end());
    std::printf("%-40s median %8.1f us  p90 %8.1f us\n", argv[i], v[v.size() / 2], v[v.size() * 9 / 10]);
  }
}
