// A program that crashes, in each way that there is. What it prints itself goes to stdout.
//
//   crashes HOW [OPTION...]
//
//   HOW     segv jump abort assert terminate bus fpe ill overflow overflow-thread large nested two raise kill survive eight twice fork unload wait none
//   OPTION  before[=info|=once|=exit|=ignore|=jump|=chain|=loop]   the program's own handler, installed before ours; after=: behind it
//           events=N fd=N limit=MS all unasked no-flight threads=N n=N
#undef NDEBUG
#include <dlfcn.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cassert>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <ouro/trace.hpp>

enum class Colour : std::uint8_t { red = 1, green = 2 };
template <>
struct ouro::EnumLabels<Colour> {
  static constexpr ouro::Label<Colour> labels[] = {{Colour::red, "red"}, {Colour::green, "green"}};
};

namespace {

struct sigaction replaced;  // by `after`
sigjmp_buf back;
std::atomic<int> arrived{0};

void say(const char* text) { static_cast<void>(!write(1, text, std::strlen(text))); }
void plain(int) {
  say("own handler\n");
  struct sigaction fallback {};
  fallback.sa_handler = SIG_DFL;
  for (const int s : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL}) sigaction(s, &fallback, nullptr);
}
void with_info(int signal, siginfo_t* info, void* context) {
  sigset_t mask;
  sigprocmask(SIG_BLOCK, nullptr, &mask);
  say(info->si_signo == signal && context != nullptr && sigismember(&mask, signal) == 1 && sigismember(&mask, SIGUSR1) == 1 && sigismember(&mask, SIGUSR2) == 0
          ? "own handler with info\n" : "own handler, info or mask wrong\n");
  plain(signal);
}
void exiting(int) {
  say("own handler exits\n");
  _exit(7);
}
void jumping(int) { siglongjmp(back, 1); }
void chaining(int signal, siginfo_t* info, void* context) {
  say("own handler first\n");
  replaced.sa_sigaction(signal, info, context);
}
void looping(int signal, siginfo_t* info, void* context) {
  static int calls = 0;
  if (++calls > 10) _exit(99);
  say("own handler, installed twice\n");
  replaced.sa_sigaction(signal, info, context);
}

void own(const char* how, struct sigaction* old = nullptr) {
  struct sigaction action {};
  const std::string_view kind = how;
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGUSR1);
  action.sa_handler = kind == "exit" ? exiting : kind == "ignore" ? SIG_IGN : kind == "jump" ? jumping : plain;
  if (kind == "info" || kind == "chain" || kind == "loop") {
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = kind == "chain" ? chaining : kind == "loop" ? looping : with_info;
  }
  if (kind == "once") action.sa_handler = [](int) { say("own handler once\n"); }, action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int s : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL}) sigaction(s, &action, old);
}

int* volatile nowhere = nullptr;
__attribute__((noinline, no_sanitize("undefined"))) void fault() { *static_cast<volatile int*>(nowhere) = 1; }
__attribute__((noinline, no_sanitize("undefined"))) int divide(int a, int b) { return a / b; }
volatile bool goes_on = true;
[[gnu::noinline]] int overflow(volatile char* outer) {
  volatile char room[4096];
  room[0] = outer != nullptr ? outer[0] : 1;
  const int inner = goes_on ? overflow(room) : 0;
  return inner + room[0];
}

// A page that is there, and one that is not: what is copied from here faults in the middle.
std::string_view half_there() {
  auto* memory = static_cast<char*>(mmap(nullptr, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  std::memset(memory, 'x', 16384);
  mprotect(memory + 8192, 8192, PROT_NONE);
  return {memory, 8192 + 4096};
}

void some_events(int n) {
  const std::byte raw[] = {std::byte{0xde}, std::byte{0xad}};
  const std::vector<int> many(40, 7);
  const double numbers[] = {0.1, -1e300, NAN};
  for (int i = 0; i < n; ++i) OURO_EVENT("crash:number", "number", i);
  OURO_EVENT("crash:values", "small", std::int8_t{-5}, "large", ~std::uint64_t{0}, "half", 0.5f, "yes", true, "colour", Colour::green, "text", "a \"b\"\n",
             "raw", raw, "many", many, "numbers", numbers, "letter", 'x', "pointer", reinterpret_cast<const void*>(0x1234));
  OURO_SPAN("crash:span");
  OURO_EVENT("crash:last", "number", n);
}

const char* value_of(const char* argument, const char* name) {
  const std::size_t n = std::strlen(name);
  return std::strncmp(argument, name, n) == 0 && (argument[n] == '=' || argument[n] == '\0') ? argument + n + (argument[n] == '=') : nullptr;
}

[[gnu::noinline]] void survive() {
  if (sigsetjmp(back, 1) == 0) fault();
  say("survived\n");
}

std::string folder;  // of the program

int crash(std::string_view how) {
  if (how == "segv" || how == "twice") fault();
  if (how == "jump") reinterpret_cast<void (*)()>(16)();
  if (how == "abort") std::abort();
  if (how == "assert") assert(how == "something else");
  if (how == "terminate") throw std::runtime_error("nobody catches this");
  if (how == "bus") {
    char name[] = "/tmp/ouro-crash.XXXXXX";
    const int fd = mkstemp(name);
    unlink(name);
    auto* const page = static_cast<volatile char*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    return page[5];
  }
  if (how == "fpe") {
#if defined(__x86_64__)
    volatile int zero = 0;
    return divide(7, zero);
#else
    raise(SIGFPE);
#endif
  }
  if (how == "ill")
#if defined(__aarch64__)
    asm volatile(".inst 0");  // a trap is SIGTRAP there
#else
    __builtin_trap();
#endif
  if (how == "overflow") return overflow(nullptr);
  if (how == "overflow-thread")
    std::thread([] {
      const ouro::CrashStack stack;
      overflow(nullptr);
    }).join();
  if (how == "large") OURO_EVENT("crash:large", "text", half_there());
  if (how == "raise") raise(SIGSEGV);
  if (how == "kill") kill(getpid(), SIGBUS);
  if (how == "two") {
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i)
      threads.emplace_back([] {
        ++arrived;
        while (arrived.load() != 2) {
        }
        fault();
      });
    for (std::thread& t : threads) t.join();
  }
  if (how == "survive" || how == "eight")
    for (int i = 0; i < (how == "eight" ? 12 : 2); ++i) survive();
  if (how == "fork") {
    const pid_t child = fork();
    if (child == 0) {
      OURO_EVENT("crash:child", "number", 1);
      fault();
    }
    int status = 0;
    waitpid(child, &status, 0);
    say(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV ? "child died of SIGSEGV\n" : "child ended otherwise\n");
  }
  if (how == "unload") {  // a library with a tracer of its own, that asks and goes
    void* const library = dlopen((folder + "/mod_crashes.so").c_str(), RTLD_NOW);
    if (library == nullptr) return std::printf("%s\n", dlerror()), 3;
    reinterpret_cast<void (*)()>(dlsym(library, "ask"))();
    dlclose(library);
    fault();
  }
  if (how == "wait")
    for (;;) pause();
  return 0;
}

}  // namespace

// A handler that writes a large event whose text faults, too, while a large event is being written: the second level.
void in_handler(int) {
  signal(SIGUSR1, SIG_IGN);
  OURO_EVENT("crash:inner", "text", half_there());
}
int main(int argc, char** argv) {
  const std::string_view how = argc > 1 ? argv[1] : "none";
  folder = argv[0];
  folder.resize(folder.rfind('/') == std::string::npos ? 0 : folder.rfind('/'));
  ouro::CrashOptions options;
  const char *before = nullptr, *after = nullptr;
  bool asked = true, flight = true;
  int threads = 0, events = 3;
  for (int i = 2; i < argc; ++i) {
    if (const char* v = value_of(argv[i], "before")) before = v;
    if (const char* v = value_of(argv[i], "after")) after = v;
    if (const char* v = value_of(argv[i], "events")) options.events = static_cast<std::uint32_t>(std::atoi(v));
    if (const char* v = value_of(argv[i], "n")) events = std::atoi(v);
    if (const char* v = value_of(argv[i], "fd")) options.fd = std::atoi(v);
    if (const char* v = value_of(argv[i], "limit")) options.time_limit_ms = static_cast<std::uint32_t>(std::atoi(v));
    if (const char* v = value_of(argv[i], "threads")) threads = std::atoi(v);
    options.all_processes = options.all_processes || value_of(argv[i], "all") != nullptr;
    asked = asked && value_of(argv[i], "unasked") == nullptr;
    flight = flight && value_of(argv[i], "no-flight") == nullptr;
  }
  if (flight) {
    if (const ouro::Outcome o = ouro::flight_recorder({.contexts = how == "segv" && threads == 1 ? "thread,cpu" : ""}); !o) return std::printf("%s\n", o.text), 3;
  }
  if (before != nullptr) own(before);
  if (asked) {
    if (const ouro::Outcome o = ouro::on_crash(options); !o) return std::printf("%s\n", o.text), 3;
    if (how == "twice") ouro::on_crash(options);
  }
  if (after != nullptr) own(after, &replaced);
  std::vector<std::thread> writers;
  for (int t = 0; t < threads; ++t)
    writers.emplace_back([] {
      for (std::uint64_t i = 0;; ++i) {
        OURO_EVENT("crash:busy", "number", i);
        if (i == 100) ++arrived;
      }
    });
  while (arrived.load() != threads) usleep(1000);
  arrived = 0;
  some_events(events);
  std::fflush(stdout);
  if (how == "nested") {
    signal(SIGUSR1, in_handler);
    // From within the copy of the outer text: user memory that is not there makes a SIGSEGV, whose handler writes the inner one.
    struct sigaction action {};
    action.sa_handler = [](int) {
      struct sigaction ours = replaced;
      sigaction(SIGSEGV, &ours, nullptr);
      in_handler(0);
    };
    action.sa_flags = SA_NODEFER;
    sigaction(SIGSEGV, &action, &replaced);
    OURO_EVENT("crash:outer", "text", half_there());
  }
  return crash(how);
}
