// Libraries that come and go, as the tracer sees them: modules with sites made here, in memory that is unmapped behind them.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>

#include <ouro/abi/schema.hpp>

#include "trace/tracer.hpp"

namespace ouro::trace {
namespace {

// A library of `count` events, all in one mapping: list, sites, schemas, filter words.
class Library {
 public:
  Library(std::uint32_t first, std::uint32_t count) : size_(sizeof(detail::Filter) + count * (sizeof(void*) + sizeof(detail::Site) + kSchemaRoom)) {
    size_ = (size_ + 4095) & ~std::size_t{4095};
    memory_ = static_cast<std::byte*>(::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    auto** const list = reinterpret_cast<const detail::Site**>(memory_ + sizeof(detail::Filter));
    sites_ = reinterpret_cast<detail::Site*>(list + count);
    char* schema = reinterpret_cast<char*>(sites_ + count);
    for (std::uint32_t i = 0; i < count; ++i, schema += kSchemaRoom) {
      const std::uint32_t size = put_schema(schema, first + i);
      sites_[i].schema = schema;
      sites_[i].schema_size = size;
      sites_[i].filter_index = abi::filter_index(schema, size);
      list[i] = &sites_[i];
    }
    module_ = {list, list + count, memory_};
    detail::ouro_module_begin(&module_);
  }
  ~Library() {
    detail::ouro_module_end(&module_);
    ::munmap(memory_, size_);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  std::uint32_t row(std::uint32_t i) const { return sites_[i].row.load(); }
  bool has_row(std::uint32_t i) const { return sites_[i].counted; }

 private:
  static constexpr std::size_t kSchemaRoom = 128;
  static std::uint32_t put_schema(char* to, std::uint32_t number) {
    abi::SchemaHeader header{};
    std::memcpy(to, &header, sizeof header);
    const std::string names = "modules:e" + std::to_string(number) + '\0' + "test.cpp" + '\0';
    std::memcpy(to + sizeof header, names.data(), names.size());
    return static_cast<std::uint32_t>(sizeof header + names.size());
  }

  std::size_t size_;
  std::byte* memory_;
  detail::Site* sites_;
  detail::Module module_;
};

class Modules : public ::testing::Test {
 protected:
  void SetUp() override {
    const Library first(0, 1);  // gives the program a registry
    if (tracer.registry == nullptr) GTEST_SKIP() << "no runtime folder";
  }
  static std::uint32_t rows() { return tracer.header().row_count.load(); }
};

TEST_F(Modules, ThatComeAgainHaveTheirRowsAgain) {
  std::uint32_t row = 0, after_first = 0;
  for (int i = 0; i < 1000; ++i) {
    const Library library(0, 3);
    ASSERT_TRUE(library.has_row(0));
    if (i == 0) row = library.row(0), after_first = rows();
    ASSERT_EQ(library.row(0), row);
    ASSERT_EQ(rows(), after_first);
  }
  EXPECT_NE(tracer.rows()[row].state.load(), abi::row_ready);  // nobody lists an event that is gone
  const Library once(0, 3), twice(0, 3);
  EXPECT_EQ(once.row(0), twice.row(0));
}

TEST_F(Modules, AreNotLookedAtOnceTheyAreGone) {
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> seen{0};
  std::thread visitor([&] {
    while (!stop) {
      visit_sites([&](detail::Site& site) {
        if (seen.fetch_add(1, std::memory_order_relaxed) % 50 == 0) ::sched_yield();  // now somebody unloads it
        site.target.store(0);  // ends the process if that is no memory
      });
      ::usleep(20);
    }
  });
  for (int i = 0; i < 500 || seen < 10'000; ++i) const Library library(0, 64);
  stop = true;
  visitor.join();
  EXPECT_GT(seen.load(), 0u);
}

// Last: the table stays full.
TEST_F(Modules, WithOtherEventsEachTimeFillTheTableAndTheRestIsCounted) {
  constexpr std::uint32_t kEach = 1000;
  std::uint32_t loaded = 0;
  for (int i = 0; i < 20; ++i) {
    const Library library(100'000 + loaded, kEach);
    loaded += kEach;
    EXPECT_EQ(library.has_row(kEach - 1), rows() < abi::kRegistryRows);
  }
  EXPECT_EQ(rows(), abi::kRegistryRows);
  EXPECT_GE(tracer.header().rows_refused.load(), loaded - abi::kRegistryRows);
  const Library known(100'000, 1);  // has its row still
  EXPECT_TRUE(known.has_row(0));
}

}  // namespace
}  // namespace ouro::trace
