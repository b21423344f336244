// format/test_trace.hpp -- for tests only: traces and schemas written by hand, byte by byte, beside the functions
// under test.
#pragma once
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "format/ctf.hpp"

namespace ouro::format::test {

// Bytes as a program would store them: packed, little endian.
class Bytes {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T> Bytes& put(T value) { return raw(&value, sizeof value); }
  Bytes& text(const std::string& value) { return raw(value.c_str(), value.size() + 1); }
  Bytes& raw(const void* data, std::size_t size) {
    const auto* begin = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), begin, begin + size);
    return *this;
  }
  Bytes& add(const Bytes& other) { return raw(other.bytes_.data(), other.bytes_.size()); }

  // Headers of stream 0, with the thread id behind them.
  Bytes& compact(std::uint32_t id, std::uint64_t stamp, std::uint32_t tid) {
    return put(static_cast<std::uint32_t>(id | stamp << 10)).put(tid);
  }
  Bytes& extended(std::uint32_t id, std::uint64_t stamp, std::uint32_t tid) {
    return put(std::uint32_t{kCompactIds}).put(id).put(stamp).put(tid);
  }

  const std::vector<std::byte>& get() const { return bytes_; }
  std::vector<std::byte>& get() { return bytes_; }
  std::size_t size() const { return bytes_.size(); }

 private:
  std::vector<std::byte> bytes_;
};

// A schema as abi/schema.hpp draws it; `fields` are FieldHeader, name and labels, ready.
inline std::vector<std::byte> schema_bytes(const std::string& name, const std::string& file, abi::EventKind kind,
                                           const std::vector<Field>& fields) {
  Bytes body;
  body.text(name).text(file);
  for (const Field& field : fields) {
    body.put(field.type).put(field.shape).put(static_cast<std::uint8_t>(field.hex)).put(std::uint8_t{0});
    body.put(field.count).put(static_cast<std::uint16_t>(field.labels.size())).text(field.name);
    for (const Label& label : field.labels) body.put(label.value).text(label.text);
  }
  Bytes out;
  out.put(static_cast<std::uint32_t>(sizeof(abi::SchemaHeader) + body.size())).put(abi::kSchemaVersion);
  out.put(kind).put(abi::Level::info).put(static_cast<std::uint8_t>(fields.size())).put(std::uint32_t{42});
  return out.add(body).get();
}

// A trace folder of its own, removed at the end.
class TestTrace {
 public:
  explicit TestTrace(TraceDescription description) : description_(std::move(description)) {
    char folder[] = "/tmp/ouro-test-trace-XXXXXX";
    if (::mkdtemp(folder) == nullptr) throw std::runtime_error("mkdtemp failed");
    folder_ = folder;
    write("metadata", metadata_text(description_));
  }
  ~TestTrace() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  TestTrace(const TestTrace&) = delete;
  TestTrace& operator=(const TestTrace&) = delete;

  const std::string& folder() const { return folder_; }
  std::string file(const std::string& name) const { return folder_ + "/" + name; }

  void write(const std::string& name, const std::string& contents) {
    std::ofstream(file(name), std::ios::binary) << contents;
  }
  std::string read(const std::string& name) const {
    std::ifstream in(file(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Appends a packet; uuid and content size are filled in.
  void packet(const std::string& name, PacketHeader header, const std::vector<std::byte>& records) {
    header.uuid = description_.uuid;
    header.content_bytes = kPacketHeaderSize + records.size();
    const auto head = encode(header);
    std::ofstream out(file(name), std::ios::binary | std::ios::app);
    out.write(reinterpret_cast<const char*>(head.data()), head.size());
    out.write(reinterpret_cast<const char*>(records.data()), static_cast<std::streamsize>(records.size()));
  }
  // What babeltrace2 says of it, on both its outputs.
  std::string babeltrace2(const std::string& options = "") const {
    return run("babeltrace2 " + options + " " + folder_ + " 2>&1");
  }

  static std::string run(const std::string& command) {
    std::string out;
    std::FILE* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) return out;
    char text[4096];
    for (std::size_t n = 0; (n = std::fread(text, 1, sizeof text, pipe)) > 0;) out.append(text, n);
    const int status = ::pclose(pipe);
    if (status != 0) out += "[exit status " + std::to_string(status) + "]\n";
    return out;
  }

 private:
  TraceDescription description_;
  std::string folder_;
};

inline TraceDescription description(std::vector<std::pair<std::uint32_t, EventClass>> events) {
  TraceDescription out;
  for (std::size_t i = 0; i < out.uuid.size(); ++i) out.uuid[i] = static_cast<std::uint8_t>(0x10 + i);
  // 2020-01-01 00:00:00 UTC; ticks are nanoseconds.
  out.clock = {"tsc", "ticks of the processor", 1'000'000'000, 1'577'836'800, 0, 1};
  out.env = {{"hostname", "test"}};
  out.events = std::move(events);
  return out;
}

inline Field scalar(const char* name, abi::FieldType type) { return {name, type, abi::FieldShape::scalar, false, 0, {}}; }
inline Field sequence(const char* name, abi::FieldType type) { return {name, type, abi::FieldShape::sequence, false, 0, {}}; }

// Class 5: "t:n", {u32 n}.
inline TraceDescription one_number() { return description({{5, {"t:n", abi::EventKind::point, abi::Level::info, "", 0, {scalar("n", abi::FieldType::u32)}}}}); }

}  // namespace ouro::format::test
