// read/transcode.cpp -- see the header.
#include "read/transcode.hpp"

#include <algorithm>
#include <cstdint>

namespace ouro::read {
namespace {

constexpr std::uint32_t kReplacement = 0xfffd;

std::uint32_t unit_at(const unsigned char* at, Encoding encoding) {
  switch (encoding) {
    case Encoding::utf16le: return at[0] | static_cast<std::uint32_t>(at[1]) << 8;
    case Encoding::utf16be: return at[1] | static_cast<std::uint32_t>(at[0]) << 8;
    case Encoding::utf32le: return at[0] | static_cast<std::uint32_t>(at[1]) << 8 | static_cast<std::uint32_t>(at[2]) << 16 | static_cast<std::uint32_t>(at[3]) << 24;
    default: return at[3] | static_cast<std::uint32_t>(at[2]) << 8 | static_cast<std::uint32_t>(at[1]) << 16 | static_cast<std::uint32_t>(at[0]) << 24;
  }
}

bool is_surrogate(std::uint32_t unit) { return unit >= 0xd800 && unit <= 0xdfff; }

char* put_utf8(char* out, std::uint32_t c) {
  if (c > 0x10ffff || is_surrogate(c)) c = kReplacement;
  if (c < 0x80) {
    *out++ = static_cast<char>(c);
    return out;
  }
  const int tails = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  static constexpr std::uint32_t heads[] = {0, 0xc0, 0xe0, 0xf0};
  *out++ = static_cast<char>(heads[tails] | c >> (6 * tails));
  for (int i = tails - 1; i >= 0; --i) *out++ = static_cast<char>(0x80 | (c >> (6 * i) & 0x3f));
  return out;
}

}  // namespace

// Next time all fits in one block.
void TextBuffer::reuse() {
  used_ = 0;
  if (blocks_.size() == 1) return;
  std::size_t all = 0;
  for (const Block& block : blocks_) all += block.size;
  blocks_.clear();
  blocks_.push_back({std::make_unique_for_overwrite<char[]>(all), all});
}

char* TextBuffer::room(std::size_t size) {
  constexpr std::size_t kLeast = 4096;
  if (blocks_.empty() || blocks_.back().size - used_ < size) {
    const std::size_t bytes = std::max(size, kLeast);
    blocks_.push_back({std::make_unique_for_overwrite<char[]>(bytes), bytes});
    used_ = 0;
  }
  return blocks_.back().bytes.get() + used_;
}

const char* TextBuffer::convert(Value& value, Encoding encoding) {
  const bool is_16 = encoding == Encoding::utf16le || encoding == Encoding::utf16be;
  const std::size_t unit = is_16 ? 2 : 4, units = value.count / unit;
  const auto* in = reinterpret_cast<const unsigned char*>(value.bytes);
  std::size_t length = 0;
  while (length < units && unit_at(in + length * unit, encoding) != 0) ++length;
  if (length == units && value.count % unit != 0) return "holds a text whose bytes are no whole characters";
  char* const begin = room(length * (is_16 ? 3 : 4));
  char* out = begin;
  for (std::size_t i = 0; i < length; ++i) {
    std::uint32_t c = unit_at(in + i * unit, encoding);
    if (is_16 && c >= 0xd800 && c < 0xdc00 && i + 1 < length) {
      const std::uint32_t second = unit_at(in + (i + 1) * unit, encoding);
      if (second >= 0xdc00 && second < 0xe000) {
        c = 0x10000 + ((c - 0xd800) << 10) + (second - 0xdc00);
        ++i;
      }
    }
    out = put_utf8(out, c);
  }
  value.bytes = begin;
  value.count = static_cast<std::uint32_t>(std::min<std::size_t>(static_cast<std::size_t>(out - begin), UINT32_MAX));
  used_ += static_cast<std::size_t>(out - begin);
  return nullptr;
}

}  // namespace ouro::read
