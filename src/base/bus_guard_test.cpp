#include "base/bus_guard.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace ouro::base {
namespace {

// A file of two pages, full of 'x', mapped.
struct Mapped {
  Mapped() {
    fd = ::memfd_create("bus_guard_test", MFD_CLOEXEC);
    if (::ftruncate(fd, 8192) != 0) std::abort();
    memory = static_cast<char*>(::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    std::memset(memory, 'x', 8192);
  }
  ~Mapped() {
    ::munmap(memory, 8192);
    ::close(fd);
  }
  int fd;
  char* memory;
};

TEST(BusGuard, WhatWasCutOffReadsAsZerosAndWhatWasNotAsBefore) {
  Mapped m;
  ASSERT_TRUE(guard_mapping(m.memory, 8192));
  EXPECT_EQ(m.memory[5000], 'x');
  EXPECT_FALSE(was_cut_short(m.memory));
  ASSERT_EQ(::ftruncate(m.fd, 4096), 0);
  EXPECT_EQ(m.memory[5000], 0);
  EXPECT_EQ(m.memory[100], 'x');
  EXPECT_TRUE(was_cut_short(m.memory));
  m.memory[5000] = 'y';  // goes nowhere, and harms nobody
  unguard_mapping(m.memory);
}

TEST(BusGuard, OtherMemoryIsNotItsBusiness) {
  Mapped guarded, other;
  ASSERT_TRUE(guard_mapping(guarded.memory, 8192));
  ASSERT_EQ(::ftruncate(other.fd, 0), 0);
  EXPECT_DEATH(  // by the signal, or by a sanitizer, which had it before
      {
        volatile char c = other.memory[0];
        static_cast<void>(c);
      },
      "");
  unguard_mapping(guarded.memory);
}

}  // namespace
}  // namespace ouro::base
