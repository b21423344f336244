#include "cli/packet_walk.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "read/document.hpp"

namespace ouro::cli {
namespace {

using read::Kind;
using read::Type;

constexpr std::uint32_t kMagic = 0xc1fc1fc1;

// The integers of a header, bit by bit: there are a dozen in each packet. What has no role is read past.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view bytes) : bytes_(bytes) {}

  std::uint64_t bit() const { return bit_; }

  // Calls `use` with the roles and value of each integer that stands for itself. False where the bytes end, or at a type that no header has.
  template <class Use>
  bool read(const read::Field& field, const Use& use) {
    const Type& type = *field.type;
    bit_ = (bit_ + type.align - 1) / type.align * type.align;
    switch (type.kind) {
      case Kind::structure:
        return std::all_of(type.members.begin(), type.members.end(), [&](const read::Field& member) { return read(member, use); });
      case Kind::unsigned_integer:
      case Kind::signed_integer:
      case Kind::boolean:
      case Kind::bit_array:
      case Kind::bit_map:
      case Kind::enumeration: {
        const std::optional<std::uint64_t> value = type.plan.op == read::Plan::Op::leb128 ? leb128() : bits(type);
        if (value) use(type.plan.roles, *value);
        return value.has_value();
      }
      case Kind::blob: return !type.is_sequence && type.count <= bytes_.size() && skip(type.count * 8);
      case Kind::floating_point: return skip(type.bits);
      case Kind::array: return !type.is_sequence && skip_array(type);
      case Kind::string: return !type.is_sequence && type.count != 0 && type.count <= bytes_.size() && skip(type.count * 8);  // a text of a fixed length
      default: return false;
    }
  }

 private:
  bool has(std::uint64_t bits) const { return bit_ <= bytes_.size() * 8 && bits <= bytes_.size() * 8 - bit_; }
  bool skip(std::uint64_t bits) {
    if (!has(bits)) return false;
    bit_ += bits;
    return true;
  }
  bool skip_array(const Type& type) {
    const auto ignore = [](std::uint16_t, std::uint64_t) {};
    for (std::uint64_t i = 0; i < type.count; ++i) {
      const std::uint64_t before = bit_;
      if (!read(type.members[0], ignore)) return false;
      if (bit_ == before) break;  // elements without bits: as many as they say would take for ever
    }
    return true;
  }
  // Little endian: the first bit is a byte's lowest; big endian: its highest.
  std::optional<std::uint64_t> bits(const Type& type) {
    if (type.bits > 64 || !has(type.bits)) return std::nullopt;
    std::uint64_t out = 0;
    for (std::uint32_t i = 0; i < type.bits; ++i, ++bit_) {
      const auto byte = static_cast<unsigned char>(bytes_[bit_ / 8]);
      if (type.plan.big_endian)
        out = out << 1 | (byte >> (7 - bit_ % 8) & 1u);
      else
        out |= std::uint64_t{byte >> (bit_ % 8) & 1u} << i;
    }
    return type.plan.reversed ? reversed(out, type.bits) : out;
  }
  static std::uint64_t reversed(std::uint64_t value, std::uint32_t bits) {
    std::uint64_t out = 0;
    for (std::uint32_t i = 0; i < bits; ++i) out = out << 1 | (value >> i & 1);
    return out;
  }
  std::optional<std::uint64_t> leb128() {
    std::uint64_t out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (!has(8)) return std::nullopt;
      const auto byte = static_cast<unsigned char>(bytes_[bit_ / 8]);
      bit_ += 8;
      out |= std::uint64_t{byte & 0x7fu} << shift;
      if ((byte & 0x80) == 0) return out;
    }
    return std::nullopt;
  }

  std::string_view bytes_;
  std::uint64_t bit_ = 0;
};

}  // namespace

std::optional<Packet> PacketWalk::parse(std::uint64_t offset) const {
  const std::uint64_t left = file_.size() - offset;
  HeaderReader in(file_.substr(offset));
  Packet out;
  out.offset = offset;
  std::uint64_t stream_id = metadata_.streams.size() == 1 ? metadata_.streams[0].id : 0;
  bool sound = true;
  if (metadata_.packet_header.type != nullptr)
    sound = in.read(metadata_.packet_header, [&](std::uint16_t roles, std::uint64_t value) {
      if ((roles & read::doc::kMagic) != 0 && value != kMagic) sound = false;
      if ((roles & read::doc::kStreamClassId) != 0) stream_id = value;
      if ((roles & read::doc::kStreamId) != 0) out.instance = value;
    }) && sound;
  out.stream = metadata_.stream(stream_id);
  if (!sound || out.stream == nullptr) return std::nullopt;
  std::optional<std::uint64_t> content, size;
  const auto use = [&](std::uint16_t roles, std::uint64_t value) {
    if ((roles & read::doc::kTimestamp) != 0) out.begin = value;
    if ((roles & read::doc::kPacketEnd) != 0) out.end = value;
    if ((roles & read::doc::kContentSize) != 0) content = value;
    if ((roles & read::doc::kPacketSize) != 0) size = value;
    if ((roles & read::doc::kSequenceNumber) != 0) out.number = value;
    if ((roles & read::doc::kDiscarded) != 0) out.discarded = value;
    if ((roles & read::doc::kCpu) != 0) out.cpu = value;
  };
  if (out.stream->packet_context.type != nullptr && !in.read(out.stream->packet_context, use)) return std::nullopt;
  out.header_bits = in.bit();
  out.content_bits = content ? *content : size ? *size : left * 8;
  const std::uint64_t bits = size ? *size : out.content_bits;
  out.bytes = bits / 8 + (bits % 8 != 0 ? 1 : 0);
  if (out.content_bits < out.header_bits || out.content_bits > bits || out.bytes == 0) return std::nullopt;
  out.is_cut = out.bytes > left;
  return out;
}

std::optional<std::uint64_t> PacketWalk::find(std::uint64_t from) const {
  if (metadata_.packet_header.type == nullptr) return std::nullopt;
  const auto& members = metadata_.packet_header.type->members;
  if (members.empty() || (members[0].type->plan.roles & read::doc::kMagic) == 0 || members[0].type->bits != 32) return std::nullopt;
  const std::uint32_t magic = members[0].type->plan.big_endian ? __builtin_bswap32(kMagic) : kMagic;
  while (from < file_.size()) {
    const void* found = ::memmem(file_.data() + from, file_.size() - from, &magic, sizeof magic);
    if (found == nullptr) return std::nullopt;
    from = static_cast<std::uint64_t>(static_cast<const char*>(found) - file_.data());
    if (parse(from)) return from;
    ++from;
  }
  return std::nullopt;
}

std::optional<Packet> PacketWalk::next() {
  if (at_ >= file_.size()) return std::nullopt;
  std::optional<Packet> out = parse(at_);
  if (!out) {
    const std::optional<std::uint64_t> found = find(at_ + 1);
    if (!found) {
      at_ = file_.size();
      return std::nullopt;
    }
    out = parse(*found);
  }
  at_ = out->is_cut ? file_.size() : out->offset + out->bytes;
  return out;
}

}  // namespace ouro::cli
