// The newest events of a session, as a crashing process finds them: all that should be there, in order, and whatever its memory holds, no
// more time and no other memory than allowed.
#include "trace/last_events.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <ouro/ring/reader.hpp>

#include "base/cpus.hpp"
#include "trace/tracer.hpp"

namespace ouro::trace {
namespace {

constexpr std::uint32_t kEvents = 8, kRows = 16;

struct Field {
  abi::FieldType type;
  const char* name;
  abi::FieldShape shape = abi::FieldShape::scalar;
  std::uint32_t count = 0;
};

std::string schema(const char* name, const std::vector<Field>& fields) {
  std::string out(sizeof(abi::SchemaHeader), '\0');
  out += std::string(name) + '\0' + "file.cpp" + '\0';
  for (const Field& f : fields) {
    abi::FieldHeader header{};
    header.type = f.type;
    header.shape = f.shape;
    header.count = f.count;
    out.append(reinterpret_cast<const char*>(&header), sizeof header);
    out += std::string(f.name) + '\0';
  }
  abi::SchemaHeader header{};
  header.size = static_cast<std::uint32_t>(out.size());
  header.version = abi::kSchemaVersion;
  header.field_count = static_cast<std::uint8_t>(fields.size());
  std::memcpy(out.data(), &header, sizeof header);
  return out;
}

// A session in memory with nothing around it, and this process's view of it.
class TestSession {
 public:
  struct Options {
    bool per_cpu = false;
    abi::FullMode mode = abi::FullMode::overwrite;
    std::uint32_t subbuf_count = 4;
    std::uint64_t contexts = 0;
  };
  explicit TestSession(const Options& options) : view_(new SessionView{}) {
    const std::uint32_t cpus = base::possible_cpus();
    const abi::SessionSizes sizes{cpus, options.subbuf_count, 4096, kEvents, kRows, kRows, 4096};
    const abi::SessionPlaces places = abi::places_of(sizes);
    size_ = places.end;
    memory_ = static_cast<std::byte*>(mmap(nullptr, size_ + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(memory_ + 4096, size_, PROT_READ | PROT_WRITE);
    std::byte* const base = memory_ + 4096;
    channel_memory_.resize(sizeof(ring::Channel) + 2 * cpus * sizeof(abi::RingHead*) + 64);
    void* to = channel_memory_.data();
    std::size_t room = channel_memory_.size();
    auto* const channel = new (std::align(alignof(ring::Channel), sizeof(ring::Channel), to, room)) ring::Channel{};
    channel->cpus = cpus;
    channel->stamped = true;
    channel->tsc = OURO_HAS_TSC != 0;
    channel->per_cpu = options.per_cpu;
    channel->mode = options.mode;
    channel->subbuf_count = sizes.subbuf_count;
    channel->subbuf_size = sizes.subbuf_size;
    channel->shared = channel->ring + cpus;
    for (std::uint32_t i = 0; i < 2 * cpus; ++i) {
      channel->ring[i] = reinterpret_cast<abi::RingHead*>(base + places.rings + i * places.ring_stride);
      ring::initialise(*channel->ring[i], ring::Geometry{i < cpus ? abi::RingKind::per_cpu : abi::RingKind::shared, options.mode, sizes.subbuf_count, sizes.subbuf_size, i % cpus});
    }
    view_->base = base;
    view_->size = size_;
    view_->header = reinterpret_cast<abi::SessionHeader*>(base);
    view_->channel = channel;
    view_->events_offset = places.events;
    view_->event_capacity = kEvents;
    view_->schemas_offset = places.schemas;
    view_->schemas_size = 4096;
    view_->threads_offset = places.threads;
    view_->thread_capacity = kRows;
    view_->contexts = options.contexts;
    number_ = add_event(*view_, schema("test:number", {{abi::FieldType::u64, "number"}}));
    text_ = add_event(*view_, schema("test:text", {{abi::FieldType::string, "text"}, {abi::FieldType::i16, "list", abi::FieldShape::sequence}, {abi::FieldType::u64, "number"}}));
  }
  ~TestSession() { munmap(memory_, size_ + 8192); }
  TestSession(const TestSession&) = delete;

  std::uint32_t write_number(std::uint64_t n, std::uint32_t tid = own_tid()) {
    std::string body(reinterpret_cast<const char*>(&tid), 4);
    body.append(reinterpret_cast<const char*>(&n), 8);
    write(number_, body);
    return number_;
  }
  void write_text(const std::string& text, const std::vector<std::int16_t>& list, std::uint64_t n) {
    const std::uint32_t tid = own_tid(), count = static_cast<std::uint32_t>(list.size());
    std::string body(reinterpret_cast<const char*>(&tid), 4);
    body += text + '\0';
    body.append(reinterpret_cast<const char*>(&count), 4);
    body.append(reinterpret_cast<const char*>(list.data()), 2 * list.size());
    body.append(reinterpret_cast<const char*>(&n), 8);
    write(text_, body);
  }
  ring::Reservation reserve_number() { return ring::reserve(channel(), number_, 12, std::uint64_t{own_tid()} << 32 | static_cast<std::uint32_t>(getpid())); }
  void announce(std::int32_t pid, std::uint32_t tid, std::uint64_t stamp) {
    static std::uint32_t next = 0;
    auto& row = reinterpret_cast<abi::ThreadRow*>(view_->base + view_->threads_offset)[next++ % kRows];
    row.pid = pid;
    row.tid = static_cast<std::int32_t>(tid);
    row.stamp = stamp;
    row.state.store(abi::row_ready);
  }

  LastEvents find(LastEventsWish wish = {}) {
    if (wish.tid == 0) wish.tid = own_tid();
    types_.emplace_back(new EventTypes(*view_, memory().types));
    return find_last_events(*view_, *types_.back(), wish, memory());
  }
  // What they say, each on a line: all fields but the time.
  std::vector<std::string> texts(const LastEvents& last) {
    std::vector<std::string> out;
    for (std::uint32_t i = 0; i < last.count; ++i) {
      const LastEvent& e = memory().event[memory().heap[i]];
      Line line;
      line.add(e.type->name);
      types_.back()->print(line, *e.type, e.bytes, e.size);
      out.emplace_back(line.text(), line.size());
    }
    return out;
  }
  std::vector<std::string> find_texts(const LastEventsWish& wish = {}) { return texts(find(wish)); }

  ring::Channel& channel() { return *view_->channel; }
  std::byte* base() { return view_->base; }
  std::size_t size() const { return size_; }
  static std::uint32_t own_tid() { return static_cast<std::uint32_t>(syscall(SYS_gettid)); }
  static LastEventsMemory& memory() {
    static auto* const memory = static_cast<LastEventsMemory*>(std::calloc(1, sizeof(LastEventsMemory)));
    return *memory;
  }

 private:
  static std::uint32_t add_event(SessionView& view, const std::string& bytes) { return trace::add_event(view, bytes.data(), static_cast<std::uint32_t>(bytes.size())); }
  void write(std::uint32_t id, const std::string& body) {
    if (channel().per_cpu) ring::write_sized(route_, channel(), id, body.data(), body.size());
    else ring::write_slow(channel(), id, body.data(), body.size());
  }
  std::unique_ptr<SessionView> view_;
  std::byte* memory_;
  std::size_t size_;
  std::vector<std::byte> channel_memory_;
  std::vector<std::unique_ptr<EventTypes>> types_;
  std::uint32_t number_ = 0, text_ = 0;
  ring::Route route_{};
};

void run_on(std::uint32_t cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}
class Wandering {  // from CPU to CPU, and back in the end
 public:
  Wandering() { sched_getaffinity(0, sizeof before_, &before_); }
  ~Wandering() { sched_setaffinity(0, sizeof before_, &before_); }
  void go() { run_on(at_ = (at_ + 1) % base::possible_cpus()); }

 private:
  cpu_set_t before_;
  std::uint32_t at_ = 0;
};

class LastEventsOf : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
#if OURO_HAS_RSEQ
    if (GetParam() && (&__rseq_size == nullptr || __rseq_size == 0 || !OURO_HAS_TSC)) GTEST_SKIP() << "no restartable sequences here";
#else
    if (GetParam()) GTEST_SKIP() << "no restartable sequences here";
#endif
  }
  TestSession::Options options() const { return {.per_cpu = GetParam()}; }
};
INSTANTIATE_TEST_SUITE_P(Rings, LastEventsOf, ::testing::Bool(), [](const auto& p) { return p.param ? "per_cpu" : "shared"; });

std::vector<std::string> numbers(std::uint64_t first, std::uint64_t last) {
  std::vector<std::string> out;
  for (std::uint64_t n = first; n <= last; ++n) out.push_back("test:number number=" + std::to_string(n));
  return out;
}

TEST_P(LastEventsOf, NothingWasWritten) {
  TestSession session(options());
  const LastEvents last = session.find();
  EXPECT_EQ(last.count, 0u);
  EXPECT_EQ(last.unreadable, 0u);
}

TEST_P(LastEventsOf, AllRingsByTime) {
  TestSession session(options());
  Wandering wandering;
  for (std::uint64_t n = 1; n <= 100; ++n) {
    if (n % 7 == 0) wandering.go();
    session.write_number(n);
  }
  EXPECT_EQ(session.find_texts({.events = 32}), numbers(69, 100));
  EXPECT_EQ(session.find_texts({.events = 1}), numbers(100, 100));
  EXPECT_EQ(session.find_texts({.events = 1024}), numbers(1, 100));
}

TEST_P(LastEventsOf, RingsThatRanFullSeveralTimes) {
  TestSession session(options());
  Wandering wandering;
  for (std::uint64_t n = 1; n <= 20'000; ++n) {
    if (n % 1000 == 0) wandering.go();
    session.write_number(n);
  }
  EXPECT_EQ(session.find_texts({.events = 200}), numbers(19'801, 20'000));
  const std::vector<std::string> many = session.find_texts({.events = 1024});  // over the ends of several parts
  EXPECT_EQ(many.back(), "test:number number=20000");
  EXPECT_GT(many.size(), 900u);  // as many as there is room for
}

TEST_P(LastEventsOf, WhereTheOldestStayAsWell) {
  TestSession::Options o = options();
  o.mode = abi::FullMode::discard;
  TestSession session(o);
  for (std::uint64_t n = 1; n <= 20'000; ++n) session.write_number(n);
  const LastEvents last = session.find({.events = 5});
  EXPECT_EQ(last.count, 5u);
  EXPECT_GT(last.lost, 15'000u);
}

TEST_P(LastEventsOf, ValuesOfAllLengths) {
  TestSession session(options());
  session.write_text("", {}, 1);
  session.write_text("gr\xc3\xbc\xc3\x9f \"dich\"\x01", {1, -2, 3}, 2);
  session.write_text(std::string(400, 'x'), std::vector<std::int16_t>(20, -1), 3);
  EXPECT_EQ(session.find_texts(),
            (std::vector<std::string>{"test:text text=\"\" list=[] number=1", "test:text text=\"gr\xc3\xbc\xc3\x9f \\\"dich\\\"\\x01\" list=[1, -2, 3] number=2",
                                      "test:text text=\"" + std::string(200, 'x') + "\"... list=[-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, ...] number=3"}));
}

TEST_P(LastEventsOf, ARecordUnderWayIsSteppedOverAndNamed) {
  TestSession session(options());
  const Wandering wandering;
  run_on(0);
  session.write_number(1);
  const ring::Reservation outer = session.reserve_number(), inner = session.reserve_number();
  session.write_number(2);
  const LastEvents last = session.find();
  EXPECT_EQ(session.texts(last), numbers(1, 2));
  ASSERT_EQ(last.open_count, 2u);
  EXPECT_STREQ(last.open[0]->name, "test:number");
  EXPECT_EQ(last.under_way, 2u);
  EXPECT_EQ(session.find({.tid = 1}).open_count, 0u);  // not that thread's
  std::memset(inner.body, 0, 12);
  ring::commit(inner);
  EXPECT_EQ(session.find().open_count, 1u);
  std::memset(outer.body, 0, 12);
  ring::commit(outer);
  EXPECT_EQ(session.find().open_count, 0u);
}

TEST_P(LastEventsOf, ThisProcessOrAll) {
  TestSession session(options());
  session.write_number(1);
  session.write_number(2, 1);         // of thread 1, which is no thread of ours
  session.write_number(3, 4'000'000); // of one that has ended, and had said that it is ours
  session.announce(getpid(), 4'000'000, 20);
  session.announce(1, 4'000'000, 10);  // it had been another's
  session.write_number(4, 4'000'001);
  session.announce(getpid(), 4'000'001, 10);
  session.announce(1, 4'000'001, 20);  // it is another's now
  EXPECT_EQ(session.find_texts(), (std::vector<std::string>{"test:number number=1", "test:number number=3"}));
  EXPECT_EQ(session.find_texts({.all_processes = true}), numbers(1, 4));
}

TEST_P(LastEventsOf, WhatIsOverwrittenMeanwhileDoesNotCount) {
  TestSession session(options());
  const Wandering wandering;
  run_on(0);
  for (std::uint64_t n = 1; n <= 300; ++n) session.write_number(n);
  static TestSession* running;
  static int times;
  running = &session;
  times = 0;
  part_was_read = []() noexcept {
    if (times++ == 0)
      for (std::uint64_t n = 301; n <= 5000; ++n) running->write_number(n);
  };
  const LastEvents last = session.find({.events = 16});
  part_was_read = nullptr;
  // What stands now where the noted records stood is none of them.
  for (const std::string& text : session.texts(last)) EXPECT_LE(std::stoul(text.substr(text.find('=') + 1)), 300u);
  EXPECT_EQ(session.find_texts({.events = 16}), numbers(4985, 5000));
}

TEST_P(LastEventsOf, TimeIsLimited) {
  TestSession session(options());
  for (std::uint64_t n = 1; n <= 1000; ++n) session.write_number(n);
  const LastEvents last = session.find({.deadline_ns = 1});
  EXPECT_TRUE(last.is_late);
  EXPECT_EQ(last.count, 0u);
}

// Whatever stands in the session's memory: it ends, soon, and looks nowhere else. (Around that memory there is none.)
TEST_P(LastEventsOf, AnyMemory) {
  std::mt19937_64 random(GetParam() ? 2 : 1);
  const auto below = [&](std::uint64_t n) { return random() % n; };
  std::uint64_t found = 0;
  for (int round = 0; round < 200; ++round) {
    TestSession session(options());
    for (std::uint64_t n = 0, count = below(3000); n < count; ++n) n % 5 == 0 ? session.write_text(std::string(below(60), 'y'), {1, 2}, n) : static_cast<void>(session.write_number(n));
    const ring::Reservation open = session.reserve_number();
    const std::uint64_t heads = static_cast<std::uint64_t>(reinterpret_cast<std::byte*>(session.channel().ring[0]) - session.base());
    for (std::uint64_t i = 0, count = below(200); i < count; ++i) {
      // Rings' heads, tables, data: with words that mean something, and with others.
      const std::uint64_t place = below(4) == 0 ? below(heads) : heads + below(session.size() - heads);
      const std::uint64_t in_head = heads + below(2 * session.channel().cpus) * ((session.size() - heads) / (2 * session.channel().cpus)) + below(abi::kRingDataOffset);
      const std::uint64_t at = (below(2) == 0 ? in_head : place) & ~std::uint64_t{7}, word = below(3) == 0 ? random() : below(3) == 0 ? below(8192) : ~std::uint64_t{0} >> below(64);
      std::uint64_t present;
      std::memcpy(&present, session.base() + at, sizeof present);
      const std::uint64_t next = below(3) == 0 ? present ^ std::uint64_t{1} << below(64) : word;
      std::memcpy(session.base() + at, &next, sizeof next);
    }
    for (std::uint64_t i = 0, count = below(4); i < count; ++i) {  // what names a place: a slot, W, the ends of parts
      abi::RingHead& ring = *session.channel().ring[below(2 * session.channel().cpus)];
      abi::Word* const words[] = {&ring.slot[below(4)], &ring.slot[below(4)], &ring.writer.write_word, &ring.image[below(5)].close_word, &ring.pending[0].where, &ring.pending[0].length};
      abi::Word& word = *words[below(std::size(words))];
      word.store(word.load() ^ std::uint64_t{1} << below(30));
    }
    std::atomic<bool> done{false};
    std::thread scribbler([&, seed = random()] {
      std::mt19937_64 own(seed);
      while (!done.load(std::memory_order_relaxed)) {
        const std::uint64_t at = own() % (session.size() / 8) * 8;
        __atomic_store_n(reinterpret_cast<std::uint64_t*>(session.base() + at), own(), __ATOMIC_RELAXED);
      }
    });
    const std::uint64_t begin = clock::read_monotonic();
    const LastEvents last = session.find({.events = static_cast<std::uint32_t>(1 + below(1024)), .all_processes = below(2) == 0, .deadline_ns = begin + 500'000'000});
    found += session.texts(last).size();
    const std::uint64_t took = clock::read_monotonic() - begin;
    done = true;
    scribbler.join();
    ASSERT_LT(took, 5'000'000'000u) << "round " << round;
    static_cast<void>(open);
  }
  EXPECT_GT(found, 500u) << "too little was there to look at";
}

}  // namespace
}  // namespace ouro::trace
