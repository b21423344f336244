// read/metadata.cpp -- see the header. Errors name the line of the metadata.
#include "read/metadata.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "read/document.hpp"
#include "read/layout.hpp"

namespace ouro::read {
namespace {

constexpr std::uint32_t kPacketMagic = 0x75d11d57;
constexpr std::size_t kMaxText = 64 << 20;  // LTTng's of a whole kernel is 2 MiB

// A packet of the metadata: magic u32, uuid[16], checksum u32, content and packet size in bits u32, compression,
// encryption and checksum schemes u8, version 2 x u8. All in the byte order that the magic shows.
constexpr std::size_t kMetadataPacketHeader = 37;

std::uint32_t load32(std::string_view bytes, std::size_t at, bool swap) {
  std::uint32_t value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return swap ? __builtin_bswap32(value) : value;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::array<std::uint8_t, 16>> parse_uuid(const std::string& text) {
  std::string digits;
  for (const char c : text)
    if (c != '-') digits += c;
  if (digits.size() != 32) return std::nullopt;
  std::array<std::uint8_t, 16> out{};
  for (std::size_t i = 0; i < 16; ++i) {
    const int high = hex_digit(digits[2 * i]), low = hex_digit(digits[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return out;
}

std::uint64_t number(const doc::Block& block, const char* name, std::uint64_t missing) {
  const auto it = block.values.find(name);
  return it == block.values.end() || it->second.is_text ? missing : it->second.bits;
}
std::string text(const doc::Block& block, const char* name) {
  const auto it = block.values.find(name);
  return it == block.values.end() ? std::string() : it->second.text;
}
doc::SpecPtr type(const doc::Block& block, const char* name) {
  const auto it = block.types.find(name);
  return it == block.types.end() ? nullptr : it->second;
}

// "src/shop.cpp:42#span_begin": place and kind.
void take_uri(const std::string& uri, EventClass& out) {
  std::string_view rest = uri;
  const std::pair<std::string_view, abi::EventKind> fragments[] = {{"#span_begin", abi::EventKind::span_begin},
                                                                   {"#span_end", abi::EventKind::span_end},
                                                                   {"#counter", abi::EventKind::counter}};
  for (const auto& [fragment, kind] : fragments) {
    if (!rest.ends_with(fragment)) continue;
    out.kind = kind;
    rest.remove_suffix(fragment.size());
    break;
  }
  const std::size_t colon = rest.rfind(':');
  std::uint32_t line = 0;
  bool is_line = colon != std::string_view::npos && colon + 1 < rest.size() && rest.size() - colon <= 10;
  for (std::size_t i = colon + 1; is_line && i < rest.size(); ++i) {
    is_line = rest[i] >= '0' && rest[i] <= '9';
    line = line * 10 + static_cast<std::uint32_t>(rest[i] - '0');
  }
  out.file = rest.substr(0, is_line ? colon : rest.size());
  out.line = is_line ? line : 0;
}

std::uint64_t low_bits(std::uint32_t bits) { return ~std::uint64_t{0} >> (64 - bits); }

// {enum id : n bits, variant <id> {struct {stamp} compact; ...}}, see CompactHeader.
CompactHeader compact_shape(const Type* header) {
  if (header == nullptr || header->members.size() != 2) return {};
  const Type& id = *header->members[0].type;
  const Type& choice = *header->members[1].type;
  const auto is_plain = [](const Type& t) { return !t.is_signed && !t.plan.big_endian && !t.plan.reversed && t.plan.op != Plan::Op::leb128; };
  if ((id.kind != Kind::enumeration && id.kind != Kind::unsigned_integer) || !is_plain(id) || id.bits > 32 || id.plan.store != kIdSlot || id.plan.maps_clock) return {};
  if (choice.kind != Kind::variant || choice.plan.load != kIdSlot) return {};
  for (std::size_t i = 0; i < choice.labels.size(); ++i) {
    if (choice.labels[i].low != 0) continue;
    const Type& option = *choice.members[choice.plan.options[i]].type;
    if (option.kind != Kind::structure || option.members.size() != 1) return {};
    const Type& stamp = *option.members[0].type;
    if (stamp.kind != Kind::unsigned_integer || !is_plain(stamp) || !stamp.plan.maps_clock || stamp.plan.store >= 0) return {};
    const std::uint32_t align = std::max(option.align, stamp.align), at = (id.bits + align - 1) & ~(align - 1);
    if (align > header->align || at + stamp.bits > 64 || choice.labels[i].high >= std::uint64_t{1} << id.bits) return {};
    return {choice.labels[i].high + 1, low_bits(id.bits), low_bits(stamp.bits), header->align - 1, at, at + stamp.bits};
  }
  return {};
}

class Builder {
 public:
  explicit Builder(const doc::Document& document) : in_(document) {}

  Result<Metadata> run() {
    const std::string order = in_.is_ctf2 ? "le" : text(in_.trace, "byte_order");
    if (order != "le" && order != "be" && order != "network")
      return errorf(EINVAL, "metadata: trace has byte_order '%s', want le or be", order.c_str());
    if (const std::string uuid = text(in_.trace, "uuid"); !uuid.empty()) {
      out_.uuid = parse_uuid(uuid);
      if (!out_.uuid) return errorf(EINVAL, "metadata: trace has uuid '%s', want 32 hexadecimal digits", uuid.c_str());
    }
    out_.env = in_.env;
    if (Status ok = clocks(); !ok) return ok.error();
    Layout layout(in_, order != "le", out_.slots);
    std::string unused;
    Result<Field> header = layout.scope("trace.packet.header", type(in_.trace, "packet.header"), unused);
    if (!header) return header.error();
    out_.packet_header = std::move(*header);
    const std::size_t kept = layout.count();
    static const std::vector<doc::Block> only(1);  // what is not said of the stream need not be
    const std::vector<doc::Block>& streams = in_.streams.empty() && !in_.is_ctf2 ? only : in_.streams;
    for (const doc::Block& block : streams) {
      layout.drop(kept);
      if (Status ok = stream(layout, block, streams.size() == 1); !ok) return ok.error();
    }
    return std::move(out_);
  }

 private:
  Status clocks() {
    for (const doc::Block& block : in_.clocks) {
      Clock clock;
      clock.name = text(block, "name");
      clock.description = text(block, "description");
      clock.frequency = number(block, "freq", 1'000'000'000);
      clock.offset_s = static_cast<std::int64_t>(number(block, "offset_s", 0));
      clock.offset_ticks = static_cast<std::int64_t>(number(block, "offset", 0));
      clock.precision_ticks = number(block, "precision", 0);
      clock.accuracy_ticks = number(block, "accuracy", 0);
      clock.uid = text(block, "uuid");
      clock.origin = text(block, "origin");
      if (const std::string absolute = text(block, "absolute"); absolute == "true" || absolute == "TRUE" || absolute == "1") clock.origin = "unix-epoch";
      if (clock.frequency == 0) return errorf(EINVAL, "metadata line %u: clock has freq 0", block.line);
      clock_ids_.push_back(in_.is_ctf2 ? text(block, "id") : clock.name);
      out_.clocks.push_back(std::move(clock));
    }
    return Ok{};
  }

  // `is_only`: events that do not say of which stream they are are of this one.
  Status stream(Layout& layout, const doc::Block& block, bool is_only) {
    StreamClass stream;
    stream.id = number(block, "id", 0);
    if (out_.stream(stream.id) != nullptr)
      return errorf(EINVAL, "metadata line %u: stream %llu is declared twice", block.line,
                    static_cast<unsigned long long>(stream.id));
    std::string clock = text(block, "clock"), fallback_clock;
    Result<Field> packet = layout.scope("stream.packet.context", type(block, "packet.context"), fallback_clock);
    if (!packet) return packet.error();
    Result<Field> header = layout.scope("stream.event.header", type(block, "event.header"), clock);
    if (!header) return header.error();
    Result<Field> context = layout.scope("stream.event.context", type(block, "event.context"), clock);
    if (!context) return context.error();
    stream.packet_context = std::move(*packet);
    stream.event_header = std::move(*header);
    stream.event_context = std::move(*context);
    if (clock.empty()) clock = fallback_clock;
    for (std::size_t i = 0; i < clock_ids_.size(); ++i)
      if (clock_ids_[i] == clock) stream.clock = i;
    if (!clock.empty() && !stream.clock)
      return errorf(EINVAL, "metadata line %u: stream uses clock '%s', which is not declared", block.line,
                    clock.c_str());
    const std::size_t kept = layout.count();
    for (const doc::Block& event_block : in_.events) {
      if (number(event_block, "stream_id", is_only ? stream.id : 0) != stream.id) continue;
      layout.drop(kept);
      if (Status ok = event(layout, event_block, stream); !ok) return ok.error();
    }
    stream.compact = compact_shape(stream.event_header.type.get());  // events may have referred to what is in it
    stream.is_state = !stream.events.empty() &&
                      std::all_of(stream.events.begin(), stream.events.end(),
                                  [&](const auto& id_and_index) { return out_.events[id_and_index.second].is_state; });
    out_.streams.push_back(std::move(stream));
    return Ok{};
  }

  Status event(Layout& layout, const doc::Block& block, StreamClass& stream) {
    EventClass event;
    event.name = text(block, "name");
    event.id = number(block, "id", 0);
    event.stream_id = stream.id;
    const std::uint64_t level = number(block, "loglevel", ~std::uint64_t{0});
    event.level = level <= 1'000'000 ? static_cast<int>(level) : -1;
    if (const std::string uri = text(block, "model.emf.uri"); !uri.empty()) take_uri(uri, event);
    event.is_state = stream.id == 1 && is_ours() &&
                     (event.name == "ouro:process" || event.name == "ouro:thread" || event.name == "ouro:lost" ||
                      event.name == "ouro:left_out" || event.name == "ouro:stream");
    event.packet_context = stream.packet_context.type;
    event.stream_context = stream.event_context.type;
    if (stream.clock) event.clock = &out_.clocks[*stream.clock];
    std::string unused;
    Result<Field> context = layout.scope("event.context", type(block, "context"), unused);
    if (!context) return context.error();
    Result<Field> fields = layout.scope("event.fields", type(block, "fields"), unused);
    if (!fields) return fields.error();
    EventAlign align;
    if (context->type != nullptr) {
      event.has_context = true;
      event.context = context->type->members;
      align.context = context->type->align;
    }
    if (fields->type != nullptr) {
      event.has_fields = true;
      event.fields = fields->type->members;
      align.fields = fields->type->align;
    }
    out_.aligns.push_back(align);
    event.index = out_.events.size();
    if (!stream.events.emplace(event.id, event.index).second)
      return errorf(EINVAL, "metadata line %u: event id %llu of stream %llu is declared twice", block.line,
                    static_cast<unsigned long long>(event.id), static_cast<unsigned long long>(stream.id));
    out_.events.push_back(std::move(event));
    return Ok{};
  }

  bool is_ours() const {
    return std::any_of(in_.env.begin(), in_.env.end(),
                       [](const auto& pair) { return pair.first == "tracer_name" && pair.second == "ouro"; });
  }

  const doc::Document& in_;
  Metadata out_;
  std::vector<std::string> clock_ids_;  // by which streams know them
};

}  // namespace

const StreamClass* Metadata::stream(std::uint64_t id) const {
  for (const StreamClass& stream : streams)
    if (stream.id == id) return &stream;
  return nullptr;
}

Result<std::string> metadata_text_of(std::string_view file, std::string* trouble) {
  if (file.size() < 4) return errorf(EINVAL, "metadata: %zu bytes, want a text", file.size());
  const std::uint32_t magic = load32(file, 0, false);
  const bool swap = magic == __builtin_bswap32(kPacketMagic);
  if (magic != kPacketMagic && !swap) return std::string(file);
  std::string out;
  const auto end = [&](const Error& error) -> Result<std::string> {
    if (trouble == nullptr || out.empty()) return error;
    *trouble = error.text;
    return std::move(out);
  };
  for (std::size_t at = 0; at < file.size();) {
    if (file.size() - at < kMetadataPacketHeader) return end(errorf(EINVAL, "metadata byte %zu: packet is cut off", at));
    const std::uint32_t content = load32(file, at + 24, swap) / 8, packet = load32(file, at + 28, swap) / 8;
    const auto wrong = [&] { return errorf(EINVAL, "metadata byte %zu: packet of %u bytes with %u of content in a file of %zu", at, packet, content, file.size()); };
    if (load32(file, at, swap) != kPacketMagic || content < kMetadataPacketHeader || packet < content) return end(wrong());
    if (file[at + 32] != 0 || file[at + 33] != 0) return end(errorf(ENOTSUP, "metadata byte %zu: packet is compressed or encrypted, want plain text", at));
    out += file.substr(at + kMetadataPacketHeader, content - kMetadataPacketHeader);
    if (packet > file.size() - at) return end(wrong());
    at += packet;
  }
  return out;
}

Result<Metadata> parse_metadata(std::string_view text, std::string* trouble) {
  constexpr std::string_view opening = "/* CTF 1.";
  if (text.size() > kMaxText) return errorf(EFBIG, "metadata: %zu bytes, want at most %zu", text.size(), kMaxText);
  const bool is_ctf2 = !text.empty() && text[0] == doc::kRecordSeparator;
  if (!is_ctf2 && text.substr(0, opening.size()) != opening)
    return errorf(EINVAL, "metadata begins with '%.12s', want '/* CTF 1.8 */' or a record separator (is it a CTF trace?)", std::string(text.substr(0, 12)).c_str());
  Result<doc::Document> document = is_ctf2 ? doc::parse_ctf2(text, trouble) : doc::parse_tsdl(text, trouble);
  if (!document) return document.error();
  return Builder(*document).run();
}

}  // namespace ouro::read
