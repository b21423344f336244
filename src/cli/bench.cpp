// ouro bench -- what an event costs on this machine, beside its clock and its atomics.
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "base/runtime_dir.hpp"
#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/say.hpp"
#include "cli/units.hpp"
#include "clock/calibrate.hpp"
#include "record/contexts.hpp"
#include "record/session.hpp"

namespace ouro::cli {
namespace {

constexpr const char* kHelp = R"(Measures what an event costs here, beside a bare clock read, in one traced process.

Usage: ouro bench [OPTIONS] [ring]

Ratios are to the bare clock read (rdtsc) of the same round; record_without_clock's is to a lock xadd. Medians over
rounds and code alignments; p10 and p90 say how far they scatter. Other load on the machine spoils them.

'ouro bench ring' measures the ring library by itself, writers and readers, along the tables of docs/ring-policies.md, and the
kernel's ring buffers beside it (as root): a JSON object a line.

Options:
      --mode discard|overwrite|both
                          what happens to events when the buffer is full (default: both, one after the other)
      --context LIST      contexts that the events carry, as ouro record takes them; may be repeated
      --buffer-size SIZE  memory per CPU, with K, M or G, in 16 parts; becomes a power of two (default: 4M)
      --json              one JSON object
  -h, --help              this text

Exit status: 0; 1 if it could not be measured; 2 if the command line makes no sense.

Examples:
  ouro bench                        both modes, as tables
  ouro bench --mode overwrite --json
  ouro bench --context pid,thread   what these cost with each event
  ouro bench ring                   15 seconds, on an idle machine
)";

constexpr std::uint32_t kSubbufs = 16;

// A program that is measured or measures: beside us in a build folder, or in libexec.
Result<std::string> find_program(const std::string& name) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  const std::string places[] = {"bench/" + name, "../libexec/ouro/bench-" + name};
  for (const std::string& place : places)
    if (std::filesystem::exists(self / place, error)) return (self / place).string();
  return errorf(ENOENT, "bench: a program is missing: neither %s beside ouro nor %s", places[0].c_str(), places[1].c_str());
}

// The benchmarks of the ring, one after the other.
Status run_ring_benches() {
  for (const char* name : {"ring", "readers", "kernel"}) {
    const auto program = find_program(name);
    if (!program) return program.error();
    const pid_t child = fork();
    if (child < 0) return error_from_errno("bench: fork");
    if (child == 0) {
      execl(program->c_str(), program->c_str(), static_cast<char*>(nullptr));
      _exit(127);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
      return errorf(EIO, "bench: '%s' ended with wait status %#x, want 0", program->c_str(), static_cast<unsigned>(status));
  }
  return Ok{};
}

class Drainer {
 public:
  explicit Drainer(const record::Session& session) {
    for (std::uint32_t i = 0; i < session.ring_count(); ++i) readers_.emplace_back(session.ring(i), session.geometry(i));
  }
  void drain() {
    ring::Packet packet;
    for (ring::Reader& reader : readers_)
      while (reader.next(packet, true) == ring::Reader::Answer::packet) reader.release();
  }
  std::uint64_t delivered() const {
    std::uint64_t sum = 0;
    for (const ring::Reader& reader : readers_) sum += reader.delivered();
    return sum;
  }
  std::uint64_t lost() const {
    std::uint64_t sum = 0;
    for (const ring::Reader& reader : readers_) sum += reader.lost_total();
    return sum;
  }

 private:
  std::vector<ring::Reader> readers_;
};

struct Pipe {
  base::Fd read_end, write_end;
  bool open() {
    int ends[2];
    if (pipe(ends) != 0) return false;
    read_end = base::Fd(ends[0]);
    write_end = base::Fd(ends[1]);
    return true;
  }
};

[[noreturn]] void run_target(const std::string& path, const std::string& session, Pipe& request, Pipe& reply, Pipe& output, bool drained) {
  dup2(output.write_end.get(), STDOUT_FILENO);
  setenv("OURO_SESSION", session.c_str(), 1);
  const std::string a = drained ? std::to_string(request.write_end.get()) : "-1", b = drained ? std::to_string(reply.read_end.get()) : "-1";
  execl(path.c_str(), path.c_str(), a.c_str(), b.c_str(), static_cast<char*>(nullptr));
  _exit(127);
}

Result<nlohmann::json> measure(abi::FullMode mode, std::uint64_t subbuf_size, std::uint64_t contexts) {
  const auto target = find_program("target");
  if (!target) return target.error();
  base::RuntimeDir folder;
  if (const int code = base::find_runtime_dir(folder, true); code != 0)
    return errorf(code, "bench: no runtime folder: %s (hint: ouro doctor)", std::strerror(code));
  record::SessionOptions options;
  options.name = "bench-" + std::to_string(getpid());
  options.mode = mode;
  options.clock = clock::tsc_trust().trusted ? abi::ClockKind::tsc : abi::ClockKind::monotonic;
  options.subbuf_size = subbuf_size;
  options.subbuf_count = kSubbufs;
  options.rules = {{.name = "ouro_bench:*"}};
  options.contexts = contexts;
  auto session = record::Session::create(folder, options);
  if (!session) return session.error();
  Pipe request, reply, output;
  if (!request.open() || !reply.open() || !output.open()) return error_from_errno("bench: pipe");
  const bool drained = mode == abi::FullMode::discard;
  const pid_t child = fork();
  if (child < 0) return error_from_errno("bench: fork");
  if (child == 0) run_target(*target, session->file(), request, reply, output, drained);
  request.write_end.reset();
  reply.read_end.reset();
  output.write_end.reset();
  Drainer drainer(*session);
  std::string text;
  std::array<pollfd, 2> fds{{{request.read_end.get(), POLLIN, 0}, {output.read_end.get(), POLLIN, 0}}};
  while (fds[1].fd >= 0 && (poll(fds.data(), fds.size(), -1) >= 0 || errno == EINTR)) {
    char buffer[4096];
    if ((fds[0].revents & POLLIN) != 0 && read(fds[0].fd, buffer, 1) == 1) {
      drainer.drain();
      if (write(reply.write_end.get(), buffer, 1) != 1) break;
    } else if ((fds[0].revents & POLLHUP) != 0) {
      fds[0].fd = -1;
    }
    if ((fds[1].revents & (POLLIN | POLLHUP)) != 0) {
      const ssize_t n = read(fds[1].fd, buffer, sizeof buffer);
      if (n <= 0) fds[1].fd = -1;
      else text.append(buffer, static_cast<std::size_t>(n));
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  drainer.drain();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return errorf(EIO, "bench: the measured program ended with wait status %#x, want 0", static_cast<unsigned>(status));
  nlohmann::json result = nlohmann::json::parse(text, nullptr, false);
  if (result.is_discarded()) return errorf(EIO, "bench: the measured program did not answer in JSON");
  result["events"] = drainer.delivered() + drainer.lost();
  result["lost"] = drainer.lost();
  return result;
}

void print_table(const char* mode, const nlohmann::json& r) {
  std::printf("%-24s %8s %10s %8s %8s\n", mode, "ns", "x clock", "p10", "p90");
  for (const auto& [name, f] : r.items()) {
    if (!f.is_object()) continue;
    std::printf("  %-22s %8.2f %10.3f %8.3f %8.3f%s\n", name.c_str(), f["ns"].get<double>(), f["ratio"].get<double>(),
                f["ratio_p10"].get<double>(), f["ratio_p90"].get<double>(), name == "record_without_clock" ? "  (x lock xadd)" : "");
  }
  std::printf("  %llu events, %llu lost\n", r["events"].get<unsigned long long>(), r["lost"].get<unsigned long long>());
}

struct Options {
  std::string mode = "both", what, buffer_size_text = "4M";
  std::vector<std::string> contexts;
  bool json = false;
};

void define(CommandLine& line, Options& options) {
  line.add_argument("what", options.what, "ring");
  line.add_option("--context", options.contexts, "LIST");
  line.add_option("--mode", options.mode, "discard|overwrite|both");
  line.add_option("--buffer-size", options.buffer_size_text, "SIZE");
  line.add_flag("--json", options.json);
}

}  // namespace

const char* define_bench(CommandLine& line) {
  static Options unread;
  define(line, unread);
  return kHelp;
}

int bench_command(int argc, char** argv) {
  CommandLine line;
  Options options;
  define(line, options);
  if (const std::optional<int> status = line.parse(argc, argv, kHelp)) return *status;
  const auto& [mode, what, buffer_size_text, lists, json] = options;
  if (!what.empty() && what != "ring") return usage_error("bench", "unexpected argument '" + what + "', want ring or none");
  if (mode != "discard" && mode != "overwrite" && mode != "both") return usage_error("bench", "--mode is '" + mode + "', want discard, overwrite or both");
  constexpr std::uint64_t kLeast = kSubbufs * abi::kMinSubbufSize, kMost = kSubbufs * abi::kMaxSubbufSize;
  const std::optional<std::uint64_t> buffer_size = parse_size(buffer_size_text);
  if (!buffer_size || *buffer_size > kMost || std::bit_ceil(*buffer_size) < kLeast)
    return usage_error("bench", "--buffer-size is '" + buffer_size_text + "', want " + binary_size(kLeast) + " to " + binary_size(kMost));
  if (what == "ring") {
    const Status ran = run_ring_benches();
    if (!ran) std::fprintf(stderr, "ouro: error: %s\n", ran.error().text.c_str());
    return ran ? 0 : 1;
  }
  const Result<std::uint64_t> contexts = record::parse_contexts(lists);
  if (!contexts) {
    std::fprintf(stderr, "ouro: error: bench: %s\n", contexts.error().text.c_str());
    return 1;
  }
  nlohmann::json all;
  for (const auto& [name, full_mode] : {std::pair{"discard", abi::FullMode::discard}, {"overwrite", abi::FullMode::overwrite}}) {
    if (mode != "both" && mode != name) continue;
    const auto result = measure(full_mode, std::bit_ceil(*buffer_size) / kSubbufs, *contexts);
    if (!result) {
      std::fprintf(stderr, "ouro: error: %s\n", result.error().text.c_str());
      return 1;
    }
    all[name] = *result;
    if (!json) print_table(name, *result);
  }
  if (json) std::cout << all.dump(2) << '\n';
  return 0;
}

}  // namespace ouro::cli
