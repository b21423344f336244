#include "base/rules.hpp"
#include "record/session.hpp"

#include <sys/wait.h>

#include <atomic>
#include <cstddef>
#include <fstream>
#include <thread>

#include "base/proc.hpp"
#include "record/everyone.hpp"
#include "record/registry_file.hpp"
#include "record/test_session.hpp"

namespace ouro::record {
namespace {

using test::FakeProgram;
using test::small_session;
using test::TestFolder;

std::uint64_t memory_of(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_blocks) * 512 : 0;
}

TEST(Session, IsAFileOfTheUsersOwnThatNobodyMadeBefore) {
  TestFolder folder;
  const Result<Session> session = Session::create(folder.runtime(), small_session());
  ASSERT_TRUE(session) << session.error().text;
  struct stat status {};
  ASSERT_EQ(::stat(folder.in("session-test").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  const Result<Session> second = Session::create(folder.runtime(), small_session());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, EEXIST);
  EXPECT_TRUE(std::filesystem::exists(folder.in("session-test")));  // the first one's
}

TEST(Session, HasEverythingReservedButTheRingsData) {
  TestFolder folder;
  SessionOptions options = small_session();
  options.subbuf_size = 1 << 20;
  const Result<Session> session = Session::create(folder.runtime(), options);
  ASSERT_TRUE(session);
  const std::uint64_t heads = 4 * abi::kRingDataOffset;
  EXPECT_GE(memory_of(session->path()), session->header().rings_offset + heads);
  EXPECT_LT(memory_of(session->path()), session->header().rings_offset + heads + (64 << 10));
  EXPECT_EQ(std::filesystem::file_size(session->path()), session->header().total_size);
}

TEST(Session, HasPerCpuRingsFirstAndSharedOnesBehindThem) {
  TestFolder folder;
  const Result<Session> session = Session::create(folder.runtime(), small_session());
  ASSERT_TRUE(session);
  const std::uint32_t cpus[] = {0, 1, 0, 1};
  for (std::uint32_t i = 0; i < 4; ++i) {
    EXPECT_EQ(session->ring(i).shape.kind, i < 2 ? 1u : 2u);
    EXPECT_EQ(session->ring(i).shape.cpu, cpus[i]);
    EXPECT_EQ(session->ring(i).shape.subbuf_count, 4u);
  }
}

TEST(Session, ItsRulesStandInItsMemoryAndTheLastThatMatchesDecides) {
  TestFolder folder;
  SessionOptions options = small_session();
  options.rules = {{}, {.name = "a:*", .excludes = true}, {.name = "a:b", .level = 4, .rate = 7}};
  const Result<Session> session = Session::create(folder.runtime(), options);
  ASSERT_TRUE(session);
  EXPECT_EQ(decode(session->rules()), options.rules);

  const std::vector<std::byte> list = session->rules();
  base::Rule rule;
  EXPECT_TRUE(base::find_rule(list.data(), list.size(), {"b:c", "f.cpp", 6}, rule));
  EXPECT_FALSE(base::find_rule(list.data(), list.size(), {"a:c", "f.cpp", 6}, rule));
  EXPECT_TRUE(base::find_rule(list.data(), list.size(), {"a:b", "f.cpp", 4}, rule));
  EXPECT_EQ(rule.header.rate, 7u);
  EXPECT_FALSE(base::find_rule(list.data(), list.size(), {"a:b", "f.cpp", 5}, rule)) << "graver than a warning only";
}

TEST(Session, AGeometryThatNoRingCanHaveIsRefusedAndLeavesNoFile) {
  TestFolder folder;
  SessionOptions options = small_session();
  options.subbuf_size = 5000;
  const Result<Session> session = Session::create(folder.runtime(), options);
  ASSERT_FALSE(session);
  EXPECT_NE(session.error().text.find("5000"), std::string::npos) << session.error().text;
  EXPECT_TRUE(std::filesystem::is_empty(folder.runtime().path));
}

TEST(Session, AtItsEndItsMemoryReturnsThoughAProgramStillMapsIt) {
  TestFolder folder;
  std::optional<Session> session(std::move(*Session::create(folder.runtime(), small_session())));
  FakeProgram program(*session);
  const base::Fd kept(::open(session->path().c_str(), O_RDONLY | O_CLOEXEC));
  std::memset(reinterpret_cast<std::byte*>(&program.head(0)) + abi::kRingDataOffset, 1, 5 * 4096);
  struct stat before {
  }, after{};
  ::fstat(kept.get(), &before);
  session.reset();
  ::fstat(kept.get(), &after);
  EXPECT_EQ((before.st_blocks - after.st_blocks) * 512, 5 * 4096);
  EXPECT_EQ(program.header().state.load(), static_cast<std::uint32_t>(abi::SessionState::closed));
  EXPECT_TRUE(std::filesystem::is_empty(folder.runtime().path));
}

// A registry as a program makes it, with rows and two sessions in it.
class FakeRegistry {
 public:
  FakeRegistry(const TestFolder& folder, const std::string& name, int pid, std::uint64_t start_time) {
    const base::Fd fd(::open(folder.in(name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    (void)!::ftruncate(fd.get(), static_cast<off_t>(abi::kRegistrySize));
    base_ =
        static_cast<std::byte*>(::mmap(nullptr, abi::kRegistrySize, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0));
    header().version = abi::kRegistryVersion;
    header().pid = pid;
    header().start_time = start_time;
    header().row_count.store(2);
    header().magic.store(abi::kRegistryMagic);
  }
  ~FakeRegistry() { ::munmap(base_, abi::kRegistrySize); }
  abi::RegistryHeader& header() { return *reinterpret_cast<abi::RegistryHeader*>(base_); }
  abi::RegistryRow& row(int i) { return reinterpret_cast<abi::RegistryRow*>(base_ + abi::kRegistryRowsOffset)[i]; }
  abi::Word32& filter(int i) { return reinterpret_cast<abi::Word32*>(base_ + abi::kRegistryFilterOffset)[i]; }
  void offer(int slot, const std::string& file, std::uint32_t generation, std::uint32_t use = 1) {
    std::strcpy(header().slot[slot].file, file.c_str());
    header().slot[slot].generation.store(generation);
    header().slot[slot].use.store(use);
    header().slot[slot].state.store(static_cast<std::uint32_t>(abi::SlotState::offered));
  }
  std::uint32_t state(int slot) { return header().slot[slot].state.load(); }

 private:
  std::byte* base_ = nullptr;
};

constexpr std::uint64_t enabled(std::uint32_t generations, std::uint32_t bits) {
  return std::uint64_t{generations} << 32 | bits;
}

TEST(LeaveRegistries, TakesOneSessionsBitsAndLeavesTheOthers) {
  TestFolder folder;
  FakeRegistry registry(folder, "4711.0", getpid(), base::start_time_of(getpid()));
  registry.offer(0, "session-a", 0xaaaa, 5);
  registry.offer(3, "session-b", 0xbbbb, 9);
  registry.row(0).enabled.store(enabled(0xaaaa ^ 0xbbbb, 0b1001));
  registry.row(1).enabled.store(enabled(0xbbbb, 0b1000));
  registry.filter(17).store(abi::filter_change(5, 0) ^ abi::filter_change(9, 3));
  registry.filter(1023).store(abi::filter_change(5, 0));

  EXPECT_EQ(leave_registries(folder.runtime().path, "session-a", 0xaaaa), 1u);

  EXPECT_EQ(registry.row(0).enabled.load(), enabled(0xbbbb, 0b1000));
  EXPECT_EQ(registry.row(1).enabled.load(), enabled(0xbbbb, 0b1000));
  EXPECT_EQ(registry.filter(17).load(), abi::filter_change(9, 3));
  EXPECT_EQ(registry.filter(1023).load(), 0u);
  EXPECT_EQ(registry.state(0), static_cast<std::uint32_t>(abi::SlotState::free));
  EXPECT_EQ(registry.state(3), static_cast<std::uint32_t>(abi::SlotState::offered));
}

TEST(LeaveRegistries, ASlotOfTheSameNameButOfAnotherSessionStays) {
  TestFolder folder;
  FakeRegistry registry(folder, "4711.0", getpid(), base::start_time_of(getpid()));
  registry.offer(0, "session-a", 0xaaab);
  registry.offer(1, "session-ab", 0xaaaa);
  EXPECT_EQ(leave_registries(folder.runtime().path, "session-a", 0xaaaa), 0u);
  EXPECT_NE(registry.state(0), static_cast<std::uint32_t>(abi::SlotState::free));
  EXPECT_NE(registry.state(1), static_cast<std::uint32_t>(abi::SlotState::free));
}

TEST(LeaveRegistries, ASlotThatKnowsNoGenerationYetIsFreedByItsName) {
  TestFolder folder;
  FakeRegistry registry(folder, "4711.0", getpid(), base::start_time_of(getpid()));
  registry.offer(0, "session-a", 0);
  EXPECT_EQ(leave_registries(folder.runtime().path, "session-a", 0xaaaa), 1u);
}

TEST(LeaveRegistries, NumbersOutsideTheTableAreHeldToIt) {
  TestFolder folder;
  FakeRegistry registry(folder, "4711.0", getpid(), base::start_time_of(getpid()));
  registry.header().row_count.store(~0u);
  registry.offer(0, "session-a", 0xaaaa);
  EXPECT_EQ(leave_registries(folder.runtime().path, "session-a", 0xaaaa), 1u);
}

// Makes a session in a process that dies at once, without a destructor; fills `pages` pages of its first ring.
std::string leave_behind(const TestFolder& folder, std::size_t pages = 0) {
  const pid_t child = ::fork();
  if (child == 0) {
    const Result<Session> session = Session::create(folder.runtime(), small_session());
    if (!session) ::_exit(1);
    std::memset(reinterpret_cast<std::byte*>(&session->ring(0)) + abi::kRingDataOffset, 1, pages * 4096);
    ::_exit(0);
  }
  int status = 1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  return folder.in("session-test");
}

std::uint32_t generation_of(const std::string& path) {
  abi::SessionHeader header;
  std::ifstream(path, std::ios::binary).read(reinterpret_cast<char*>(&header), sizeof header);
  return header.generation;
}

TEST(LeaveRegistries, OnesOfDeadProcessesAreRemoved) {
  TestFolder folder;
  FakeRegistry dead(folder, "4711.0", 4711, 1), living(folder, "4712.0", getpid(), base::start_time_of(getpid()));
  dead.offer(0, "session-a", 0xaaaa, 5);
  living.offer(0, "session-a", 0xaaaa, 5);
  EXPECT_EQ(leave_registries(folder.runtime().path, "session-a", 0xaaaa), 1u);
  const auto left = find_registries(folder.runtime().path);
  ASSERT_EQ(left.size(), 1u);
  EXPECT_TRUE(left[0].ends_with("/4712.0"));
}

TEST(LeftBehind, ASessionWhoseCreatorDiedIsFoundAndRemovedFromLivingPrograms) {
  TestFolder folder;
  const std::uint32_t generation = generation_of(leave_behind(folder));
  FakeRegistry registry(folder, "4711.0", getpid(), base::start_time_of(getpid()));
  registry.offer(0, "session-test", generation, 5);
  registry.offer(3, "session-b", 0xbbbb, 9);
  registry.row(0).enabled.store(enabled(generation ^ 0xbbbb, 0b1001));
  registry.filter(17).store(abi::filter_change(5, 0) ^ abi::filter_change(9, 3));

  EXPECT_EQ(find_left_behind(folder.runtime().path), std::vector<std::string>{"session-test"});
  EXPECT_EQ(remove_left_behind(folder.runtime().path), 1u);

  EXPECT_FALSE(std::filesystem::exists(folder.in("session-test")));
  EXPECT_EQ(registry.row(0).enabled.load(), enabled(0xbbbb, 0b1000));
  EXPECT_EQ(registry.filter(17).load(), abi::filter_change(9, 3));
  EXPECT_EQ(registry.state(0), static_cast<std::uint32_t>(abi::SlotState::free));
  EXPECT_EQ(registry.state(3), static_cast<std::uint32_t>(abi::SlotState::offered));
  EXPECT_EQ(remove_left_behind(folder.runtime().path), 0u);
}

TEST(LeftBehind, ItsMemoryReturnsThoughAProgramStillMapsItAndFindsItClosed) {
  TestFolder folder;
  const base::Fd kept(::open(leave_behind(folder, 5).c_str(), O_RDONLY | O_CLOEXEC));
  struct stat before {
  }, after{};
  ::fstat(kept.get(), &before);
  EXPECT_EQ(remove_left_behind(folder.runtime().path), 1u);
  ::fstat(kept.get(), &after);
  EXPECT_EQ((before.st_blocks - after.st_blocks) * 512, 5 * 4096);
  abi::SessionHeader header;
  ASSERT_EQ(::pread(kept.get(), static_cast<void*>(&header), sizeof header, 0), static_cast<ssize_t>(sizeof header));
  EXPECT_EQ(header.state.load(), static_cast<std::uint32_t>(abi::SessionState::closed));
}

TEST(LeftBehind, ASessionWhoseCreatorLivesAndFilesThatAreNoneStay) {
  TestFolder folder;
  const Result<Session> session = Session::create(folder.runtime(), small_session());
  ASSERT_TRUE(session);
  std::ofstream(folder.in("4711.0")) << "";
  std::filesystem::create_symlink(folder.in("4711.0"), folder.in("session-link"));
  std::filesystem::create_directory(folder.in("session-folder"));
  ASSERT_EQ(::mkfifo(folder.in("session-fifo").c_str(), 0600), 0);
  EXPECT_EQ(remove_left_behind(folder.runtime().path), 0u);
  for (const char* name : {"session-test", "4711.0", "session-folder", "session-fifo"})
    EXPECT_TRUE(std::filesystem::exists(folder.in(name))) << name;
}

TEST(LeftBehind, ASessionThatWasNeverFinishedOrWasWrittenOverIsRemovedToo) {
  TestFolder folder;
  std::ofstream(folder.in("session-short")) << "short";
  std::ofstream(folder.in("session-empty"));
  const base::Fd fd(::open(leave_behind(folder).c_str(), O_RDWR | O_CLOEXEC));
  std::uint64_t lies[] = {~std::uint64_t{0}, ~std::uint64_t{0}};
  ASSERT_EQ(::pwrite(fd.get(), lies, sizeof lies, offsetof(abi::SessionHeader, rings_offset)),
            static_cast<ssize_t>(sizeof lies));
  EXPECT_EQ(remove_left_behind(folder.runtime().path), 3u);
  EXPECT_TRUE(std::filesystem::is_empty(folder.runtime().path));
}

TEST(LeftBehind, OnlyThoseThatAreMeantAreRemoved) {
  TestFolder folder;
  for (const char* name : {"session-a", "session-a.on1", "session-a.on2", "session-b.on1"}) std::ofstream(folder.in(name)) << "x";
  EXPECT_EQ(remove_left_behind(folder.runtime().path, ::geteuid(), "session-a.on"), 2u);
  EXPECT_TRUE(std::filesystem::exists(folder.in("session-a")));
  EXPECT_TRUE(std::filesystem::exists(folder.in("session-b.on1")));
}

TEST(OpenToEveryone, IsOnePlaceHoweverOftenItIsAskedFor) {
  TestFolder folder;
  const std::string path = folder.runtime().path;
  const Result<Session> session = Session::create(folder.runtime(), small_session());
  ASSERT_TRUE(session);
  for (std::uint32_t i = 0; i < 2 * abi::kSessionSlots; ++i) ASSERT_TRUE(open_to_everyone(path, session->session_name())) << i;
  close_to_everyone(path, session->session_name());
  EXPECT_FALSE(std::filesystem::exists(folder.in("everyone")));
}

TEST(LeftBehind, WhoMakesASessionMeanwhileKeepsIt) {
  TestFolder folder;
  std::atomic<bool> over{false};
  std::thread other([&] {
    while (!over.load()) remove_left_behind(folder.runtime().path);
  });
  for (int i = 0; i < 3000; ++i) {
    const Result<Session> session = Session::create(folder.runtime(), small_session());
    EXPECT_TRUE(session) << session.error().text;
    EXPECT_TRUE(std::filesystem::exists(folder.in("session-test"))) << "round " << i;
  }
  over.store(true);
  other.join();
}

TEST(RegistryFile, OnesThatAreNoneAreRefusedWithTheReason) {
  TestFolder folder;
  std::ofstream(folder.in("1.0")) << "short";
  Result<RegistryFile> registry = RegistryFile::open(folder.in("1.0"), RegistryFile::Access::read_only);
  ASSERT_FALSE(registry);
  EXPECT_NE(registry.error().text.find("has 5 bytes"), std::string::npos) << registry.error().text;
  std::filesystem::create_symlink(folder.in("1.0"), folder.in("2.0"));
  EXPECT_EQ(RegistryFile::open(folder.in("2.0"), RegistryFile::Access::read_only).error().code, ELOOP);
  FakeRegistry fake(folder, "3.0", 3, 1);
  fake.header().magic.store(1);
  EXPECT_EQ(RegistryFile::open(folder.in("3.0"), RegistryFile::Access::read_only).error().code, EAGAIN);
}

TEST(RegistryFile, KnowsWhetherItsProcessLives) {
  TestFolder folder;
  const std::uint64_t start = base::start_time_of(::getpid());
  FakeRegistry mine(folder, "1.0", ::getpid(), start), other(folder, "1.1", ::getpid(), start + 1);
  EXPECT_TRUE(RegistryFile::open(folder.in("1.0"), RegistryFile::Access::read_only)->is_of_living_process());
  EXPECT_FALSE(RegistryFile::open(folder.in("1.1"), RegistryFile::Access::read_only)->is_of_living_process());
}

TEST(RegistryFile, ASchemaOutsideTheFilesPlaceForThemIsNone) {
  TestFolder folder;
  FakeRegistry fake(folder, "1.0", 1, 1);
  Result<RegistryFile> registry = RegistryFile::open(folder.in("1.0"), RegistryFile::Access::read_only);
  ASSERT_TRUE(registry);
  fake.row(0).blob_size = 16;
  EXPECT_TRUE(registry->schema(0).empty());  // not ready
  fake.row(0).state.store(abi::row_ready);
  EXPECT_EQ(registry->schema(0).size(), 16u);
  fake.row(0).blob_offset = static_cast<std::uint32_t>(abi::kRegistryBlobs - 15);
  EXPECT_TRUE(registry->schema(0).empty());
  fake.row(0).blob_offset = 0;
  fake.row(0).blob_size = ~0u;
  EXPECT_TRUE(registry->schema(0).empty());
}

TEST(FindRegistries, AreNamedByPidAndNumberAndOrderedByPid) {
  TestFolder folder;
  for (const char* name : {"12.0", "3.1", "3.0", "session-x", "x.1", "4.", "4.a", ".5", "-4.0", "05.0"})
    std::ofstream(folder.in(name)) << "";
  const std::vector<std::string> wanted = {folder.in("3.0"), folder.in("3.1"), folder.in("12.0")};
  EXPECT_EQ(find_registries(folder.runtime().path), wanted);
}

}  // namespace
}  // namespace ouro::record
