// record/test_session.hpp -- for tests only: a runtime folder of the test's own, and the program's side of a session
// done by hand, so that it can also be done wrong.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <ouro/abi/check.hpp>
#include <ouro/abi/context_layout.hpp>
#include <ouro/ring/writer.hpp>

#include "format/test_trace.hpp"
#include "record/session.hpp"

namespace ouro::record::test {

class TestFolder {
 public:
  TestFolder() {
    char name[] = "/dev/shm/ouro-record-test-XXXXXX";
    if (::mkdtemp(name) == nullptr) std::abort();
    path_ = name;
    std::strcpy(runtime_.path, name);
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const base::RuntimeDir& runtime() const { return runtime_; }
  std::string in(const std::string& name) const { return path_ + "/" + name; }
  std::string read(const std::string& name) const {
    std::ifstream file(in(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string path_;
  base::RuntimeDir runtime_{};
};

// Values of the field `n` in what babeltrace2 says, in its order.
inline std::vector<std::uint64_t> values_in(const std::string& text) {
  std::vector<std::uint64_t> out;
  for (std::size_t at = 0; (at = text.find("{ n = ", at)) != std::string::npos;) out.push_back(std::stoull(text.substr(at += 6)));
  return out;
}
inline std::vector<std::uint64_t> values_of(const std::string& trace) { return values_in(format::test::TestTrace::run("babeltrace2 " + trace + " 2>/dev/null")); }
inline std::vector<std::uint64_t> range(std::uint64_t from, std::uint64_t to) {
  std::vector<std::uint64_t> out;
  for (; from < to; ++from) out.push_back(from);
  return out;
}

inline SessionOptions small_session() {
  SessionOptions out;
  out.name = "test";
  out.cpus = 2;
  out.subbuf_count = 4;
  out.subbuf_size = 4096;
  out.rules = {{}};
  out.event_capacity = 16;
  out.thread_capacity = 4;
  out.process_capacity = 4;
  out.schemas_size = 4096;
  return out;
}

// Maps the session's file once more, as a program does. Writes to the shared rings of all CPUs: nothing depends on
// where the test runs.
class FakeProgram {
 public:
  explicit FakeProgram(const Session& session) {
    const int fd = ::open(session.path().c_str(), O_RDWR | O_CLOEXEC);
    struct stat status {};
    ::fstat(fd, &status);
    size_ = static_cast<std::size_t>(status.st_size);
    base_ = static_cast<std::byte*>(::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    ::close(fd);
    const std::uint32_t cpus = header().cpus;
    memory_ = std::make_unique<std::byte[]>(sizeof(ring::Channel) + 2 * cpus * sizeof(void*) + 64);
    auto at = reinterpret_cast<std::uintptr_t>(memory_.get());
    channel_ = new (reinterpret_cast<void*>((at + 63) & ~std::uintptr_t{63})) ring::Channel;
    channel_->cpus = cpus;
    channel_->tsc = header().clock == static_cast<std::uint32_t>(abi::ClockKind::tsc);
    channel_->mode = static_cast<abi::FullMode>(header().mode);
    channel_->subbuf_count = header().subbuf_count;
    channel_->subbuf_size = header().subbuf_size;
    channel_->reserve = [](const ring::Channel&, abi::RingHead&) { return refuse_memory ? ENOMEM : 0; };
    // Records prove themselves, where the session wants it.
    channel_->client = base_;
    if ((header().contexts & abi::bit(abi::Context::check)) != 0)
      channel_->seal = [](const ring::Channel& c, std::byte* record, std::size_t size) noexcept { abi::put_check(static_cast<abi::SessionHeader*>(c.client)->generation, record, size); };
    // All CPUs' rings are one: CPU 0's. Which CPU the test runs on does not matter.
    channel_->shared = channel_->ring;
    for (std::uint32_t i = 0; i < cpus; ++i) channel_->ring[i] = &head(cpus);
  }
  ~FakeProgram() { ::munmap(base_, size_); }
  FakeProgram(const FakeProgram&) = delete;
  FakeProgram& operator=(const FakeProgram&) = delete;

  static inline bool refuse_memory = false;

  abi::SessionHeader& header() const { return *reinterpret_cast<abi::SessionHeader*>(base_); }
  std::byte* base() const { return base_; }
  const ring::Channel& channel() const { return *channel_; }
  abi::RingHead& head(std::uint32_t ring) const {
    return *reinterpret_cast<abi::RingHead*>(base_ + header().rings_offset + ring * header().ring_stride);
  }
  abi::EventRow& event(std::uint32_t i) const {
    return reinterpret_cast<abi::EventRow*>(base_ + header().events_offset)[i];
  }
  abi::ThreadRow& thread(std::uint32_t i) const {
    return reinterpret_cast<abi::ThreadRow*>(base_ + header().threads_offset)[i];
  }
  abi::ProcessRow& process(std::uint32_t i) const {
    return reinterpret_cast<abi::ProcessRow*>(base_ + header().processes_offset)[i];
  }

  // An event with one field, u64 "n".
  void add_event(std::uint32_t row, const std::string& name) {
    format::Field field;
    field.name = "n";
    field.type = abi::FieldType::u64;
    add_event(row, name, {field});
  }
  void add_event(std::uint32_t row, const std::string& name, const std::vector<format::Field>& fields) {
    const auto schema = format::test::schema_bytes(name, "test.cpp", abi::EventKind::point, fields);
    const std::uint64_t offset = header().schemas_used.fetch_add(schema.size());
    std::memcpy(base_ + header().schemas_offset + offset, schema.data(), schema.size());
    event(row).schema_offset = offset;
    event(row).schema_size = static_cast<std::uint32_t>(schema.size());
    event(row).hash = hash_of(schema.data(), schema.size());
    event(row).state.store(abi::row_ready);
  }
  // Fills the next row of the threads' queue; `state` is what it is left in.
  void add_thread(std::int32_t tid, const std::string& name, std::uint64_t stamp,
                  std::uint32_t state = abi::row_ready) {
    abi::ThreadRow& row =
        thread(static_cast<std::uint32_t>(header().threads_head.fetch_add(1) % header().thread_capacity));
    row.pid = ::getpid();
    row.tid = tid;
    row.stamp = stamp;
    std::strncpy(row.name, name.c_str(), sizeof row.name - 1);
    row.state.store(state);
  }
  ring::Written write(std::uint32_t event, std::uint64_t n) {
    std::byte body[32] = {};
    const auto tid = static_cast<std::uint32_t>(::gettid());
    const std::size_t at = (header().contexts & abi::bit(abi::Context::check)) != 0 ? 12 : 4;
    std::memcpy(body, &tid, 4);
    std::memcpy(body + at, &n, 8);
    return ring::write_slow(channel(), event, body, at + 8);
  }
  static std::uint64_t hash_of(const std::byte* schema, std::size_t size) {  // FNV-1a, as programs take it
    std::uint64_t h = 14695981039346656037u;
    for (std::size_t i = 0; i < size; ++i) h = (h ^ static_cast<std::uint8_t>(schema[i])) * 1099511628211u;
    return h;
  }

 private:
  std::size_t size_ = 0;
  std::byte* base_ = nullptr;
  std::unique_ptr<std::byte[]> memory_;
  ring::Channel* channel_ = nullptr;
};

}  // namespace ouro::record::test
