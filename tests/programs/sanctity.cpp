// A program that looks at itself: what does being traced, or traceable, change in it? Every answer must be: nothing.
//
//   sanctity     ends with 1 and a line on stderr for each thing that changed
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>

#include <ouro/trace.hpp>

namespace {

bool changed = false;

void expect(bool is_so, const char* what) {
  if (is_so) return;
  std::fprintf(stderr, "sanctity: %s\n", what);
  changed = true;
}

int entries_of(const char* folder) {
  int n = 0;
  DIR* directory = opendir(folder);
  while (readdir(directory) != nullptr) ++n;
  closedir(directory);
  return n;
}

struct State {
  int threads = entries_of("/proc/self/task"), descriptors = entries_of("/proc/self/fd");
  mode_t mask = umask(0);
  sigset_t blocked{};
  struct sigaction action[65]{};
  char folder[256]{};

  State() {
    umask(mask);
    sigprocmask(SIG_BLOCK, nullptr, &blocked);
    for (int i = 1; i < 65; ++i) sigaction(i, nullptr, &action[i]);
    if (getcwd(folder, sizeof folder) == nullptr) folder[0] = '\0';
  }
};

void write_all_sorts(int turn) {
  OURO_SPAN("sanctity:span", "turn", turn);
  OURO_EVENT("sanctity:small", "turn", turn);
  OURO_EVENT("sanctity:medium", "text", std::string(500, 'm'));
  OURO_EVENT("sanctity:large", "text", std::string(5000, 'l'));
  OURO_EVENT("sanctity:too_large", "text", std::string(3 << 20, 't'));
}

}  // namespace

int main() {
  expect(errno == 0, "errno is not 0 at the beginning of main");
  const State before;
  for (int i = 0; i < 1000; ++i) {
    errno = 1000 + i;
    write_all_sorts(i);
    if (errno != 1000 + i) return std::fprintf(stderr, "sanctity: errno is %d behind an event\n", errno), 1;
  }
  const State after;
  // 0, 1, 2, the folder that is being listed, "." and "..": the tracer keeps no descriptor open, not even from its start.
  expect(before.descriptors == 6, "there are more descriptors than the program opened");
  expect(before.threads == 3, "there are more threads than the program started");
  expect(after.threads == before.threads, "threads were started");
  expect(after.descriptors == before.descriptors, "descriptors were opened");
  expect(after.mask == before.mask, "the umask is another");
  expect(std::memcmp(&after.blocked, &before.blocked, sizeof after.blocked) == 0, "other signals are blocked");
  for (int i = 1; i < 65; ++i) expect(after.action[i].sa_handler == before.action[i].sa_handler, "a signal has another handler");
  expect(std::strcmp(after.folder, before.folder) == 0, "the working folder is another");
  std::puts("unchanged");
  return changed ? 1 : 0;
}
