// export/ctf_tsdl.cpp -- metadata in CTF 1.8's language. Names get an underscore in front, which readers strip: so a field may be called
// like a keyword. What came from elsewhere never reaches the text unchecked.
#include <algorithm>
#include <cinttypes>

#include "base/textf.hpp"
#include "export/ctf_metadata.hpp"

namespace ouro::ctf {
namespace {

using base::textf;
using read::Field;
using read::Kind;
using read::Type;

// Octal escapes have three digits, so that a digit behind one cannot join it.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out += std::string("\\") + c;
    else if (byte < 0x20 || byte == 0x7f) out += textf("\\%03o", unsigned{byte});
    else out += c;
  }
  return out + '"';
}

bool is_identifier(const std::string& text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !text.empty() && is_letter(text.front()) && std::all_of(text.begin(), text.end(), [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

bool is_keyword(const std::string& text) {
  static const std::set<std::string> words{"align", "callsite", "char", "clock", "const", "double", "enum", "env", "event", "float", "floating_point", "int", "integer", "long",
                                           "short", "signed", "stream", "string", "struct", "trace", "typealias", "typedef", "unsigned", "variant", "void",
                                           "_Bool", "_Complex", "_Imaginary"};
  return words.count(text) != 0;
}

std::string identifier(const std::string& text) {
  std::string out;
  for (const char c : text) out += is_identifier(std::string("_") + c) ? c : '_';
  return out.empty() || (out[0] >= '0' && out[0] <= '9') ? "_" + out : out;
}

class TsdlPrinter : public MetadataPrinter {
 public:
  std::string fields(Places& places, Scope scope, std::span<const Field> fields) const override {
    places.open(scope);
    return fields.empty() ? "struct {\n  }" : structure(places, fields, 1, "    ");
  }

  std::string event(const read::EventClass& type, const std::string& context, const std::string& payload) const override {
    std::string out = "  name = " + quoted(type.name) + ";\n";
    if (type.level >= 0) out += textf("  loglevel = %d;\n", type.level);
    if (const std::string uri = place_uri(type); !uri.empty()) out += "  model.emf.uri = " + quoted(uri) + ";\n";
    if (!type.context.empty()) out += "  context := " + context + ";\n";
    return out + "  fields := " + payload + ";\n";
  }

  std::string whole(const MetadataParts& parts) const override {
    std::string out = "/* CTF 1.8 */\n\n";
    for (const char* name : {"8", "16", "32", "64"}) out += textf("typealias integer { size = %s; align = 8; signed = false; } := u%s;\n", name, name);
    out += "\ntrace {\n  major = 1;\n  minor = 8;\n  uuid = \"" + uuid_text(parts.uuid) + "\";\n  byte_order = le;\n";
    out += "  packet.header := struct {\n    u32 magic;\n    u8 uuid[16];\n    u32 stream_id;\n    u64 stream_instance_id;\n  };\n};\n\nenv {\n";
    std::set<std::string> taken;
    for (const auto& [name, value] : parts.env) {
      if (!taken.insert(identifier(name)).second) continue;
      const std::optional<std::int64_t> number = plain_number(value);
      out += "  " + identifier(name) + " = " + (number && *number != INT64_MIN ? value : quoted(value)) + ";\n";
    }
    out += "};\n\n";
    for (const MetadataClock& clock : parts.clocks) add_clock(out, clock);
    for (const MetadataStream& stream : parts.streams) add_stream(out, stream, parts.clocks[stream.clock].name);
    for (const MetadataStream& stream : parts.streams)
      for (std::size_t id = 0; id < stream.events.size(); ++id)
        out += textf("event {\n  id = %zu;\n  stream_id = %" PRIu64 ";\n", id, stream.id) + stream.events[id] + "};\n\n";
    return out;
  }

 private:
  // ---- types

  static std::string order(const Type& type) { return type.plan.big_endian ? " byte_order = be;" : ""; }

  static std::string integer(const Type& type, bool is_text) {
    return textf("integer { size = %u; align = %u; signed = %s; base = %u;", type.bits, type.align, type.is_signed ? "true" : "false", unsigned{type.base}) + order(type) +
           (is_text ? " encoding = UTF8; }" : " }");
  }

  static std::string number(std::uint64_t bits, bool is_signed) {
    return is_signed ? textf("%" PRId64, static_cast<std::int64_t>(bits)) : textf("%" PRIu64, bits);
  }

  static std::string enumeration(const Type& type) {
    std::string labels;
    for (const read::Label& label : type.labels) {
      labels += (labels.empty() ? "" : ", ") + quoted(label.text) + " = " + number(label.low, type.is_signed);
      if (label.high != label.low) labels += " ... " + number(label.high, type.is_signed);
    }
    return labels.empty() ? integer(type, false) : "enum : " + integer(type, false) + " { " + labels + " }";
  }

  static std::string floating_point(const Type& type) {
    return textf("floating_point { exp_dig = %d; mant_dig = %d; align = %u;", type.bits == 64 ? 11 : 8, type.bits == 64 ? 53 : 24, type.align) + order(type) + " }";
  }

  // Names that are free in their structure, with the underscore.
  static std::string free_name(std::set<std::string>& taken, const std::string& name) {
    std::string out = "_" + identifier(name);
    while (!taken.insert(out).second) out += "_";
    return out;
  }

  static std::string structure(Places& places, std::span<const Field> fields, std::uint32_t align, const std::string& indent) {
    std::string out = "struct {\n";
    std::set<std::string> taken;
    std::uint32_t members = 1;
    for (const Field& field : fields) {
      members = std::max(members, field.type->align);
      out += indent + member(places, field, free_name(taken, field.name), Step::Kind::member, indent);
    }
    out += indent.substr(2) + "}";
    if (align > members) out += textf(" align(%u)", align);
    return out;
  }

  static std::string member(Places& places, const Field& field, const std::string& name, Step::Kind step, const std::string& indent) {
    places.enter(step, name);
    std::string lengths;
    std::string type = printed(places, *field.type, lengths, indent);
    places.leave();
    return type + " " + name + lengths + ";\n";
  }

  // `lengths`: what stands behind the name. An array's own first: the last one is the innermost.
  static std::string printed(Places& places, const Type& type, std::string& lengths, const std::string& indent) {
    places.keep(type);
    switch (type.kind) {
      case Kind::unsigned_integer:
      case Kind::signed_integer: return integer(type, false);
      case Kind::enumeration: return enumeration(type);
      case Kind::floating_point:
        if (type.bits != 32 && type.bits != 64) places.trouble = textf("is a number of %u bits with a point", type.bits);
        return floating_point(type);
      case Kind::string: return text(places, type, lengths);
      case Kind::structure: return structure(places, type.members, type.align, indent + "  ");
      case Kind::variant: return variant(places, type, indent + "  ");
      case Kind::array: {
        lengths += length(places, type);
        places.enter(Step::Kind::element, "");
        std::string out = printed(places, *type.members[0].type, lengths, indent);
        places.leave();
        return out;
      }
      default: places.trouble = "is of a kind that CTF 1.8 does not have"; return "string";
    }
  }

  static std::string text(Places& places, const Type& type, std::string& lengths) {
    if (type.plan.op == read::Plan::Op::string) return "string { encoding = UTF8; }";
    lengths += length(places, type);
    return type.members.empty() ? "integer { size = 8; align = 8; signed = false; encoding = UTF8; }" : integer(*type.members[0].type, true);
  }

  static std::string length(Places& places, const Type& type) {
    return type.is_sequence ? "[ " + reference(places, type.plan.load) + " ]" : textf("[%" PRIu64 "]", type.count);
  }

  static std::string variant(Places& places, const Type& type, const std::string& indent) {
    std::string out = "variant <" + reference(places, type.plan.load) + "> {\n";
    std::set<std::string> taken;
    for (std::size_t i = 0; i < type.members.size(); ++i) {
      // An option is called as the tag's label that selects it, which may have its own underscore or none.
      std::string name;
      for (std::size_t l = 0; l < type.labels.size() && name.empty(); ++l)
        if (type.plan.options[l] == i) name = type.labels[l].text;
      if (!is_identifier(name) || is_keyword(name)) name = "_" + identifier(type.members[i].name);
      if (!taken.insert(name).second) continue;
      out += indent + member(places, type.members[i], name, Step::Kind::option, indent);
    }
    return out + indent.substr(2) + "}";
  }

  // From the structure that both are in, or from the scope's name.
  static std::string reference(Places& places, std::int32_t slot) {
    static constexpr const char* names[] = {"stream.event.context", "event.context", "event.fields"};
    const Place* const there = places.of(slot);
    if (there == nullptr) {
      places.trouble = "has a length or a tag that stands in the header of its event or packet";
      return "_";
    }
    const Place& here = places.here();
    std::size_t common = 0;
    if (there->scope == here.scope)
      while (common + 1 < there->path.size() && common < here.path.size() && there->path[common] == here.path[common]) ++common;
    std::string out = there->scope == here.scope ? "" : names[static_cast<std::size_t>(there->scope)];
    for (std::size_t i = common; i < there->path.size(); ++i) {
      const Step& step = there->path[i];
      if (step.kind != Step::Kind::member && !(step.kind == Step::Kind::option && i + 1 == there->path.size())) places.trouble = "has a length or a tag inside another array or variant";
      out += (out.empty() ? "" : ".") + step.name;
    }
    return out;
  }

  // ---- the trace

  static void add_clock(std::string& out, const MetadataClock& in) {
    const read::Clock& clock = in.clock;
    out += "clock {\n  name = " + in.name + ";\n";
    if (!clock.description.empty()) out += "  description = " + quoted(clock.description) + ";\n";
    out += textf("  freq = %" PRIu64 ";\n  precision = %" PRIu64 ";\n  offset_s = %" PRId64 ";\n  offset = %" PRId64 ";\n  absolute = true;\n};\n\n", clock.frequency, clock.precision_ticks,
                 clock.offset_s, clock.offset_ticks);
  }

  // babeltrace2 warns of header fields without a meaning: so the word that has none is mapped to the clock, and replaced by what follows.
  static void add_stream(std::string& out, const MetadataStream& stream, const std::string& clock) {
    const auto stamp = [&](unsigned bits, unsigned align) { return textf("integer { size = %u; align = %u; signed = false; map = clock.%s.value; }", bits, align, clock.c_str()); };
    out += textf("stream {\n  id = %" PRIu64 ";\n  packet.context := struct {\n", stream.id);
    for (const char* name : {"timestamp_begin", "timestamp_end"}) out += "    " + stamp(64, 8) + " " + name + ";\n";
    for (const char* name : {"content_size", "packet_size", "packet_seq_num", "events_discarded"}) out += textf("    u64 %s;\n", name);
    if (stream.has_cpu) out += "    u32 cpu_id;\n";
    out += textf("  };\n  event.header := struct {\n    enum : integer { size = %u; align = 1; signed = false; } { compact = 0 ... %u, extended = %u } id;\n", kIdBits, kCompactIds - 1, kCompactIds);
    out += "    variant <id> {\n      struct {\n        " + stamp(kStampBits, 1) + " timestamp;\n      } compact;\n      struct {\n        " + stamp(kStampBits, 1) +
           " ignored;\n        integer { size = 32; align = 1; signed = false; } id;\n        " + stamp(64, 1) + " timestamp;\n      } extended;\n    } v;\n  } align(8);\n";
    if (!stream.context.empty()) out += "  event.context := " + stream.context + ";\n";
    out += "};\n\n";
  }
};

}  // namespace

std::unique_ptr<MetadataPrinter> make_tsdl_printer() { return std::make_unique<TsdlPrinter>(); }

std::string uuid_text(const std::array<std::uint8_t, 16>& uuid) {
  std::string out;
  for (std::size_t i = 0; i < uuid.size(); ++i) out += textf(i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", unsigned{uuid[i]});
  return out;
}

std::string place_uri(const read::EventClass& type) {
  static constexpr const char* fragments[] = {"", "#span_begin", "#span_end", "#counter"};
  if (type.file.empty() && type.kind == abi::EventKind::point) return "";
  const std::string line = type.line != 0 || type.file.empty() ? ":" + std::to_string(type.line) : "";
  return type.file + line + fragments[static_cast<std::size_t>(type.kind)];
}

std::optional<std::int64_t> plain_number(const std::string& text) {
  if (text.empty() || text.size() > 18) return std::nullopt;
  const std::size_t sign = text[0] == '-' ? 1 : 0;
  if (text.find_first_not_of("0123456789", sign) != std::string::npos || text.size() == sign || (text[sign] == '0' && text.size() > 1)) return std::nullopt;
  return std::stoll(text);
}

}  // namespace ouro::ctf
