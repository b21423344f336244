// What a program did last, printed by itself as it crashes: text_log.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include <ouro/ring/clients.hpp>

namespace {

ouro::ring::text_log* last_words;

void on_crash(int signal) {
  last_words->dump(STDERR_FILENO);  // async-signal-safe
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

}  // namespace

int main() {
  auto log = ouro::ring::text_log::create({.subbuf_count = 2, .subbuf_size = 4096});
  if (!log) return std::fprintf(stderr, "crash: error: %s\n", log.error().text.c_str()), 1;
  last_words = &*log;
  signal(SIGABRT, on_crash);
  for (int i = 0; i < 1000; ++i) log->write("step " + std::to_string(i));
  log->write("this will not end well");
  std::abort();
}
