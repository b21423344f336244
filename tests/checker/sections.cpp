// sections.cpp -- what stands in for restartable sequences.
//
// A section is one step for its CPU. It may be aborted before any of its stores, and its thread may be killed there; what it had
// stored stays. Preemption and migration inside it are such an abort, followed by what else may happen between two sections.
#include <cstring>

#include "ring/internal.hpp"
#include "ring/writer_internal.hpp"
#include "ring/writer_sections.hpp"
#include "world.hpp"

namespace ouro::checker {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

class Section {
 public:
  explicit Section(int stores) {
    if (interrupted()) left_ = choose(stores);
  }
  // False: aborted before it.
  bool store(void* to, std::uint64_t value) {
    if (aborted()) return false;
    if (static_cast<std::byte*>(to) < world.region().data()) return true;
    const std::size_t at = static_cast<std::size_t>(static_cast<std::byte*>(to) - world.region().data()) % World::kStride;
    if (at < abi::kRingDataOffset) {
      static_cast<abi::Word*>(to)->store(value, relaxed);
    } else {
      std::memcpy(to, &value, 8);
      abi::stored(to, 8);
    }
    return true;
  }
  bool commit(abi::WriterLine& writer, std::uint64_t stamp, std::uint64_t value) {
    if (aborted()) return false;
    writer.last_stamp.store(stamp, std::memory_order_release);  // ord(stamp:B)
    if (aborted()) return false;
    writer.write_word.store(value, std::memory_order_release);  // ord(commit:B)
    return true;
  }
  bool count(abi::Word& counter, std::uint64_t value) {
    if (aborted()) return false;
    counter.store(value, relaxed);
    return true;
  }

 private:
  bool aborted() {
    if (left_ < 0 || left_-- > 0) return false;
    say("the section is aborted");
    if (may_die() && choose(2) == 1) die();
    return true;
  }
  int left_ = -1;  // stores before the abort
  Quiet quiet_;
};

bool right_cpu(std::uint64_t index) { return static_cast<std::uint64_t>(this_cpu()) == index || broken(section_index); }

}  // namespace

bool shoot(const Channel& channel, std::uint32_t index, std::uint32_t id, const std::uint32_t* body) noexcept {
  pause();
  Section section(2);
  abi::WriterLine& writer = channel.ring[index]->writer;
  if (!right_cpu(index)) return false;
  const std::uint64_t w = writer.write_word.load(relaxed);
  constexpr std::size_t size = kCompactHeader + 8;
  if (((w + size) ^ w) > writer.mask.load(relaxed) && !broken(section_room)) return false;
  std::byte* const at = data_of(*channel.ring[index]) + offset_of(w);
  const std::uint64_t stamp = tick();
  if (stamp >= writer.stamp_deadline.load(relaxed) && !broken(section_deadline)) return false;
  std::uint32_t words[3] = {static_cast<std::uint32_t>(stamp << (32 - kStampBits)) | id, body[0], body[1]};
  std::memcpy(at, words, sizeof words);
  abi::stored(at, sizeof words);
  say("writes %u in one shot", id);
  return section.commit(writer, stamp, w + abi::kOneRecord + size);
}

}  // namespace ouro::checker

namespace ouro::ring {

using namespace ouro::checker;

bool exchange_in_section(const Exchange& x) noexcept {
  ouro::checker::pause();
  int stores = 2;
  for (const Exchange::Copy& copy : x.copies) stores += static_cast<int>(copy.words);
  Section section(stores);
  abi::WriterLine& writer = x.ring->writer;
  if (!right_cpu(x.index)) return false;
  if (writer.write_word.load(std::memory_order_relaxed) != x.expected && !broken(section_word)) return false;
  if (x.slot->load(std::memory_order_relaxed) != x.slot_value && !broken(section_slot)) return false;
  if (x.stamp < writer.last_stamp.load(std::memory_order_relaxed) && !broken(section_stamp)) return false;
  for (const Exchange::Copy& copy : x.copies)
    for (std::uint64_t i = copy.words; i-- > 0;) {
      std::uint64_t value = 0;
      std::memcpy(&value, static_cast<const std::byte*>(copy.from) + 8 * i, 8);
      if (!section.store(static_cast<std::byte*>(copy.to) + 8 * i, value)) return false;
    }
  say("exchanges W for %#llx", static_cast<unsigned long long>(x.next));
  return section.commit(writer, x.stamp, x.next);
}

bool count_in_section(ouro::detail::RseqArea*, std::uint64_t, std::uint64_t index, abi::Word& counter) noexcept {
  ouro::checker::pause();
  Section section(1);
  if (!right_cpu(index)) return false;
  return section.count(counter, counter.load(std::memory_order_relaxed) + 1);
}

void bind_in_section(Route&, std::uint32_t, abi::RingHead*, std::uint32_t) noexcept {}

// A LocalChannel over the world's memory, for Snapshot.
struct LocalChannel::State {
  const Channel* channel;
};
LocalChannel::LocalChannel(std::unique_ptr<State> state) : state_(std::move(state)) {}
LocalChannel::~LocalChannel() = default;
LocalChannel::LocalChannel(LocalChannel&&) noexcept = default;
ouro::Result<LocalChannel> LocalChannel::create(const Options&) { return LocalChannel(std::make_unique<State>(State{local_channel})); }
const Channel& LocalChannel::oldest() const noexcept { return *state_->channel; }
std::uint32_t LocalChannel::ring_count() const { return state_->channel->exclusive ? 1 : 2 * state_->channel->cpus; }
RecordForm LocalChannel::form(std::uint32_t i) const { return form_of(*state_->channel, geometry_of(*state_->channel, i).kind); }

}  // namespace ouro::ring
