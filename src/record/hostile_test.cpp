// A program that writes anything it likes, at any moment, to what it shares with tools: docs/security.md counts the points.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <random>
#include <thread>

#include "base/foreign.hpp"
#include "base/proc.hpp"
#include "record/attachment.hpp"
#include "record/everyone.hpp"
#include "record/recorder.hpp"
#include "record/registry_file.hpp"
#include "record/session_file.hpp"
#include "record/session_rules.hpp"
#include "record/test_session.hpp"

namespace ouro::record {
namespace {

using namespace std::chrono_literals;
using test::FakeProgram;
using test::small_session;
using test::TestFolder;

constexpr std::uint32_t kSharedRing0 = 2;  // where FakeProgram writes

// A registry made by hand, of this process unless a test says otherwise, with one event.
class FakeRegistry {
 public:
  explicit FakeRegistry(const std::string& path) : path_(path) {
    fd_ = base::Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (::ftruncate(fd_.get(), static_cast<off_t>(abi::kRegistrySize)) != 0) std::abort();
    base_ = static_cast<std::byte*>(::mmap(nullptr, abi::kRegistrySize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd_.get(), 0));
    abi::RegistryHeader& h = header();
    h.version = abi::kRegistryVersion;
    h.pid = ::getpid();
    h.start_time = base::start_time_of(::getpid());
    h.pid_namespace = own_pid_namespace();
    std::strcpy(h.name, "fake");
    add_event("test:event");
    h.magic.store(abi::kRegistryMagic);
  }
  ~FakeRegistry() { ::munmap(base_, abi::kRegistrySize); }
  FakeRegistry(const FakeRegistry&) = delete;
  FakeRegistry& operator=(const FakeRegistry&) = delete;

  abi::RegistryHeader& header() { return *reinterpret_cast<abi::RegistryHeader*>(base_); }
  abi::RegistryRow& row(std::uint32_t i) { return reinterpret_cast<abi::RegistryRow*>(base_ + abi::kRegistryRowsOffset)[i]; }
  abi::Word32& filter(std::uint32_t i) { return reinterpret_cast<abi::Word32*>(base_ + abi::kRegistryFilterOffset)[i]; }
  std::byte* base() { return base_; }
  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }

  void add_event(const std::string& name) {
    format::Field field;
    field.name = "n";
    field.type = abi::FieldType::u64;
    const auto schema = format::test::schema_bytes(name, "test.cpp", abi::EventKind::point, {field});
    const std::uint64_t at = header().blobs_used.fetch_add(schema.size());
    std::memcpy(base_ + abi::kRegistryBlobsOffset + at, schema.data(), schema.size());
    abi::RegistryRow& r = row(header().row_count.load());
    r.blob_offset = static_cast<std::uint32_t>(at);
    r.blob_size = static_cast<std::uint32_t>(schema.size());
    r.filter_index = abi::filter_index(reinterpret_cast<const char*>(schema.data()), schema.size());
    r.state.store(abi::row_ready);
    header().row_count.fetch_add(1);
  }
  void hold_lock(short kind) {
    struct flock lock {};
    lock.l_type = kind;
    lock.l_whence = SEEK_SET;
    lock.l_len = 1;
    ASSERT_EQ(::fcntl(fd_.get(), F_OFD_SETLK, &lock), 0);
  }

 private:
  std::string path_;
  base::Fd fd_;
  std::byte* base_ = nullptr;
};

// What a tool does with a registry, all of it.
void use(const std::string& path) {
  Result<RegistryFile> registry = RegistryFile::open(path, RegistryFile::Access::read_write);
  if (!registry) return;
  registry->process_name();
  for (std::uint32_t i = 0; i < registry->row_count(); ++i) registry->schema(i);
  const SessionName session{"session-x", 7};
  Rule all;
  const auto rules = encode(std::vector<Rule>{all});
  static_cast<void>(registry->attach(session, *rules));
  if (const auto k = registry->slot_of(session)) registry->remove_session(*k, 7);
}

class HostileTest : public testing::Test {
 protected:
  std::string own_path() { return folder_.in(std::to_string(::getpid()) + ".0"); }
  void begin() {
    session_.emplace(std::move(*Session::create(folder_.runtime(), small_session())));
    trace_.emplace(std::move(*TraceFolder::create(folder_.in("trace"))));
    recorder_.emplace(*session_, *trace_, Recorder::Options{{}, [this](const std::string& line) { said_ += line + "\n"; }});
    program_.emplace(*session_);
    program_->add_event(0, "test:event");
  }
  template <class Function>
  static std::chrono::milliseconds time(Function function) {
    const auto begin = std::chrono::steady_clock::now();
    function();
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  }

  TestFolder folder_;
  std::optional<Session> session_;
  std::optional<TraceFolder> trace_;
  std::optional<Recorder> recorder_;
  std::optional<FakeProgram> program_;
  std::string said_;
};

// ---- 2: what is cut off or punched out

TEST_F(HostileTest, ARegistryThatIsCutShortUnderATool) {
  FakeRegistry fake(own_path());
  for (const std::uint64_t left : {abi::kRegistryBlobsOffset, abi::kRegistryRowsOffset, std::uint64_t{4096}, std::uint64_t{0}}) {
    Result<RegistryFile> registry = RegistryFile::open(fake.path(), RegistryFile::Access::read_write);
    ASSERT_TRUE(registry) << registry.error().text;
    ASSERT_EQ(::ftruncate(fake.fd(), static_cast<off_t>(left)), 0);
    for (std::uint32_t i = 0; i < registry->row_count(); ++i) registry->schema(i);
    const auto rules = encode(std::vector<Rule>{{}});
    static_cast<void>(registry->attach({"session-x", 7}, *rules));
    registry->remove_session(0, 7);
    ASSERT_EQ(::ftruncate(fake.fd(), static_cast<off_t>(abi::kRegistrySize)), 0);
    fake.header().version = abi::kRegistryVersion;
    fake.header().magic.store(abi::kRegistryMagic);
  }
}

TEST_F(HostileTest, ARegistryThatIsPunchedOutHasNoEvents) {
  FakeRegistry fake(own_path());
  Result<RegistryFile> registry = RegistryFile::open(fake.path(), RegistryFile::Access::read_write);
  ASSERT_TRUE(registry);
  ASSERT_EQ(::fallocate(fake.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, static_cast<off_t>(abi::kRegistrySize - 4096)), 0);
  EXPECT_EQ(registry->row_count(), 1u);
  EXPECT_TRUE(registry->schema(0).empty());
  use(fake.path());
}

// At the session's beginning, in its tables, before the rings and in the rings' data: the recorder ends what was cut, says so, and goes on.
TEST_F(HostileTest, ASessionThatIsCutShortUnderItsRecorder) {
  for (int where = 0; where < 5; ++where) {
    SCOPED_TRACE(where);
    std::filesystem::remove_all(folder_.in("trace"));
    begin();
    for (std::uint64_t n = 0; n < 1000; ++n) program_->write(0, n);
    recorder_->step();
    const abi::SessionHeader& h = program_->header();
    const std::uint64_t ring = h.rings_offset + kSharedRing0 * h.ring_stride;
    const std::uint64_t left[] = {0, h.events_offset, h.threads_offset, ring, ring + abi::kRingDataOffset + 4096};
    ASSERT_EQ(::truncate(session_->path().c_str(), static_cast<off_t>(left[where])), 0);
    recorder_->step();
    session_->close();
    const Summary summary = recorder_->finish();
    EXPECT_LE(summary.events, 1000u);
    EXPECT_TRUE(!summary.complete || session_->was_cut_short());
    program_.reset();
    recorder_.reset();
    trace_.reset();
    session_.reset();
  }
}

// ---- 3: values that change while the tool reads; 4: values out of range, all of them

// Something that writes random bytes, and such as mean something, to random places of [base, base + size), until it goes.
class Scribbler {
 public:
  Scribbler(std::byte* base, std::size_t size, unsigned seed)
      : thread_([this, base, size, seed] {
          std::mt19937_64 random(seed);
          const std::uint64_t liked[] = {0, 1, 2, ~std::uint64_t{0}, std::uint64_t{1} << 63, 0xffffffff, 0x7fffffff, 4096, 1 << 30};
          while (!done_.load(std::memory_order_relaxed)) {
            const std::uint64_t value = random() % 2 == 0 ? random() : liked[random() % std::size(liked)];
            // Mostly where the small tables are.
            const std::size_t at = random() % (random() % 2 == 0 ? std::min<std::size_t>(size, 65536) : size);
            std::memcpy(base + at / 8 * 8, &value, random() % 2 == 0 ? 8 : 4);
          }
        }) {}
  ~Scribbler() {
    done_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> done_{false};
  std::thread thread_;
};

TEST_F(HostileTest, ARegistryThatChangesWhileItIsLookedAt) {
  FakeRegistry fake(own_path());
  for (unsigned i = 0; i < 100; ++i) fake.add_event("test:event" + std::to_string(i));
  Scribbler scribbler(fake.base(), abi::kRegistryBlobsOffset + 65536, 4711);
  const auto end = std::chrono::steady_clock::now() + 500ms;
  int opened = 0;
  for (int rounds = 0; rounds < 10 || std::chrono::steady_clock::now() < end; ++rounds) {
    fake.header().version = abi::kRegistryVersion;
    fake.header().magic.store(abi::kRegistryMagic);
    const Result<RegistryFile> registry = RegistryFile::open(fake.path(), RegistryFile::Access::read_only);
    opened += registry ? 1 : 0;
    use(fake.path());
  }
  EXPECT_GT(opened, 0);
}

TEST_F(HostileTest, ASessionThatChangesWhileItIsRecorded) {
  begin();
  FakeProgram other(*session_);
  {
    Scribbler scribbler(program_->base(), program_->header().total_size, 815);
    const auto end = std::chrono::steady_clock::now() + 500ms;
    for (int rounds = 0; rounds < 20 || std::chrono::steady_clock::now() < end; ++rounds) {
      recorder_->step();
      static_cast<void>(session_->rules());
      if (const Result<SessionFile> file = SessionFile::open(folder_.runtime().path, session_->file())) file->events();
      if (Result<SessionRules> rules = SessionRules::open(folder_.runtime().path, session_->file()))
        if (Result<SessionRules::Change> change = rules->change()) change->rules();
    }
  }
  session_->close();
  recorder_->finish();
}

TEST_F(HostileTest, EachValueOfARowOutOfRange) {
  FakeRegistry fake(own_path());
  const std::uint32_t wild[] = {0, 1, abi::kFilterWords, static_cast<std::uint32_t>(abi::kRegistryBlobs) - 1, 0x7fffffff, 0x80000000, 0xffffffff};
  const abi::RegistryRow& good = fake.row(0);
  const std::uint32_t index = good.filter_index, offset = good.blob_offset, size = good.blob_size;
  for (const std::uint32_t value : wild) {
    fake.row(0).filter_index = value;
    use(fake.path());
    fake.row(0).filter_index = index;
    fake.row(0).blob_offset = value;
    use(fake.path());
    fake.row(0).blob_offset = offset;
    fake.row(0).blob_size = value;
    use(fake.path());
    fake.row(0).blob_size = size;
    fake.row(0).state.store(value);
    use(fake.path());
    fake.row(0).state.store(abi::row_ready);
    fake.header().row_count.store(value);
    EXPECT_LE(RegistryFile::open(fake.path(), RegistryFile::Access::read_only)->row_count(), abi::kRegistryRows);
    use(fake.path());
    fake.header().row_count.store(1);
    for (abi::SessionSlot& slot : fake.header().slot) {
      slot.state.store(value);
      slot.generation.store(value);
      std::memset(slot.file, 'x', sizeof slot.file);  // and no NUL
    }
    use(fake.path());
    for (abi::SessionSlot& slot : fake.header().slot) slot.state.store(0);
  }
  std::memset(fake.header().name, 'n', sizeof fake.header().name);
  EXPECT_EQ(RegistryFile::open(fake.path(), RegistryFile::Access::read_only)->process_name(), std::string(16, 'n'));
}

TEST_F(HostileTest, ASchemaWithoutAnyNulSelectsNothing) {
  FakeRegistry fake(own_path());
  std::memset(fake.base() + abi::kRegistryBlobsOffset + sizeof(abi::SchemaHeader), 'x', 65536);
  for (const std::uint32_t size : {fake.row(0).blob_size, std::uint32_t{sizeof(abi::SchemaHeader)}, abi::kMaxSchemaSize}) {
    fake.row(0).blob_size = size;
    Result<RegistryFile> registry = RegistryFile::open(fake.path(), RegistryFile::Access::read_write);
    const Result<std::uint32_t> on = registry->attach({"session-x", 7}, *encode(std::vector<Rule>{{}}));
    ASSERT_TRUE(on);
    EXPECT_EQ(*on, 0u);
  }
}

TEST_F(HostileTest, QueuesThatJump) {
  begin();
  for (const std::uint64_t head : {std::uint64_t{1} << 63, ~std::uint64_t{0}, std::uint64_t{0}}) {
    program_->header().threads_head.store(head);
    program_->header().processes_head.store(head);
    program_->header().threads_tail.store(head ^ 5);
    program_->header().schemas_used.store(head);
    recorder_->step();
  }
  for (std::uint64_t n = 0; n < 100; ++n) program_->write(0, n);
  recorder_->step();
  session_->close();
  EXPECT_EQ(recorder_->finish().events, 100u);
}

TEST_F(HostileTest, RulesThatAreMeantToTakeLongEndAfterSomeSeconds) {
  FakeRegistry fake(own_path());
  // Names and patterns that match almost.
  const std::string name(250, 'a');
  fake.add_event("test:" + name);
  abi::RegistryRow& long_one = fake.row(1);
  for (std::uint32_t i = 2; i < abi::kRegistryRows; ++i) {
    fake.row(i).blob_offset = long_one.blob_offset;
    fake.row(i).blob_size = long_one.blob_size;
    fake.row(i).state.store(abi::row_ready);
  }
  fake.header().row_count.store(abi::kRegistryRows);
  std::string pattern = "*";
  while (pattern.size() < 60000) pattern += "a*";
  Rule rule;
  rule.name = pattern + "b";
  Result<RegistryFile> registry = RegistryFile::open(fake.path(), RegistryFile::Access::read_write);
  const Result<std::uint32_t> on = registry->attach({"session-x", 7}, *encode(std::vector<Rule>{rule}));
  EXPECT_TRUE(on || on.error().code == ETIME) << on.error().text;
}

// ---- 5: locks that are held for ever

TEST_F(HostileTest, ALockedRegistryDelaysARecorderThatRunsNotAtAll) {
  FakeRegistry fake(own_path());
  begin();
  Attachment attachment(*session_, folder_.runtime().path);
  const base::Fd holder(::open(fake.path().c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::flock(holder.get(), LOCK_EX), 0);
  EXPECT_LT(time([&] {
    ASSERT_TRUE(attachment.add_everyone());
    for (int i = 0; i < 5; ++i) attachment.step();
  }), 1500ms);
  EXPECT_EQ(attachment.processes(), 0u);
  ASSERT_EQ(::flock(holder.get(), LOCK_UN), 0);
  attachment.step();
  EXPECT_EQ(attachment.processes(), 1u);
  // As it ends there is one patience for all of them.
  ASSERT_EQ(::flock(holder.get(), LOCK_EX), 0);
  FakeRegistry second(folder_.in(std::to_string(::getpid()) + ".1"));
  const base::Fd other(::open(second.path().c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::flock(other.get(), LOCK_EX), 0);
  EXPECT_LT(time([&] { session_->close(); }), 3800ms);
  EXPECT_EQ(fake.header().slot[0].state.load(), static_cast<std::uint32_t>(abi::SlotState::free));
}

TEST_F(HostileTest, LockedRulesAreAnErrorAfterTwoSeconds) {
  begin();
  const base::Fd holder(::open(session_->path().c_str(), O_RDWR | O_CLOEXEC));
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_len = 1;
  ASSERT_EQ(::fcntl(holder.get(), F_OFD_SETLK, &lock), 0);
  Result<SessionRules> rules = SessionRules::open(folder_.runtime().path, session_->file());
  ASSERT_TRUE(rules);
  const Result<SessionRules::Change> change = rules->change();
  ASSERT_FALSE(change);
  EXPECT_EQ(change.error().code, EBUSY);
  EXPECT_NE(change.error().text.find("locked by another tool for two seconds"), std::string::npos);
}

// ---- 6: one's garbage is one's own

TEST_F(HostileTest, ASpoiledRingEndsAndTheOthersGoOn) {
  begin();
  for (std::uint64_t n = 0; n < 50; ++n) program_->write(0, n);
  abi::RingHead& hostile = program_->head(0);
  hostile.writer.mask.store(4095);
  hostile.writer.write_word.store(~std::uint64_t{0});
  for (abi::Word& slot : hostile.slot) slot.store(~std::uint64_t{0});
  for (abi::SubbufImage& image : hostile.image) image.close_word.store(std::uint64_t{1} << 63);
  for (abi::Pending& pending : hostile.pending) pending.state.store(std::uint64_t{1} << 63 | 1);
  for (int i = 0; i < 3; ++i) recorder_->step();
  for (std::uint64_t n = 50; n < 100; ++n) program_->write(0, n);
  session_->close();
  EXPECT_EQ(recorder_->finish().events, 100u);
}

// ---- 7: storms

TEST_F(HostileTest, ThousandsOfFilesThatAreNoRegistries) {
  const std::string own = std::to_string(::getpid());
  for (int i = 1; i <= 4000; ++i) std::ofstream(folder_.in((i % 2 == 0 ? own + "." : "4999999.") + std::to_string(i))) << "junk";
  FakeRegistry fake(folder_.in(own + ".0"));
  begin();
  Attachment attachment(*session_, folder_.runtime().path);
  EXPECT_LT(time([&] { ASSERT_TRUE(attachment.add_everyone()); }), 10s);
  EXPECT_EQ(attachment.processes(), 1u);
  EXPECT_LT(time([&] { attachment.step(); }), 1s);
  EXPECT_TRUE(find_registries(folder_.runtime().path, 4999999).empty());  // of a dead process: gone
}

TEST_F(HostileTest, MoreRegistriesThanCanBeGuardedAreRefusedNotUnguarded) {
  FakeRegistry fake(own_path());
  std::vector<RegistryFile> open;
  for (;;) {
    Result<RegistryFile> registry = RegistryFile::open(fake.path(), RegistryFile::Access::read_only);
    if (!registry) {
      EXPECT_TRUE(registry.error().code == ENOMEM || registry.error().code == EMFILE) << registry.error().text;
      break;
    }
    open.push_back(std::move(*registry));
    ASSERT_LT(open.size(), 5000u);
  }
}

// ---- 8: who is who

TEST_F(HostileTest, APidThatIsAnothersByNowIsNoProof) {
  FakeRegistry fake(own_path());
  fake.header().start_time -= 1;
  remove_if_dead(fake.path(), RegistryFile::open(fake.path(), RegistryFile::Access::read_only));
  EXPECT_FALSE(std::filesystem::exists(fake.path()));
}

TEST_F(HostileTest, ForeignProcessesLiveAsLongAsTheKernelHoldsTheirLock) {
  FakeRegistry fake(folder_.in("4999999.0"));
  fake.header().pid = 4999999;  // nobody, here
  fake.header().pid_namespace = own_pid_namespace() + 1;
  const auto is_removed = [&] { return remove_if_dead(fake.path(), RegistryFile::open(fake.path(), RegistryFile::Access::read_only)); };
  EXPECT_FALSE(is_removed()) << "without a lock nobody here can tell";
  fake.header().is_locked = 1;
  fake.hold_lock(F_RDLCK);
  EXPECT_FALSE(is_removed());
  fake.header().magic.store(0);  // half made
  EXPECT_FALSE(is_removed());
  fake.header().magic.store(abi::kRegistryMagic);
  fake.hold_lock(F_UNLCK);
  EXPECT_TRUE(is_removed());
  EXPECT_FALSE(std::filesystem::exists(fake.path()));
}

TEST_F(HostileTest, WritersOfAnotherPidNamespaceAreNotBuriedAlive) {
  begin();
  // A writer in the middle of a record, whose number is nobody's here.
  const pid_t writer = ::fork();
  if (writer == 0) ::_exit(ring::reserve(program_->channel(), 0, 12).body != nullptr ? 0 : 1);
  int status = -1;
  ASSERT_EQ(::waitpid(writer, &status, 0), writer);
  ASSERT_EQ(status, 0);
  const std::string name = std::to_string(writer) + ".0";
  FakeRegistry fake(folder_.in(name));
  fake.header().pid = writer;
  fake.header().pid_namespace = own_pid_namespace() + 1;
  fake.header().is_locked = 1;
  fake.hold_lock(F_RDLCK);
  abi::ProcessRow& row = program_->process(0);
  row.pid = writer;
  row.pid_namespace = own_pid_namespace() + 1;
  std::strcpy(row.registry, name.c_str());
  row.state.store(abi::row_ready);
  program_->header().processes_head.store(1);
  const auto in_hand = [&] {  // entries that are still the writer's, neither free nor a burier's
    std::size_t out = 0;
    for (const abi::Pending& pending : program_->head(kSharedRing0).pending) out += static_cast<pid_t>(pending.state.load()) == writer ? 1 : 0;
    return out;
  };
  for (int i = 0; i < 5; ++i) recorder_->step();
  EXPECT_EQ(in_hand(), 1u);
  fake.hold_lock(F_UNLCK);
  for (int i = 0; i < 5; ++i) recorder_->step();
  EXPECT_EQ(in_hand(), 0u);
  session_->close();
  EXPECT_EQ(recorder_->finish().lost[static_cast<std::size_t>(abi::Loss::dead_writer)], 1u);
}

TEST_F(HostileTest, WhatAProcessSaysOfItsNamespaceIsHeldAgainstWhatCanBe) {
  begin();
  ForeignProcesses foreign(*session_);
  foreign.add(4999998, own_pid_namespace() + 1, "../etc/passwd");  // no name: nobody can tell
  EXPECT_TRUE(foreign.has(4999998));
  EXPECT_FALSE(foreign.are_gone(4999998));
  foreign.add(1, own_pid_namespace(), "1.0");
  foreign.add(-1, own_pid_namespace() + 1, "1.0");
  foreign.add(2, 0, "2.0");
  EXPECT_FALSE(foreign.has(1) || foreign.has(-1) || foreign.has(2));
}

// ---- 10: files

TEST_F(HostileTest, WhatIsNoFileOfOursInTheFolder) {
  const std::string secret = folder_.in("secret");
  std::ofstream(secret) << "secret";
  const std::vector<std::function<void(const std::string&)>> makers = {
      [&](const std::string& path) { std::filesystem::create_symlink(secret, path); },
      [](const std::string& path) { ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0); },
      [](const std::string& path) { std::filesystem::create_directory(path); },
      [](const std::string& path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        const base::Fd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
        ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
      },
  };
  const std::string folder = folder_.runtime().path;
  for (const auto& make : makers) {
    const std::string registry = own_path(), session = folder_.in("session-test"), everyone = folder_.in("everyone");
    for (const std::string& path : {registry, session, everyone}) make(path);
    EXPECT_FALSE(RegistryFile::open(registry, RegistryFile::Access::read_write));
    EXPECT_FALSE(SessionFile::open(folder, "session-test"));
    EXPECT_FALSE(SessionRules::open(folder, "session-test"));
    EXPECT_FALSE(Session::create(folder_.runtime(), small_session())) << "made beforehand";
    EXPECT_FALSE(open_to_everyone(folder, {"session-test", 1}));
    EXPECT_EQ(remove_left_behind(folder), 0u);
    for (const std::string& path : {registry, session, everyone}) std::filesystem::remove(path);
  }
  EXPECT_EQ(folder_.read("secret"), "secret");
}

TEST_F(HostileTest, NamesThatLeadElsewhere) {
  const std::string folder = folder_.runtime().path;
  for (const char* name : {"../x", "a/b", "..", "/etc/passwd"}) {
    EXPECT_FALSE(SessionRules::open(folder, name)) << name;
    EXPECT_FALSE(SessionFile::open(folder, name)) << name;
    SessionOptions options = small_session();
    options.name = name;
    EXPECT_TRUE(std::strchr(name, '/') == nullptr || !Session::create(folder_.runtime(), options)) << name;
  }
  abi::Everyone all{};
  all.magic = abi::kEveryoneMagic;
  for (abi::SessionSlot& slot : all.slot) {
    slot.state.store(static_cast<std::uint32_t>(abi::SlotState::offered));
    slot.generation.store(1);
    std::memset(slot.file, '/', sizeof slot.file);
  }
  std::ofstream(folder_.in("everyone"), std::ios::binary).write(reinterpret_cast<const char*>(&all), sizeof all);
  EXPECT_TRUE(open_to_everyone(folder, {"session-test", 1})) << "those are nobody's: there is room";
  close_to_everyone(folder, {"session-test", 1});
  EXPECT_FALSE(std::filesystem::exists(folder_.in("everyone")));
}

}  // namespace
}  // namespace ouro::record
