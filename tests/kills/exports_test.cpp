// Who gives a ring's packets away without a copy is killed behind everything that it does to the ring: one that exports them to
// another process (View), with the reader of these, and one that moves them into a pipe (SpliceReader). Whoever comes after it gets all that
// had not been read at the other end, from there without a gap, whole and in order; writers lose nothing beside it.
#if defined(__x86_64__)
#include <fcntl.h>
#include <sys/mman.h>

#include <optional>

#include <ouro/ring/buffer.hpp>
#include <ouro/ring/mapped_reader.hpp>
#include <ouro/ring/splice.hpp>
#include <ouro/ring/view.hpp>

#include "base/fd.hpp"
#include "ring/internal.hpp"
#include "ring/test_ring.hpp"
#include "everywhere.hpp"

namespace ouro::race {
namespace {

using base::Fd;
using ring::Full;
using ring::MappedPacket;
using ring::MappedReader;
using ring::MappedRecord;
using ring::SpliceReader;
using ring::View;
using ring::Written;

// What was read at the other end, by the child, which outlives it.
struct Mirror {
  std::uint64_t next;     // the value that comes then
  std::uint64_t writing;  // what it does meanwhile, writers_test.cpp looks at
};
Mirror* mirror = static_cast<Mirror*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

// Values that are read, with what may be missing between them in overwrite mode.
struct Seen {
  std::uint64_t first = ~std::uint64_t{0}, next = 0, missing = 0;
  void see(std::uint64_t value) {
    if (first == ~std::uint64_t{0}) next = first = value;
    EXPECT_GE(value, next) << "twice, or out of order";
    missing += value - next;
    next = value + 1;
  }
};

void read_mapped(MappedReader& reader, Seen& seen) {
  MappedPacket packet;
  while (reader.next(packet) == MappedReader::Answer::packet) {
    MappedRecord r;
    for (std::size_t at = 0; MappedReader::next_record(packet, at, r);) {
      std::uint64_t value = 0;
      ASSERT_EQ(r.bytes.size(), 8u);
      std::memcpy(&value, r.bytes.data(), 8);
      seen.see(value);
    }
    mirror->next = seen.next;
    reader.release();
  }
}

template <Full kFull, ring::Stamp kStamp>
struct Source {
  using B = ring::Buffer<ring::Policy{.sync = ring::Sync::exclusive, .full = kFull, .stamp = kStamp}>;
  B buffer = std::move(*B::create({.subbuf_count = 4, .subbuf_size = 4096, .memory = ring::Memory::memfd}));
  std::uint64_t next = 0;
  bool write() { return buffer.write(1, next) == Written::yes && ++next; }
  void write(int count) {
    for (int i = 0; i < count; ++i) write();
  }
  ring::LocalChannel& channel() { return buffer.channel(); }
};

// One who exports, and who reads what he exports.
template <Full kFull>
struct Exporting {
  static constexpr const char* kName = "exporting";
  Source<kFull, ring::Stamp::clock> source;
  std::optional<View> view = std::move(*View::create(source.channel()));
  std::optional<MappedReader> reader;
  Seen seen;

  void attach() {
    const Fd data(*view->open_data());
    reader.emplace(std::move(*MappedReader::attach(view->fd(), data.get())));
  }
  void once() {
    EXPECT_TRUE(view->update(true));
    read_mapped(*reader, seen);
  }
  void succeed() {
    seen = {};
    reader.reset();
    view.reset();
    view.emplace(std::move(*View::create(source.channel())));
    attach();
  }
};

// One who moves into a pipe, and who reads there.
template <Full kFull>
struct Splicing {
  static constexpr const char* kName = "splicing";
  Source<kFull, ring::Stamp::none> source;
  Fd in, out;
  std::optional<SpliceReader> splice;
  Seen seen;
  std::vector<std::byte> text;

  Splicing() { open_pipe(); }
  void open_pipe() {
    int fds[2];
    EXPECT_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    in = Fd(fds[1]), out = Fd(fds[0]);
  }
  void attach() { splice.emplace(std::move(*SpliceReader::create(source.channel(), 0, in.get()))); }
  void once() {
    EXPECT_TRUE(splice->move(true));
    constexpr std::size_t kRecord = 12;  // {u32 size, u64 value}
    std::byte piece[4096];
    for (ssize_t n = 0; (n = ::read(out.get(), piece, sizeof piece)) > 0;) {
      text.insert(text.end(), piece, piece + n);
      std::size_t at = 0;
      for (; text.size() - at >= kRecord; at += kRecord) {
        std::uint64_t value = 0;
        std::memcpy(&value, text.data() + at + 4, 8);
        seen.see(value);
      }
      text.erase(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at));
      mirror->next = seen.next;
    }
  }
  void succeed() {
    seen = {};
    splice.reset();
    in.reset(), out.reset();  // what the pipe still refers to goes with it
    open_pipe();
    attach();
  }
};

constexpr int kRounds = 3;

template <class Role>
struct Setting {
  Role role;
  Stepped victim;
  Setting()
      : role(prepared()), victim([&] { role.attach(); },
                                 [&] {
                                   for (int i = 0; i < kRounds; ++i) {
                                     role.once();
                                     mirror->writing = 1;
                                     role.source.write(70);
                                     mirror->writing = 0;
                                   }
                                 }) {}
  static Role prepared() {
    *mirror = {};
    Role out;
    out.source.write(450);
    return out;
  }
};

// The child wrote, too: how far, the ring says.
template <class Role>
std::uint64_t records_in(Role& role) {
  const abi::RingHead& head = role.source.channel().head(0);
  const std::uint64_t w = head.writer.write_word.load();
  return head.image[ring::offset_of(w) / 4096].records_before.load() + ring::records_of(w);
}

template <class Role>
bool kill_at(const Place& place, bool overwrite) {
  Setting<Role> s;
  Role& role = s.role;
  if (!s.victim.run_to(place)) return false;
  s.victim.kill();
  const std::uint64_t read = mirror->next;
  role.source.next = records_in(role);
  role.succeed();
  for (int i = 0; i < 30; ++i) {
    role.once();
    for (int k = 0; k < 40; ++k) { EXPECT_TRUE(role.source.write() || overwrite) << "a writer loses records beside a dead one"; }
  }
  role.once();
  role.once();  // a pipe: what was held
  EXPECT_EQ(role.seen.next, role.source.next) << "its successor does not get to the end";
  if (overwrite) return true;
  EXPECT_LE(role.seen.first, read) << "records of which nobody knows are gone";
  EXPECT_EQ(role.seen.missing, 0u);
  return true;
}

template <class Role>
void kill_everywhere(bool overwrite) {
  ring::pin_to(0);
  {  // so that what it calls is known to the dynamic linker by the time that it is looked at
    Role role = Setting<Role>::prepared();
    role.attach();
    role.once();
    role.succeed();
    role.once();
  }
  Setting<Role> first;
  Changes changed{bytes_of(first.role.source.channel().head(0)), bytes_of(mirror->next)};
  const std::vector<Place> all = places(first.victim, [&] { return changed() && mirror->writing == 0; });
  EXPECT_GE(all.size(), 8u);
  Tally kills;
  ASSERT_NO_FATAL_FAILURE(kills.at_each(all, Role::kName, [&](const Place& place) { return kill_at<Role>(place, overwrite); }));
  kills.say();
  EXPECT_LE(kills.missed, kills.points / 20);
}

TEST(Kills, WhoExportsBehindEachOfItsSideEffectsInDiscard) { kill_everywhere<Exporting<Full::discard>>(false); }
TEST(Kills, WhoExportsBehindEachOfItsSideEffectsInOverwrite) { kill_everywhere<Exporting<Full::overwrite>>(true); }
TEST(Kills, WhoSplicesBehindEachOfItsSideEffectsInDiscard) { kill_everywhere<Splicing<Full::discard>>(false); }
TEST(Kills, WhoSplicesBehindEachOfItsSideEffectsInOverwrite) { kill_everywhere<Splicing<Full::overwrite>>(true); }

}  // namespace
}  // namespace ouro::race
#endif
