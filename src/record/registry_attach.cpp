// Sessions in a program's registry: offered, changed, taken away. ouro/abi/registry_layout.hpp says what the words mean.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <vector>

#include "base/foreign.hpp"
#include "base/rules.hpp"
#include "filter/bind.hpp"
#include "record/registry_file.hpp"

namespace ouro::record {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr int kTries = 1000;  // of an exchange: one that fails means that somebody else changed another session's bit

constexpr std::int64_t kMostTime = 2'000'000'000;  // of this thread: rules and names that a program chose may be meant to take long

std::int64_t cpu_time_ns() {
  timespec now;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// Sets or clears a session's bit, and with it the session's name, which is in `change`.
template <class Word, class Value>
void set_bit(Word& word, Value bit, Value change, bool on) {
  Value seen = word.load(relaxed);
  for (int tries = 0; tries < kTries && ((seen & bit) != 0) != on; ++tries)
    if (word.compare_exchange_weak(seen, seen ^ change)) return;
}

// A program's bytes with a NUL behind them: are they an event's, as far as rules ask?
bool is_sound(const std::vector<std::byte>& schema) {
  if (schema.size() <= sizeof(abi::SchemaHeader) + 1) return false;
  abi::SchemaHeader header;
  std::memcpy(&header, schema.data(), sizeof header);
  const std::size_t suffix = header.kind == abi::EventKind::span_begin ? 6 : header.kind == abi::EventKind::span_end ? 4 : 0;
  const char* name = reinterpret_cast<const char*>(schema.data()) + sizeof header;
  return std::strlen(name) > suffix && sizeof header + std::strlen(name) + 1 < schema.size();
}

}  // namespace

base::Fd RegistryFile::lock(std::chrono::milliseconds patience) const {
  // A description of its own: locks of one and the same would not exclude each other.
  base::Fd own(::open(("/proc/self/fd/" + std::to_string(fd_.get())).c_str(), O_RDWR | O_CLOEXEC));
  const auto end = std::chrono::steady_clock::now() + patience;
  while (own) {
    if (::flock(own.get(), LOCK_EX | LOCK_NB) == 0) return own;
    if (std::chrono::steady_clock::now() >= end) break;
    ::usleep(10'000);
  }
  return {};
}

std::optional<std::uint32_t> RegistryFile::slot_of(const SessionName& session) const {
  for (std::uint32_t k = 0; k < abi::kSessionSlots; ++k) {
    const abi::SessionSlot& s = slot(k);
    if (s.state.load(std::memory_order_acquire) != static_cast<std::uint32_t>(abi::SlotState::offered)) continue;
    // A program that has the name from its environment learns the generation as it maps the session.
    const std::uint32_t its = s.generation.load(relaxed);
    if ((its == session.generation || its == 0) && session.file.size() < sizeof s.file &&
        std::memcmp(s.file, session.file.c_str(), session.file.size() + 1) == 0)
      return k;
  }
  return std::nullopt;
}

// Slots that are claimed and not offered are those of tools that died: we hold the lock.
std::optional<std::uint32_t> RegistryFile::claim(const SessionName& session) {
  for (std::uint32_t k = 0; k < abi::kSessionSlots; ++k) {
    abi::SessionSlot& s = slot(k);
    if (s.state.load(std::memory_order_acquire) == static_cast<std::uint32_t>(abi::SlotState::offered)) continue;
    s.state.store(static_cast<std::uint32_t>(abi::SlotState::claimed), relaxed);
    clear_bits(k, s.generation.load(relaxed));  // of a child that was forked while they were changed; of a tool that died over it
    // First: a program that is just reading the slot reads it again (read_slot() in trace/session.cpp).
    s.use.fetch_add(1, relaxed);
    abi::fence(std::memory_order_release);
    std::memset(s.file, 0, sizeof s.file);
    std::memcpy(s.file, session.file.c_str(), session.file.size());
    s.generation.store(session.generation, relaxed);
    // Sequentially consistent, as the fence behind it: the program finds the session as it adds an event, or we find the event.
    s.state.store(static_cast<std::uint32_t>(abi::SlotState::offered));
    return k;
  }
  return std::nullopt;
}

// What programs know under the old name they look up again. No word is without the bit meanwhile.
void RegistryFile::count_use(std::uint32_t k) {
  const std::uint32_t old = slot(k).use.fetch_add(1);
  const std::uint32_t bit = std::uint32_t{1} << k;
  const std::uint32_t change = abi::filter_change(old, k) ^ abi::filter_change(old + 1, k);
  for (std::uint32_t i = 0; i < abi::kFilterWords; ++i) {
    std::uint32_t seen = filter()[i].load(relaxed);
    for (int tries = 0; tries < kTries && (seen & bit) != 0; ++tries)
      if (filter()[i].compare_exchange_weak(seen, seen ^ change)) break;
  }
}

bool RegistryFile::is_selected(std::uint32_t row, std::span<const std::byte> rules) const {
  std::vector<std::byte> bytes = schema(row);
  const std::size_t size = bytes.size();
  bytes.push_back(std::byte{0});
  if (!is_sound(bytes)) return false;
  char name[256];
  base::EventFacts event;
  base::Rule rule;
  if (!base::facts_of(reinterpret_cast<const char*>(bytes.data()), name, event) ||
      !base::find_rule(rules.data(), rules.size(), event, rule))
    return false;
  if (rule.header.filter_size == 0) return true;
  alignas(8) std::byte bound[filter::kMaxBoundSize];
  return static_cast<bool>(filter::bind({rule.filter, rule.header.filter_size}, {bytes.data(), size}, bound));
}

Result<std::uint32_t> RegistryFile::attach(const SessionName& session, std::span<const std::byte> rules) {
  std::optional<std::uint32_t> k = slot_of(session);
  if (k) {
    count_use(*k);
  } else {
    k = claim(session);
    if (!k)
      return errorf(EBUSY, "process %d (%s) is in %u sessions, want fewer (hint: ouro list %d shows them)", pid_, process_name().c_str(),
                    abi::kSessionSlots, pid_);
  }
  abi::fence(std::memory_order_seq_cst);
  const std::uint64_t bit = std::uint64_t{1} << *k, change = abi::enabled_change(session.generation, *k);
  std::array<bool, abi::kFilterWords> wanted{};
  std::uint32_t events = 0;
  const std::int64_t began = cpu_time_ns();
  for (std::uint32_t i = 0, n = row_count(); i < n; ++i) {
    if (i % 64 == 0 && cpu_time_ns() - began > kMostTime)
      return errorf(ETIME, "process %d (%s): its %u events against the session's rules take longer than %lld s (hint: ouro disable)", pid_,
                    process_name().c_str(), n, static_cast<long long>(kMostTime / 1'000'000'000));
    const bool on = is_selected(i, rules);
    set_bit(rows()[i].enabled, bit, change, on);
    if (!on) continue;
    ++events;
    wanted[base::read_once(rows()[i].filter_index) % abi::kFilterWords] = true;
  }
  const auto filter_bit = static_cast<std::uint32_t>(bit);
  const std::uint32_t filter_change = abi::filter_change(slot(*k).use.load(relaxed), *k);
  for (std::uint32_t i = 0; i < abi::kFilterWords; ++i) set_bit(filter()[i], filter_bit, filter_change, wanted[i]);
  // An event that its program added meanwhile may share a word that we have just cleared.
  for (std::uint32_t i = 0, n = row_count(); i < n; ++i)
    if ((rows()[i].enabled.load() & bit) != 0) set_bit(filter()[base::read_once(rows()[i].filter_index) % abi::kFilterWords], filter_bit, filter_change, true);
  return events;
}

void RegistryFile::clear_bits(std::uint32_t k, std::uint32_t generation) {
  const std::uint64_t bit = std::uint64_t{1} << k;
  for (std::uint32_t i = 0, n = row_count(); i < n; ++i) {
    std::uint64_t seen = rows()[i].enabled.load(relaxed);
    // Ends: a failed exchange means that somebody else changed another session's bit, and there are few of them.
    for (int tries = 0; tries < 1000 && (seen & bit) != 0; ++tries)
      if (rows()[i].enabled.compare_exchange_weak(seen, seen ^ abi::enabled_change(generation, k), relaxed)) break;
  }
  const std::uint32_t change = abi::filter_change(slot(k).use.load(relaxed), k);
  for (std::uint32_t i = 0; i < abi::kFilterWords; ++i) {
    std::uint32_t seen = filter()[i].load(relaxed);
    for (int tries = 0; tries < 1000 && (seen & bit) != 0; ++tries)
      // Without any bit there must be no rest of names either.
      if (filter()[i].compare_exchange_weak(seen, (seen & 0xffff) == bit ? 0 : seen ^ change, relaxed)) break;
  }
}

void RegistryFile::remove_session(std::uint32_t k, std::uint32_t generation) {
  clear_bits(k, generation);
  // Release: whoever claims the slot next finds its bits cleared.
  slot(k).state.store(static_cast<std::uint32_t>(abi::SlotState::free), std::memory_order_release);
}

}  // namespace ouro::record
