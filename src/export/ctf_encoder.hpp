// export/ctf_encoder.hpp -- values to bits, as read/ takes them from there: the same types, the same alignment, the same byte orders.
//
//   0            bit()                        positions are bits from the packet's first byte: alignment counts from there
//   +------------+
//   | encoded    |  next
//   +------------+
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <ouro/read.hpp>

namespace ouro::ctf {

class Encoder {
 public:
  const std::string& bytes() const { return out_; }
  std::uint64_t bit() const { return bit_; }
  void clear() {
    out_.clear();
    bit_ = 0;
  }
  // CTF 1.8 has no LEB128: unless it is kept, these integers are of 64 bits.
  void keep_leb128(bool keeps) { keeps_leb128_ = keeps; }
  // Back to where it was, if what followed cannot be written.
  void cut(std::uint64_t bit);

  void align(std::uint32_t bits);
  // Little endian, whole bytes at a whole byte.
  void raw(const void* data, std::size_t size) {
    out_.append(static_cast<const char*>(data), size);
    bit_ += size * 8;
  }
  template <class T>
  void put(T value) { raw(&value, sizeof value); }
  void overwrite(std::size_t at, const void* data, std::size_t size) { out_.replace(at, size, static_cast<const char*>(data), size); }

  // A structure of `fields`, whose values are these, each with those inside it behind it. Null, or why it cannot be written.
  const char* structure(std::span<const read::Field> fields, std::span<const read::Value> values);

 private:
  const char* value(const read::Value* value);
  const char* children(const read::Value* value);
  const char* text(const read::Value& value);
  void integer(const read::Type& type, std::uint64_t value);
  void leb128(std::uint64_t value, bool is_signed);
  void bits(std::uint64_t value, std::uint32_t count, bool big_endian);
  void floating_point(const read::Type& type, double value);
  std::uint64_t length_of(const read::Type& type) const;

  std::string out_;
  std::uint64_t bit_ = 0;
  bool keeps_leb128_ = false;
  std::vector<std::uint64_t> slots_;  // lengths and tags of the event, as in read/metadata.hpp
};

// Of a structure with these members.
std::uint32_t alignment_of(std::span<const read::Field> fields);

}  // namespace ouro::ctf
