// read/ctf2_parser.cpp -- CTF 2's metadata to a Document: fragments of JSON, each behind a record separator.
//
//   metadata := (RS fragment LF)*          the first is the preamble
//   fragment := preamble | field-class-alias | trace-class | clock-class | data-stream-class | event-record-class
//
// Names are those of the specification (CTF2-SPEC-2.0). Attributes are looked at for what LTTng and babeltrace keep there, and change nothing of
// the decoding; an extension may change all of it, so none is accepted.
#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <optional>
#include <set>

#include "base/textf.hpp"
#include "read/document.hpp"
#include "read/json.hpp"

namespace ouro::read::doc {
namespace {

using base::textf;

constexpr std::size_t kMaxClasses = 1 << 20;

// Thrown and caught in this file alone.
struct Failure {
  Error error;
};

// What an object may hold is asked for by name; where in the fragment it stands is kept for messages.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Document& document() { return document_; }
  void run() {
    document_.is_ctf2 = true;
    std::size_t at = 0;
    while (at < text_.size()) {
      const std::size_t begin = text_.find_first_not_of(" \t\r\n", at);
      if (begin == std::string_view::npos) break;
      count_lines(at, begin);
      if (text_[begin] != kRecordSeparator) fail(textf("byte 0x%02x, want a record separator (0x1e) ahead of each fragment", static_cast<unsigned char>(text_[begin])));
      at = std::min(text_.find(kRecordSeparator, begin + 1), text_.size());
      const std::string_view body = text_.substr(begin + 1, at - begin - 1);
      if (body.find_first_not_of(" \t\r\n") != std::string_view::npos) parse_fragment(body);
      count_lines(begin, at);
    }
    if (!seen_preamble_) fail("no fragment, want a preamble");
  }

 private:
  // ---- messages

  [[noreturn]] void fail(const std::string& what) const { fail(EINVAL, what); }
  [[noreturn]] void fail(int code, const std::string& what) const {
    std::string text = textf("metadata line %u", line_);
    if (!fragment_.empty()) text += ", " + fragment_;
    for (std::size_t i = 0; i < place_.size(); ++i) text += (i == 0 ? ": " : place_[i][0] == '[' ? "" : ".") + place_[i];
    text += ": " + what;
    throw Failure{errorf(code, "%s", base::printable(text).c_str())};
  }
  static std::string quoted(const std::string& text) { return "'" + text.substr(0, 60) + "'"; }
  void count_lines(std::size_t from, std::size_t to) { line_ += static_cast<std::uint32_t>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(from), text_.begin() + static_cast<std::ptrdiff_t>(to), '\n')); }

  struct Inside {
    Inside(Parser& p, std::string name) : parser(p) { parser.place_.push_back(std::move(name)); }
    ~Inside() { parser.place_.pop_back(); }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    Parser& parser;
  };

  // ---- properties

  const Json& expect(const Json& json, Json::Kind kind, const char* wanted) const {
    if (json.kind != kind) fail(std::string(json.kind_name()) + ", want " + wanted);
    return json;
  }
  const Json& required(const Json& object, const char* name) const {
    const Json* const found = object.find(name);
    if (found == nullptr) fail(std::string("has no ") + quoted(name));
    return *found;
  }
  std::string text(const Json& object, const char* name, const char* missing) {
    const Json* const found = object.find(name);
    if (found == nullptr) return missing;
    const Inside inside(*this, name);
    return expect(*found, Json::Kind::text, "a string").text;
  }
  std::string required_text(const Json& object, const char* name) {
    required(object, name);
    return text(object, name, "");
  }
  std::uint64_t natural(const Json& json, std::uint64_t least = 0) const {
    expect(json, Json::Kind::integer, "an integer");
    if (json.is_negative || json.bits < least) fail(textf("%s, want at least %" PRIu64, integer_text(json).c_str(), least));
    return json.bits;
  }
  std::uint64_t natural(const Json& object, const char* name, std::optional<std::uint64_t> missing, std::uint64_t least = 0) {
    const Json* const found = object.find(name);
    if (found == nullptr && missing) return *missing;
    const Json& json = required(object, name);
    const Inside inside(*this, name);
    return natural(json, least);
  }
  static std::string integer_text(const Json& json) {
    return json.is_negative ? std::to_string(static_cast<std::int64_t>(json.bits)) : std::to_string(json.bits);
  }
  std::uint64_t alignment(const Json& object, const char* name) {
    const std::uint64_t bits = natural(object, name, 1, 1);
    const Inside inside(*this, name);
    if ((bits & (bits - 1)) != 0 || bits > kMaxAlign) fail(textf("%" PRIu64 ", want a power of two up to 2^30", bits));
    return bits;
  }

  // {NAMESPACE: {NAME: anything}}
  void refuse_extensions(const Json& object) {
    const Json* const all = object.find("extensions");
    if (all == nullptr) return;
    const Inside inside(*this, "extensions");
    std::string names;
    expect(*all, Json::Kind::object, "an object");
    for (std::size_t i = 0; i < all->items.size(); ++i)
      for (const std::string& name : expect(all->items[i], Json::Kind::object, "an object for each namespace").names)
        names.append(names.empty() ? "" : ", ").append(all->names[i]).append("/").append(name);
    if (!names.empty()) fail(ENOTSUP, names + ", want no extension: none is known here, and each may change how all is decoded");
  }

  // ---- fragments

  void parse_fragment(std::string_view body) {
    fragment_.clear();
    const Result<Json> json = parse_json(body);
    if (!json) fail(json.error().text);
    expect(*json, Json::Kind::object, "an object");
    const std::string type = required_text(*json, "type");
    fragment_ = type;
    static constexpr std::pair<const char*, void (Parser::*)(const Json&)> kinds[] = {
        {"preamble", &Parser::preamble},          {"field-class-alias", &Parser::alias},          {"trace-class", &Parser::trace_class},
        {"clock-class", &Parser::clock_class},    {"data-stream-class", &Parser::stream_class},   {"event-record-class", &Parser::event_class}};
    const auto kind = std::find_if(std::begin(kinds), std::end(kinds), [&](const auto& k) { return type == k.first; });
    if (kind == std::end(kinds)) fail(quoted(type) + " is no fragment of CTF 2");
    if ((type == "preamble") == seen_preamble_) fail(seen_preamble_ ? "second preamble, want one" : "first fragment, want a preamble");
    refuse_extensions(*json);
    (this->*kind->second)(*json);
  }

  void preamble(const Json& json) {
    if (const std::uint64_t version = natural(json, "version", std::nullopt); version != 2) fail(ENOTSUP, textf("version is %" PRIu64 ", want 2", version));
    seen_preamble_ = true;
    const Json* const uuid = json.find("uuid");
    if (uuid == nullptr) return;
    const Inside inside(*this, "uuid");
    std::string digits;
    for (const Json& byte : expect(*uuid, Json::Kind::array, "an array").items) {
      if (natural(byte) > 255) fail(integer_text(byte) + ", want bytes");
      digits += textf("%02x", static_cast<unsigned>(byte.bits));
    }
    if (digits.size() != 32) fail(textf("%zu bytes, want 16", digits.size() / 2));
    set_text(document_.trace, "uuid", digits);
  }

  void alias(const Json& json) {
    const std::string name = required_text(json, "name");
    if (!aliases_.emplace(name, member_class(json, "field-class", true)).second) fail("name " + quoted(name) + " is taken by another alias");
  }

  void trace_class(const Json& json) {
    if (seen_trace_) fail("second trace class, want one");
    if (!document_.streams.empty()) fail("trace class behind a data stream class, want it ahead");
    seen_trace_ = true;
    for (const char* name : {"namespace", "name", "uid"}) set_text(document_.trace, name, text(json, name, ""));
    scope(json, "packet-header-field-class", document_.trace, "packet.header");
    const Json* const env = json.find("environment");
    if (env == nullptr) return;
    const Inside inside(*this, "environment");
    expect(*env, Json::Kind::object, "an object");
    for (std::size_t i = 0; i < env->items.size(); ++i) {
      const Inside entry(*this, env->names[i].empty() ? "''" : env->names[i]);
      const Json& value = env->items[i];
      if (value.kind != Json::Kind::integer) expect(value, Json::Kind::text, "an integer or a string");
      document_.env.emplace_back(env->names[i], value.kind == Json::Kind::integer ? integer_text(value) : value.text);
    }
  }

  void clock_class(const Json& json) {
    Block block;
    block.line = line_;
    const std::string id = required_text(json, "id");
    if (has_clock(id)) fail("id " + quoted(id) + " is taken by another clock class");
    set_text(block, "id", id);
    set_text(block, "name", text(json, "name", id.c_str()));
    for (const char* name : {"namespace", "description"}) set_text(block, name, text(json, name, ""));
    set_text(block, "uuid", text(json, "uid", ""));
    const std::uint64_t frequency = natural(json, "frequency", std::nullopt, 1);
    set_number(block, "freq", frequency);
    set_number(block, "precision", natural(json, "precision", 0));
    set_number(block, "accuracy", natural(json, "accuracy", 0));
    if (const Json* const origin = json.find("origin")) set_text(block, "origin", clock_origin(*origin));
    if (const Json* const offset = json.find("offset-from-origin")) {
      const Inside inside(*this, "offset-from-origin");
      expect(*offset, Json::Kind::object, "an object");
      if (const Json* const seconds = offset->find("seconds")) {
        const Inside place(*this, "seconds");
        expect(*seconds, Json::Kind::integer, "an integer");
        if (!seconds->is_negative && seconds->bits > INT64_MAX) fail(integer_text(*seconds) + ", want a signed number of 64 bits");
        set_number(block, "offset_s", seconds->bits);
      }
      const std::uint64_t cycles = natural(*offset, "cycles", 0);
      if (cycles >= frequency) fail(textf("cycles are %" PRIu64 ", want less than the frequency, %" PRIu64, cycles, frequency));
      set_number(block, "offset", cycles);
    }
    document_.clocks.push_back(std::move(block));
  }

  std::string clock_origin(const Json& json) {
    const Inside inside(*this, "origin");
    if (json.kind == Json::Kind::text) {
      if (json.text != "unix-epoch") fail(quoted(json.text) + ", want 'unix-epoch' or an object");
      return json.text;
    }
    expect(json, Json::Kind::object, "'unix-epoch' or an object");
    return text(json, "namespace", "") + "/" + required_text(json, "name") + "/" + required_text(json, "uid");
  }

  bool has_clock(const std::string& id) const {
    return std::any_of(document_.clocks.begin(), document_.clocks.end(), [&](const Block& clock) { return clock.values.at("id").text == id; });
  }

  void stream_class(const Json& json) {
    Block block;
    block.line = line_;
    const std::uint64_t id = natural(json, "id", 0);
    if (!stream_ids_.insert(id).second) fail(textf("id %" PRIu64 " is taken by another data stream class", id));
    set_number(block, "id", id);
    if (json.find("default-clock-class-id") != nullptr) {
      const std::string clock = text(json, "default-clock-class-id", "");
      if (!has_clock(clock)) fail("default-clock-class-id is " + quoted(clock) + ", which no clock class before has");
      set_text(block, "clock", clock);
    }
    scope(json, "packet-context-field-class", block, "packet.context");
    scope(json, "event-record-header-field-class", block, "event.header");
    scope(json, "event-record-common-context-field-class", block, "event.context");
    document_.streams.push_back(std::move(block));
  }

  void event_class(const Json& json) {
    Block block;
    block.line = line_;
    const std::uint64_t stream = natural(json, "data-stream-class-id", 0);
    if (stream_ids_.count(stream) == 0) fail(textf("data-stream-class-id is %" PRIu64 ", which no data stream class before has", stream));
    set_number(block, "id", natural(json, "id", 0));
    set_number(block, "stream_id", stream);
    set_text(block, "name", text(json, "name", ""));
    scope(json, "specific-context-field-class", block, "context");
    scope(json, "payload-field-class", block, "fields");
    if (const Json* const attributes = json.find("attributes"))
      for (const char* name : {"lttng.org,2009", "babeltrace.org,2020"})
        if (const Json* const own = attributes->find(name)) tracer_attributes(*own, block);
    document_.events.push_back(std::move(block));
  }

  // What CTF 1.8 has values for, and CTF 2 leaves to tracers. Nothing here is an error: attributes never are.
  static void tracer_attributes(const Json& json, Block& out) {
    static constexpr const char* levels[] = {"emergency",     "alert",         "critical",     "error",      "warning",        "notice",     "info", "debug:system",
                                             "debug:program", "debug:process", "debug:module", "debug:unit", "debug:function", "debug:line", "debug"};
    if (const Json* const uri = json.find("emf-uri"); uri != nullptr && uri->kind == Json::Kind::text) set_text(out, "model.emf.uri", uri->text);
    const Json* const level = json.find("log-level");
    if (level == nullptr) return;
    if (level->kind == Json::Kind::integer) set_number(out, "loglevel", level->bits);
    for (std::size_t i = 0; i < std::size(levels); ++i)
      if (level->kind == Json::Kind::text && level->text == levels[i]) set_number(out, "loglevel", i);
  }

  static void set_text(Block& block, const char* name, const std::string& text) { block.values[name] = Value{true, text, 0}; }
  static void set_number(Block& block, const char* name, std::uint64_t bits) { block.values[name] = Value{false, std::to_string(bits), bits}; }

  void scope(const Json& json, const char* name, Block& out, const char* scope_name) {
    const SpecPtr spec = member_class(json, name, false);
    if (spec == nullptr) return;
    const Inside inside(*this, name);
    if (spec->kind != Spec::Kind::structure) fail("is no structure");
    out.types[scope_name] = spec;
  }

  // ---- field classes

  using Made = std::shared_ptr<Spec>;

  // The property's class, or that of the alias it names. Null only if it may be missing and is.
  SpecPtr member_class(const Json& object, const char* name, bool is_required) {
    if (!is_required && object.find(name) == nullptr) return nullptr;
    const Json& json = required(object, name);
    const Inside inside(*this, name);
    if (json.kind != Json::Kind::text) return field_class(json);
    const auto alias = aliases_.find(json.text);
    if (alias == aliases_.end()) fail(quoted(json.text) + " is no alias declared before");
    return alias->second;
  }

  SpecPtr field_class(const Json& json) {
    if (++classes_ > kMaxClasses) fail("more than 1048576 field classes");
    expect(json, Json::Kind::object, "a field class or an alias");
    refuse_extensions(json);
    const std::string type = required_text(json, "type");
    auto out = std::make_shared<Spec>();
    out->line = line_;
    if (type == "fixed-length-bit-array") return bits(json, out, Spec::Kind::bit_array);
    if (type == "fixed-length-bit-map") return bit_map(json, out);
    if (type == "fixed-length-boolean") return bits(json, out, Spec::Kind::boolean);
    if (type == "fixed-length-unsigned-integer" || type == "fixed-length-signed-integer") return integer(json, bits(json, out, Spec::Kind::integer), type == "fixed-length-signed-integer");
    if (type == "fixed-length-floating-point-number") return floating_point(json, out);
    if (type == "variable-length-unsigned-integer" || type == "variable-length-signed-integer") return variable(json, out, type == "variable-length-signed-integer");
    if (type == "null-terminated-string" || type == "static-length-string" || type == "dynamic-length-string") return string(json, out, type);
    if (type == "static-length-blob" || type == "dynamic-length-blob") return blob(json, out, type == "dynamic-length-blob");
    if (type == "structure") return structure(json, out);
    if (type == "static-length-array" || type == "dynamic-length-array") return array(json, out, type == "dynamic-length-array");
    if (type == "optional") return optional(json, out);
    if (type == "variant") return variant(json, out);
    fail(quoted(type) + " is no type of field class");
  }

  // Aliases nest without any nesting of braces: so depth is counted in the classes as well.
  void contain(Spec& outer, const Spec& inner) const {
    outer.depth = std::max(outer.depth, inner.depth + 1);
    if (outer.depth > kMaxDepth) fail(textf("field classes nested more deeply than %u levels", kMaxDepth));
  }

  Made bits(const Json& json, Made out, Spec::Kind kind) {
    out->kind = kind;
    out->bits = natural(json, "length", std::nullopt, 1);
    const std::string order = required_text(json, "byte-order");
    if (order != "little-endian" && order != "big-endian") fail("byte-order is " + quoted(order) + ", want 'little-endian' or 'big-endian'");
    out->order = order == "big-endian" ? ByteOrder::big : ByteOrder::little;
    const char* const natural_order = order == "big-endian" ? "last-to-first" : "first-to-last";
    const std::string bit_order = text(json, "bit-order", natural_order);
    if (bit_order != "first-to-last" && bit_order != "last-to-first") fail("bit-order is " + quoted(bit_order) + ", want 'first-to-last' or 'last-to-first'");
    out->is_reversed = bit_order != natural_order;
    out->align = alignment(json, "alignment");
    out->base = kind == Spec::Kind::bit_array || kind == Spec::Kind::bit_map ? 16 : 10;
    if (kind != Spec::Kind::floating_point && out->bits > 64) fail(ENOTSUP, textf("length is %" PRIu64 " bits, want at most 64", out->bits));
    return out;
  }

  Made floating_point(const Json& json, Made out) {
    bits(json, out, Spec::Kind::floating_point);
    if (out->bits != 16 && out->bits != 32 && out->bits != 64) {
      const bool is_valid = out->bits >= 128 && out->bits % 32 == 0;
      fail(is_valid ? ENOTSUP : EINVAL, textf("length is %" PRIu64 " bits, want 16, 32 or 64", out->bits));
    }
    out->is_signed = true;
    return out;
  }

  SpecPtr bit_map(const Json& json, Made out) {
    bits(json, out, Spec::Kind::bit_map);
    const Json& flags = required(json, "flags");
    const Inside inside(*this, "flags");
    named_ranges(flags, out->labels);
    for (const Range& flag : out->labels)
      if (flag.low_is_negative || flag.high >= out->bits) fail(quoted(flag.text) + textf(" names bits beyond the %" PRIu64 " there are", out->bits));
    return out;
  }

  SpecPtr variable(const Json& json, Made out, bool is_signed) {
    out->kind = Spec::Kind::integer;
    out->is_variable = true;
    out->bits = 64;
    out->align = 8;
    return integer(json, out, is_signed);
  }

  SpecPtr integer(const Json& json, Made out, bool is_signed) {
    out->is_signed = is_signed;
    const std::uint64_t base = natural(json, "preferred-display-base", 10);
    if (base != 2 && base != 8 && base != 10 && base != 16) fail(textf("preferred-display-base is %" PRIu64 ", want 2, 8, 10 or 16", base));
    out->base = static_cast<std::uint8_t>(base);
    if (!is_signed) out->roles = roles(json);
    const Json* const mappings = json.find("mappings");
    if (mappings == nullptr || mappings->items.empty()) return out;
    auto labelled = std::make_shared<Spec>();
    labelled->kind = Spec::Kind::enumeration;
    labelled->line = line_;
    labelled->element = out;
    const Inside inside(*this, "mappings");
    named_ranges(*mappings, labelled->labels);
    return labelled;
  }

  // Only those of the scope are kept when it is laid out. Names that are not known mean nothing for the decoding.
  std::uint16_t roles(const Json& json) {
    static constexpr std::pair<const char*, Role> names[] = {{"packet-magic-number", kMagic},
                                                             {"metadata-stream-uuid", kUuid},
                                                             {"data-stream-class-id", kStreamClassId},
                                                             {"data-stream-id", kStreamId},
                                                             {"default-clock-timestamp", kTimestamp},
                                                             {"packet-end-default-clock-timestamp", kPacketEnd},
                                                             {"packet-total-length", kPacketSize},
                                                             {"packet-content-length", kContentSize},
                                                             {"packet-sequence-number", kSequenceNumber},
                                                             {"discarded-event-record-counter-snapshot", kDiscarded},
                                                             {"event-record-class-id", kEventId}};
    unsigned out = 0;
    const Json* const roles = json.find("roles");
    if (roles == nullptr) return 0;
    const Inside inside(*this, "roles");
    for (const Json& role : expect(*roles, Json::Kind::array, "an array").items)
      for (const auto& [name, bit] : names)
        if (expect(role, Json::Kind::text, "strings").text == name) out |= bit;
    return static_cast<std::uint16_t>(out);
  }

  // {NAME: [[LOW, HIGH], ...], ...}
  void named_ranges(const Json& json, std::vector<Range>& out) {
    expect(json, Json::Kind::object, "an object");
    if (json.items.empty()) fail("is empty, want one name or more");
    for (std::size_t i = 0; i < json.items.size(); ++i) ranges(json.items[i], json.names[i], 0, out);
  }

  void ranges(const Json& json, const std::string& name, std::size_t option, std::vector<Range>& out) {
    expect(json, Json::Kind::array, "an array of ranges");
    if (json.items.empty()) fail("is empty, want one range or more");
    for (const Json& pair : json.items) {
      if (expect(pair, Json::Kind::array, "ranges of two integers").items.size() != 2) fail(textf("range has %zu elements, want 2", pair.items.size()));
      const Json &low = expect(pair.items[0], Json::Kind::integer, "integers"), &high = expect(pair.items[1], Json::Kind::integer, "integers");
      const bool descends = low.is_negative != high.is_negative ? high.is_negative
                            : low.is_negative ? static_cast<std::int64_t>(low.bits) > static_cast<std::int64_t>(high.bits)
                                              : low.bits > high.bits;
      if (descends) fail("range goes from " + integer_text(low) + " down to " + integer_text(high));
      out.push_back({name, low.bits, high.bits, low.is_negative, high.is_negative, option});
    }
  }

  SpecPtr string(const Json& json, Made out, const std::string& type) {
    out->kind = type == "null-terminated-string" ? Spec::Kind::string : Spec::Kind::text;
    static constexpr std::pair<const char*, Encoding> encodings[] = {
        {"utf-8", Encoding::utf8}, {"utf-16le", Encoding::utf16le}, {"utf-16be", Encoding::utf16be}, {"utf-32le", Encoding::utf32le}, {"utf-32be", Encoding::utf32be}};
    const std::string name = text(json, "encoding", "utf-8");
    const auto encoding = std::find_if(std::begin(encodings), std::end(encodings), [&](const auto& e) { return name == e.first; });
    if (encoding == std::end(encodings)) fail("encoding is " + quoted(name) + ", want utf-8, utf-16le, utf-16be, utf-32le or utf-32be");
    out->encoding = encoding->second;
    if (type == "static-length-string") out->count = natural(json, "length", std::nullopt);
    if (type == "dynamic-length-string") out->from = location(json, "length-field-location");
    return out;
  }

  SpecPtr blob(const Json& json, Made out, bool is_dynamic) {
    out->kind = Spec::Kind::blob;
    out->media_type = text(json, "media-type", "application/octet-stream");
    if (is_dynamic)
      out->from = location(json, "length-field-location");
    else
      out->count = natural(json, "length", std::nullopt);
    out->roles = roles(json);
    return out;
  }

  SpecPtr structure(const Json& json, Made out) {
    out->kind = Spec::Kind::structure;
    out->align = alignment(json, "minimum-alignment");
    const Json* const members = json.find("member-classes");
    if (members == nullptr) return out;
    expect(*members, Json::Kind::array, "an array");
    std::set<std::string> names;
    for (std::size_t i = 0; i < members->items.size(); ++i) {
      const Inside inside(*this, textf("member-classes[%zu]", i));
      const Json& member = expect(members->items[i], Json::Kind::object, "an object");
      refuse_extensions(member);
      const std::string name = required_text(member, "name");
      if (!names.insert(name).second) fail("name " + quoted(name) + " is another member's, too");
      SpecPtr spec = member_class(member, "field-class", true);
      contain(*out, *spec);
      out->members.push_back({name, std::move(spec)});
    }
    return out;
  }

  SpecPtr array(const Json& json, Made out, bool is_dynamic) {
    out->kind = Spec::Kind::array;
    out->align = alignment(json, "minimum-alignment");
    out->element = member_class(json, "element-field-class", true);
    contain(*out, *out->element);
    if (is_dynamic)
      out->from = location(json, "length-field-location");
    else
      out->count = natural(json, "length", std::nullopt);
    return out;
  }

  SpecPtr optional(const Json& json, Made out) {
    out->kind = Spec::Kind::optional;
    out->element = member_class(json, "field-class", true);
    contain(*out, *out->element);
    out->from = location(json, "selector-field-location");
    if (const Json* const selecting = json.find("selector-field-ranges")) {
      const Inside inside(*this, "selector-field-ranges");
      ranges(*selecting, "", 0, out->labels);
    }
    return out;
  }

  SpecPtr variant(const Json& json, Made out) {
    out->kind = Spec::Kind::variant;
    out->from = location(json, "selector-field-location");
    const Json& options = expect(required(json, "options"), Json::Kind::array, "an array");
    if (options.items.empty()) fail("has no options, want one or more");
    std::set<std::string> names;
    for (std::size_t i = 0; i < options.items.size(); ++i) {
      const Inside inside(*this, textf("options[%zu]", i));
      const Json& option = expect(options.items[i], Json::Kind::object, "an object");
      refuse_extensions(option);
      const std::string name = text(option, "name", "");
      if (option.find("name") != nullptr && !names.insert(name).second) fail("name " + quoted(name) + " is another option's, too");
      SpecPtr spec = member_class(option, "field-class", true);
      contain(*out, *spec);
      out->members.push_back({name, std::move(spec)});
      const Json& selecting = required(option, "selector-field-ranges");
      const Inside place(*this, "selector-field-ranges");
      ranges(selecting, name, i, out->labels);
    }
    return out;
  }

  Reference location(const Json& object, const char* name) {
    static constexpr std::pair<const char*, const char*> origins[] = {
        {"packet-header", "trace.packet.header"},        {"packet-context", "stream.packet.context"},
        {"event-record-header", "stream.event.header"},  {"event-record-common-context", "stream.event.context"},
        {"event-record-specific-context", "event.context"}, {"event-record-payload", "event.fields"}};
    const Json& json = required(object, name);
    const Inside inside(*this, name);
    expect(json, Json::Kind::object, "an object");
    Reference out;
    out.is_exact = true;
    if (const std::string origin = text(json, "origin", ""); json.find("origin") != nullptr) {
      const auto it = std::find_if(std::begin(origins), std::end(origins), [&](const auto& o) { return origin == o.first; });
      if (it == std::end(origins)) fail("origin is " + quoted(origin) + ", want 'packet-header', 'packet-context', 'event-record-header', ...");
      out.scope = it->second;
    }
    for (const Json& step : expect(required(json, "path"), Json::Kind::array, "an array").items) {
      if (step.kind == Json::Kind::null)
        out.path.emplace_back();
      else
        out.path.emplace_back(expect(step, Json::Kind::text, "strings and nulls in the path").text);
    }
    if (out.path.empty() || !out.path.back()) fail("path does not end with a name");
    return out;
  }

  std::string_view text_;
  std::uint32_t line_ = 1;
  std::string fragment_;            // its type
  std::vector<std::string> place_;  // in the fragment
  bool seen_preamble_ = false, seen_trace_ = false;
  std::size_t classes_ = 0;
  std::map<std::string, SpecPtr, std::less<>> aliases_;
  std::set<std::uint64_t> stream_ids_;
  Document document_;
};

}  // namespace

Result<Document> parse_ctf2(std::string_view text, std::string* trouble) {
  Parser parser(text);
  try {
    parser.run();
  } catch (const Failure& failure) {
    if (trouble == nullptr || parser.document().streams.empty()) return failure.error;
    *trouble = failure.error.text;
  }
  return std::move(parser.document());
}

}  // namespace ouro::read::doc
