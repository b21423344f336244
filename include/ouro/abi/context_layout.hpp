// ouro/abi/context_layout.hpp -- contexts: what a session wants to be written with each event, beside its fields. Version 3.
//
//   record   | header | u32 tid | contexts, in the order of their bits | payload |
//
// Packed, little endian, as fields are (ouro/abi/schema.hpp). What cannot be had is 0, an empty text or an empty sequence.
//
//   SessionHeader::contexts
//   63      56 55                                    25 24             0
//   +---------+----------------------------------------+---------------+
//   | depth   | 0: a program that knows them not joins | Context n: 1<<n
//   +---------+----------------------------------------+---------------+
//     callstack: addresses at most; 0: kDefaultDepth
#pragma once
#include <cstddef>
#include <cstdint>
#include <iterator>

#include <ouro/abi/schema.hpp>

namespace ouro::abi {

enum class Context : std::uint8_t {
  check,  // of the record itself (ouro/abi/check.hpp): sessions whose memory is a file have it, nobody asks for it
  pid,
  tid,  // stands at the beginning of every record: its bit adds nothing
  thread,
  comm,
  cpu,
  uid,
  gid,
  ns_cgroup,
  ns_ipc,
  ns_mnt,
  ns_net,
  ns_pid,
  ns_time,
  ns_user,
  ns_uts,
  cgroup,
  callstack,
  cycles,
  instructions,
  cache_misses,
  branch_misses,
  page_faults,
  context_switches,
  cpu_clock,
  task_clock,
  span,  // of a span's end: its length and how it began; sessions of triggers have it, nobody asks for it
};

inline constexpr std::uint32_t kDefaultDepth = 32, kMaxDepth = 64;
inline constexpr std::uint32_t kDepthShift = 56;
inline constexpr std::uint32_t kNameSize = 16, kCgroupSize = 256;  // with the NUL

struct ContextInfo {
  Context context;
  const char* name;
  FieldType type;
  FieldShape shape;
  bool hex;
  std::uint16_t size;  // bytes at most; of a sequence: of its length
  const char* description;
};

inline constexpr ContextInfo kContexts[] = {
    {Context::check, "check", FieldType::u64, FieldShape::scalar, true, 8, "the record's size and checksum, where memory is a file"},
    {Context::pid, "pid", FieldType::u32, FieldShape::scalar, false, 4, "process id"},
    {Context::tid, "tid", FieldType::u32, FieldShape::scalar, false, 0, "thread id; always there"},
    {Context::thread, "thread", FieldType::string, FieldShape::scalar, false, kNameSize, "the thread's name"},
    {Context::comm, "comm", FieldType::string, FieldShape::scalar, false, kNameSize, "the process's name: its main thread's"},
    {Context::cpu, "cpu", FieldType::u32, FieldShape::scalar, false, 4, "CPU"},
    {Context::uid, "uid", FieldType::u32, FieldShape::scalar, false, 4, "the thread's real user id"},
    {Context::gid, "gid", FieldType::u32, FieldShape::scalar, false, 4, "the thread's real group id"},
    {Context::ns_cgroup, "ns.cgroup", FieldType::u32, FieldShape::scalar, false, 4, "cgroup namespace, its inode"},
    {Context::ns_ipc, "ns.ipc", FieldType::u32, FieldShape::scalar, false, 4, "IPC namespace, its inode"},
    {Context::ns_mnt, "ns.mnt", FieldType::u32, FieldShape::scalar, false, 4, "mount namespace, its inode"},
    {Context::ns_net, "ns.net", FieldType::u32, FieldShape::scalar, false, 4, "network namespace, its inode"},
    {Context::ns_pid, "ns.pid", FieldType::u32, FieldShape::scalar, false, 4, "PID namespace, its inode"},
    {Context::ns_time, "ns.time", FieldType::u32, FieldShape::scalar, false, 4, "time namespace, its inode"},
    {Context::ns_user, "ns.user", FieldType::u32, FieldShape::scalar, false, 4, "user namespace, its inode"},
    {Context::ns_uts, "ns.uts", FieldType::u32, FieldShape::scalar, false, 4, "UTS namespace, its inode"},
    {Context::cgroup, "cgroup", FieldType::string, FieldShape::scalar, false, kCgroupSize, "control group; of a long path, the end"},
    {Context::callstack, "callstack", FieldType::u64, FieldShape::sequence, true, 4, "return addresses, the event's own first"},
    {Context::cycles, "perf.cycles", FieldType::u64, FieldShape::scalar, false, 8, "processor cycles of the thread"},
    {Context::instructions, "perf.instructions", FieldType::u64, FieldShape::scalar, false, 8, "instructions of the thread"},
    {Context::cache_misses, "perf.cache-misses", FieldType::u64, FieldShape::scalar, false, 8, "misses of the last cache by the thread"},
    {Context::branch_misses, "perf.branch-misses", FieldType::u64, FieldShape::scalar, false, 8, "mispredicted branches of the thread"},
    {Context::page_faults, "perf.page-faults", FieldType::u64, FieldShape::scalar, false, 8, "page faults of the thread"},
    {Context::context_switches, "perf.context-switches", FieldType::u64, FieldShape::scalar, false, 8,
     "how often the thread was switched out"},
    {Context::cpu_clock, "perf.cpu-clock", FieldType::u64, FieldShape::scalar, false, 8, "the thread's time on CPUs, ns"},
    {Context::task_clock, "perf.task-clock", FieldType::u64, FieldShape::scalar, false, 8, "the thread's time on CPUs, ns"},
    {Context::span, "span", FieldType::u8, FieldShape::sequence, true, 4, "of a span that took long, as it ends: how long, and how it began"},
};
inline constexpr std::size_t kContextCount = std::size(kContexts);

constexpr std::uint64_t bit(Context context) { return std::uint64_t{1} << static_cast<unsigned>(context); }
inline constexpr std::uint64_t kAllContexts = (std::uint64_t{1} << kContextCount) - 1;

constexpr std::uint32_t callstack_depth(std::uint64_t contexts) {
  const auto depth = static_cast<std::uint32_t>(contexts >> kDepthShift);
  return depth == 0 ? kDefaultDepth : depth;
}
constexpr std::uint64_t depth_bits(std::uint32_t depth) { return std::uint64_t{depth} << kDepthShift; }

// Whether a program that was built with this header can write them.
constexpr bool knows_contexts(std::uint64_t contexts) {
  return (contexts << 8 >> 8 & ~kAllContexts) == 0 && callstack_depth(contexts) <= kMaxDepth;
}

// May a user ask for it by name?
constexpr bool is_for_users(Context context) { return context != Context::check && context != Context::span; }

// How many bytes they take at most; of `span`, where it is empty.
constexpr std::size_t max_context_size(std::uint64_t contexts) {
  std::size_t size = 0;
  for (const ContextInfo& info : kContexts)
    if ((contexts & bit(info.context)) != 0)
      size += info.size + (info.context == Context::callstack ? std::size_t{8} * callstack_depth(contexts) : 0);
  return size;
}

constexpr bool contexts_stand_in_order() {
  for (std::size_t i = 0; i < kContextCount; ++i)
    if (static_cast<std::size_t>(kContexts[i].context) != i) return false;
  return true;
}
static_assert(contexts_stand_in_order(), "the table's order is that of the bits");

// Context::span. Empty: of other events, and of ends without a begin. Behind the head, the begin's fields as they stand in its record, or so many
// of their bytes as were kept.
#pragma pack(push, 1)
struct SpanHead {
  std::uint64_t ticks;      // of the session's clock, from its begin to its end
  std::uint32_t begin_id;   // of the begin's event in the session; kNoSpanBegin: its fields were not kept
};
#pragma pack(pop)
inline constexpr std::uint32_t kNoSpanBegin = ~std::uint32_t{0};
static_assert(sizeof(SpanHead) == 12);
static_assert(static_cast<std::size_t>(Context::span) == kContextCount - 1, "its bytes stand right before the payload: src/trace/emit.cpp puts them there");
static_assert(kContextCount <= 56);

}  // namespace ouro::abi
