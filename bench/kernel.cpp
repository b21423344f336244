// bench/kernel.cpp -- what the kernel's own ring buffers take for a record of 8 bytes, beside ours:
//
//   kernel           one JSON object a line, as bench/ring.cpp; a peer that cannot be had here says why
//
// The rings of perf and BPF are written to by a BPF program that the kernel runs many times in a row (BPF_PROG_TEST_RUN), less an
// empty program; ftrace's by the tracepoint of a system call, less the call alone, so with the way into the event. Needs root.
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "measure.hpp"

namespace {

using namespace ouro::bench;

constexpr int kRounds = 20;
constexpr std::uint32_t kRepeat = 20'000;
double tick_ns;

double clock_floor_ns() {
  const auto begin = now();
  for (std::uint32_t i = 0; i < kRepeat; ++i) {
    const auto t = now();
    asm volatile("" : : "r"(t));
  }
  return static_cast<double>(now() - begin) * tick_ns / kRepeat;
}

void say(const char* what, const std::vector<double>& ns, const std::vector<double>& ratio) {
  std::printf("{\"what\": \"%s\", \"ns\": %.3f, \"ratio\": %.3f, \"floor\": \"rdtsc\"}\n", what, median(ns), median(ratio));
  std::fflush(stdout);
}
void say_missing(const char* what, const char* step) {
  std::printf("{\"what\": \"%s\", \"missing\": \"%s: %s\"}\n", what, step, std::strerror(errno));
}

// ---- BPF, by hand: programs of a few instructions

long bpf(int command, bpf_attr& attr) { return syscall(SYS_bpf, command, &attr, sizeof attr); }

constexpr bpf_insn insn(int code, int to, int from, short offset, int immediate) {
  return {static_cast<__u8>(code), static_cast<__u8>(to & 15), static_cast<__u8>(from & 15), offset, immediate};
}
constexpr bpf_insn set(int to, int value) { return insn(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value); }
constexpr bpf_insn copy(int to, int from) { return insn(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }
constexpr bpf_insn call(int helper) { return insn(BPF_JMP | BPF_CALL, 0, 0, 0, helper); }
void add_map(std::vector<bpf_insn>& to, int reg, int fd) {
  to.push_back(insn(BPF_LD | BPF_DW | BPF_IMM, reg, BPF_PSEUDO_MAP_FD, 0, fd));
  to.push_back(insn(0, 0, 0, 0, 0));
}

int make_map(std::uint32_t type, std::uint32_t key, std::uint32_t value, std::uint32_t entries) {
  bpf_attr attr{};
  attr.map_type = type;
  attr.key_size = key;
  attr.value_size = value;
  attr.max_entries = entries;
  return static_cast<int>(bpf(BPF_MAP_CREATE, attr));
}

// A program that puts 8 bytes on its stack, does `body`, and returns.
int load(std::vector<bpf_insn> body) {
  std::vector<bpf_insn> all = {copy(BPF_REG_6, BPF_REG_1), insn(BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, -8, 42)};
  all.insert(all.end(), body.begin(), body.end());
  all.push_back(set(BPF_REG_0, 2));  // XDP_PASS
  all.push_back(insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
  bpf_attr attr{};
  attr.prog_type = BPF_PROG_TYPE_XDP;
  attr.insns = reinterpret_cast<std::uint64_t>(all.data());
  attr.insn_cnt = static_cast<std::uint32_t>(all.size());
  attr.license = reinterpret_cast<std::uint64_t>("GPL");
  return static_cast<int>(bpf(BPF_PROG_LOAD, attr));
}

// Nanoseconds a run, on this CPU; negative: it cannot be run.
double run(int program) {
  unsigned char packet[64]{};
  bpf_attr attr{};
  attr.test.prog_fd = static_cast<std::uint32_t>(program);
  attr.test.data_in = reinterpret_cast<std::uint64_t>(packet);
  attr.test.data_size_in = sizeof packet;
  attr.test.repeat = kRepeat;
  const auto begin = now();
  if (bpf(BPF_PROG_TEST_RUN, attr) != 0) return -1;
  return static_cast<double>(now() - begin) * tick_ns / kRepeat;  // `duration` is in whole nanoseconds
}

// `empty_ring` gives the reader's side of the ring back.
template <class EmptyRing>
void measure_program(const char* what, int program, int empty, EmptyRing empty_ring) {
  std::vector<double> ns, ratio;
  for (int round = 0; round < kRounds; ++round) {
    const double floor = clock_floor_ns(), base = run(empty), with = run(program);
    if (base < 0 || with < 0) return say_missing(what, "BPF_PROG_TEST_RUN");
    if (!empty_ring()) {
      errno = ENODATA;
      return say_missing(what, "nothing was written");
    }
    ns.push_back(with - base);
    ratio.push_back((with - base) / floor);
  }
  say(what, ns, ratio);
}

// `stamped`: the 8 bytes are the kernel's clock (bpf_ktime_get_ns).
void bpf_ring_buffer(const char* what, int empty, bool stamped) {
  constexpr std::uint32_t kSize = 1 << 20;
  const int map = make_map(BPF_MAP_TYPE_RINGBUF, 0, 0, kSize);
  if (map < 0) return say_missing(what, "BPF_MAP_CREATE");
  void* consumer = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
  void* producer = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, map, 4096);
  if (consumer == MAP_FAILED || producer == MAP_FAILED) return say_missing(what, "mmap");
  std::vector<bpf_insn> body;
  if (stamped) body = {call(BPF_FUNC_ktime_get_ns), insn(BPF_STX | BPF_MEM | BPF_DW, BPF_REG_10, BPF_REG_0, -8, 0)};
  add_map(body, BPF_REG_1, map);
  for (const bpf_insn i : {copy(BPF_REG_2, BPF_REG_10), insn(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -8), set(BPF_REG_3, 8),
                           set(BPF_REG_4, BPF_RB_NO_WAKEUP), call(BPF_FUNC_ringbuf_output)})
    body.push_back(i);
  const int program = load(body);
  if (program < 0) return say_missing(what, "BPF_PROG_LOAD");
  auto& read = *static_cast<std::atomic<std::uint64_t>*>(consumer);
  const auto& written = *static_cast<const std::atomic<std::uint64_t>*>(producer);
  measure_program(what, program, empty, [&] {
    const std::uint64_t at = written.load();
    return at - read.exchange(at) == kRepeat * 16u;  // all of them: a full ring would be measured otherwise
  });
}

void perf_ring_buffer(int empty) {
  constexpr std::size_t kPages = 256, kPage = 4096;
  perf_event_attr event{};
  event.type = PERF_TYPE_SOFTWARE;
  event.size = sizeof event;
  event.config = PERF_COUNT_SW_BPF_OUTPUT;
  event.sample_type = PERF_SAMPLE_RAW | PERF_SAMPLE_TIME;
  event.sample_period = 1;
  event.watermark = 1;
  event.wakeup_watermark = kPages * kPage;
  const int fd = static_cast<int>(syscall(SYS_perf_event_open, &event, -1, 0, -1, PERF_FLAG_FD_CLOEXEC));
  if (fd < 0) return say_missing("perf_ring_buffer", "perf_event_open");
  void* memory = mmap(nullptr, (kPages + 1) * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return say_missing("perf_ring_buffer", "mmap");
  ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
  const int map = make_map(BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 1);
  if (map < 0) return say_missing("perf_ring_buffer", "BPF_MAP_CREATE");
  std::uint32_t key = 0, value = static_cast<std::uint32_t>(fd);
  bpf_attr attr{};
  attr.map_fd = static_cast<std::uint32_t>(map);
  attr.key = reinterpret_cast<std::uint64_t>(&key);
  attr.value = reinterpret_cast<std::uint64_t>(&value);
  if (bpf(BPF_MAP_UPDATE_ELEM, attr) != 0) return say_missing("perf_ring_buffer", "BPF_MAP_UPDATE_ELEM");
  std::vector<bpf_insn> body = {copy(BPF_REG_1, BPF_REG_6)};
  add_map(body, BPF_REG_2, map);
  for (const bpf_insn i : {set(BPF_REG_3, 0), copy(BPF_REG_4, BPF_REG_10), insn(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_4, 0, 0, -8),
                           set(BPF_REG_5, 8), call(BPF_FUNC_perf_event_output)})
    body.push_back(i);
  const int program = load(body);
  if (program < 0) return say_missing("perf_ring_buffer", "BPF_PROG_LOAD");
  auto* page = static_cast<perf_event_mmap_page*>(memory);
  measure_program("perf_ring_buffer", program, empty, [&] {
    const std::uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE), tail = page->data_tail;
    __atomic_store_n(&page->data_tail, head, __ATOMIC_RELEASE);
    return head - tail >= kRepeat * 16u;
  });
}

// ---- ftrace

bool put(const std::string& file, const char* text) {
  const int fd = open(file.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
  if (fd < 0) return false;
  const bool ok = write(fd, text, std::strlen(text)) == static_cast<ssize_t>(std::strlen(text));
  close(fd);
  return ok;
}

double system_call_ns() {
  const auto begin = now();
  for (std::uint32_t i = 0; i < kRepeat; ++i) syscall(SYS_getppid);
  return static_cast<double>(now() - begin) * tick_ns / kRepeat;
}

void ftrace_event() {
  const std::string root = "/sys/kernel/tracing";
  if (access((root + "/instances").c_str(), F_OK) != 0) mount("tracefs", root.c_str(), "tracefs", 0, nullptr);
  const std::string mine = root + "/instances/ouro-bench";
  if (mkdir(mine.c_str(), 0700) != 0 && errno != EEXIST) return say_missing("ftrace_event", "an instance of its own in /sys/kernel/tracing");
  const std::string enable = mine + "/events/syscalls/sys_enter_getppid/enable";
  std::vector<double> ns, ratio;
  for (int round = 0; round < kRounds; ++round) {
    const double floor = clock_floor_ns(), base = system_call_ns();
    if (!put(enable, "1")) {
      say_missing("ftrace_event", "enabling sys_enter_getppid");
      break;
    }
    const double with = system_call_ns();
    put(enable, "0");
    ns.push_back(with - base);
    ratio.push_back((with - base) / floor);
  }
  rmdir(mine.c_str());
  if (!ns.empty()) say("ftrace_event", ns, ratio);
}

}  // namespace

int main() {
  pin(0);
  tick_ns = measure_ns_per_tick();
  const int empty = load({});
  if (empty < 0) {
    say_missing("bpf_ring_buffer", "BPF_PROG_LOAD");
    say_missing("perf_ring_buffer", "BPF_PROG_LOAD");
  } else {
    bpf_ring_buffer("bpf_ring_buffer", empty, false);
    bpf_ring_buffer("bpf_ring_buffer_with_clock", empty, true);
    perf_ring_buffer(empty);
  }
  ftrace_event();
}
