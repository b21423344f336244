// What a program wrote before it was killed: a ring in a file, opened by another process afterwards.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include <ouro/ring/clients.hpp>

namespace {

constexpr std::uint64_t kSteps = 100'000;

// Reports after the last step, and goes on without end.
[[noreturn]] void work(const std::string& path, int report) {
  auto recorder = ouro::ring::flight_recorder::create({.subbuf_count = 4, .subbuf_size = 16 * 1024, .memory = ouro::ring::Memory::file, .path = path});
  if (!recorder) {
    std::fprintf(stderr, "recover: error: %s\n", recorder.error().text.c_str());
    _exit(1);
  }
  for (std::uint64_t step = 1;; ++step) {
    recorder->write(1, step);
    if (step == kSteps && write(report, "x", 1) != 1) _exit(1);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string path = argc > 1 ? argv[1] : "recover.ring";
  int ends[2];
  if (pipe(ends) != 0) return 1;
  const pid_t child = fork();
  if (child == 0) work(path, ends[1]);
  close(ends[1]);
  char c = 0;
  const bool worked = read(ends[0], &c, 1) == 1;
  kill(child, SIGKILL);  // wherever it is
  waitpid(child, nullptr, 0);
  if (!worked) return 1;

  auto channel = ouro::ring::LocalChannel::open(path, ouro::ring::Use::read);
  if (!channel) return std::fprintf(stderr, "recover: error: %s\n", channel.error().text.c_str()), 1;
  ouro::ring::Records records(*channel);
  records.writers_are_done();
  std::uint64_t last = 0, read = 0;
  bool in_order = true;
  for (ouro::ring::Record r; records.next(r); ++read) {
    std::uint64_t step = 0;
    std::memcpy(&step, r.bytes.data(), sizeof step);
    in_order = in_order && step > last;
    last = step;
  }
  std::printf("recover: %llu steps, the last %llu; %llu before them were overwritten\n", static_cast<unsigned long long>(read),
              static_cast<unsigned long long>(last), static_cast<unsigned long long>(records.lost()));
  // Every step up to the last is there or counted.
  return in_order && !records.corrupt() && last >= kSteps && read + records.lost() == last ? 0 : 1;
}
