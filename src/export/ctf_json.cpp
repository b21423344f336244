// export/ctf_json.cpp -- metadata as CTF 2 has it: fragments of JSON, each behind a record separator. Names are those of CTF2-SPEC-2.0.
#include <nlohmann/json.hpp>

#include "export/ctf_metadata.hpp"

namespace ouro::ctf {
namespace {

using Json = nlohmann::ordered_json;
using read::Field;
using read::Kind;
using read::Type;

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json fixed(const char* type, std::uint32_t bits, std::uint32_t align, bool big_endian) {
  return {{"type", type}, {"length", bits}, {"byte-order", big_endian ? "big-endian" : "little-endian"}, {"alignment", align}};
}
Json unsigned_class(std::uint32_t bits, std::uint32_t align, const char* role = nullptr) {
  Json out = fixed("fixed-length-unsigned-integer", bits, align, false);
  if (role != nullptr) out["roles"] = {role};
  return out;
}
Json member(const std::string& name, Json type) { return {{"name", name}, {"field-class", std::move(type)}}; }

Json range(const read::Label& label, bool is_signed) {
  if (is_signed) return {static_cast<std::int64_t>(label.low), static_cast<std::int64_t>(label.high)};
  return {label.low, label.high};
}

class JsonPrinter : public MetadataPrinter {
 public:
  std::string fields(Places& places, Scope scope, std::span<const Field> fields) const override {
    places.open(scope);
    return text_of(structure(places, fields, 1));
  }

  // Without its braces: the ids come ahead of it.
  std::string event(const read::EventClass& type, const std::string& context, const std::string& payload) const override {
    static constexpr const char* levels[] = {"emergency",     "alert",         "critical",     "error",      "warning",        "notice",     "info", "debug:system",
                                             "debug:program", "debug:process", "debug:module", "debug:unit", "debug:function", "debug:line", "debug"};
    std::string out = "\"name\":" + text_of(type.name);
    Json attributes = Json::object();
    if (type.level >= 0) attributes["log-level"] = static_cast<std::size_t>(type.level) < std::size(levels) ? Json(levels[type.level]) : Json(type.level);
    if (const std::string uri = place_uri(type); !uri.empty()) attributes["emf-uri"] = uri;
    if (!attributes.empty()) out += ",\"attributes\":" + text_of(Json{{"babeltrace.org,2020", attributes}});
    if (!type.context.empty()) out += ",\"specific-context-field-class\":" + context;
    return out + ",\"payload-field-class\":" + payload;
  }

  std::string whole(const MetadataParts& parts) const override {
    std::string out = fragment(Json{{"type", "preamble"}, {"version", 2}, {"uuid", parts.uuid}});
    Json env = Json::object();
    for (const auto& [name, value] : parts.env)
      if (const std::optional<std::int64_t> number = plain_number(value); !env.contains(name)) env[name] = number ? Json(*number) : Json(value);
    const Json header = structure_of({member("magic", unsigned_class(32, 8, "packet-magic-number")),
                                      member("uuid", {{"type", "static-length-blob"}, {"length", 16}, {"roles", {"metadata-stream-uuid"}}}),
                                      member("stream_id", unsigned_class(32, 8, "data-stream-class-id")),
                                      member("stream_instance_id", unsigned_class(64, 8, "data-stream-id"))});
    out += fragment({{"type", "trace-class"}, {"environment", env}, {"packet-header-field-class", header}});
    for (const MetadataClock& clock : parts.clocks) out += fragment(clock_class(clock));
    for (const MetadataStream& stream : parts.streams) out += "\x1e" + stream_class(stream, parts.clocks[stream.clock].name) + "\n";
    for (const MetadataStream& stream : parts.streams)
      for (std::size_t id = 0; id < stream.events.size(); ++id)
        out += "\x1e{\"type\":\"event-record-class\",\"id\":" + std::to_string(id) + ",\"data-stream-class-id\":" + std::to_string(stream.id) + "," + stream.events[id] + "}\n";
    return out;
  }

 private:
  static std::string fragment(const Json& json) { return "\x1e" + text_of(json) + "\n"; }

  static Json structure_of(std::vector<Json> members) { return {{"type", "structure"}, {"member-classes", std::move(members)}}; }

  static Json structure(Places& places, std::span<const Field> fields, std::uint32_t align) {
    Json members = Json::array();
    std::set<std::string> taken;
    for (const Field& field : fields) {
      std::string name = field.name;
      while (!taken.insert(name).second) name += "_";
      places.enter(Step::Kind::member, name);
      members.push_back(member(name, printed(places, *field.type)));
      places.leave();
    }
    Json out{{"type", "structure"}, {"member-classes", members}};
    if (align > 1) out["minimum-alignment"] = align;
    return out;
  }

  static Json printed(Places& places, const Type& type) {
    places.keep(type);
    switch (type.kind) {
      case Kind::unsigned_integer:
      case Kind::signed_integer:
      case Kind::enumeration: return integer(type);
      case Kind::floating_point:
        return fixed("fixed-length-floating-point-number", type.bits, type.align, type.plan.big_endian);
      case Kind::string: return text(places, type);
      case Kind::structure: return structure(places, type.members, type.align);
      case Kind::variant: return variant(places, type);
      case Kind::array: return array(places, type);
      case Kind::boolean: return fixed("fixed-length-boolean", type.bits, type.align, type.plan.big_endian);
      case Kind::bit_array: return fixed("fixed-length-bit-array", type.bits, type.align, type.plan.big_endian);
      case Kind::bit_map: return bit_map(type);
      case Kind::blob: return blob(places, type);
      case Kind::optional: return optional(places, type);
    }
    return {};
  }

  static Json integer(const Type& type) {
    Json out = type.plan.op == read::Plan::Op::leb128
                   ? Json{{"type", type.is_signed ? "variable-length-signed-integer" : "variable-length-unsigned-integer"}}
                   : fixed(type.is_signed ? "fixed-length-signed-integer" : "fixed-length-unsigned-integer", type.bits, type.align, type.plan.big_endian);
    if (type.base != 10) out["preferred-display-base"] = type.base;
    for (const read::Label& label : type.labels) out["mappings"][label.text].push_back(range(label, type.is_signed));
    return out;
  }

  static Json bit_map(const Type& type) {
    Json out = fixed("fixed-length-bit-map", type.bits, type.align, type.plan.big_endian);
    out["flags"] = Json::object();
    for (const read::Label& flag : type.labels) out["flags"][flag.text].push_back({flag.low, flag.high});
    return out;
  }

  static Json blob(Places& places, const Type& type) {
    Json out = length(places, type, {{"type", type.is_sequence ? "dynamic-length-blob" : "static-length-blob"}});
    if (!type.media_type.empty()) out["media-type"] = type.media_type;
    return out;
  }

  // What it holds stands in its place: no step leads into it.
  static Json optional(Places& places, const Type& type) {
    Json out{{"type", "optional"}, {"selector-field-location", location(places, type.plan.load)}};
    if (!places.is_boolean(type.plan.load))
      for (const read::Label& selecting : type.labels) out["selector-field-ranges"].push_back(range(selecting, type.is_signed));
    out["field-class"] = printed(places, *type.members[0].type);
    return out;
  }

  static Json text(Places& places, const Type& type) {
    if (type.plan.op == read::Plan::Op::string) return {{"type", "null-terminated-string"}};
    return length(places, type, {{"type", type.is_sequence ? "dynamic-length-string" : "static-length-string"}});
  }

  static Json array(Places& places, const Type& type) {
    Json out = length(places, type, {{"type", type.is_sequence ? "dynamic-length-array" : "static-length-array"}});
    places.enter(Step::Kind::element, "");
    out["element-field-class"] = printed(places, *type.members[0].type);
    places.leave();
    return out;
  }

  static Json length(Places& places, const Type& type, Json out) {
    if (type.is_sequence) out["length-field-location"] = location(places, type.plan.load);
    else out["length"] = type.count;
    return out;
  }

  static Json variant(Places& places, const Type& type) {
    Json options = Json::array();
    std::set<std::string> taken;
    for (std::size_t i = 0; i < type.members.size(); ++i) {
      Json ranges = Json::array();
      for (std::size_t l = 0; l < type.labels.size(); ++l)
        if (type.plan.options[l] == i) ranges.push_back(range(type.labels[l], type.is_signed));
      if (ranges.empty()) continue;  // nothing selects it
      std::string name = type.members[i].name;
      while (!taken.insert(name).second) name += "_";
      places.enter(Step::Kind::option, name);
      options.push_back({{"name", name}, {"selector-field-ranges", ranges}, {"field-class", printed(places, *type.members[i].type)}});
      places.leave();
    }
    return {{"type", "variant"}, {"selector-field-location", location(places, type.plan.load)}, {"options", options}};
  }

  // From a scope; inside arrays, from the structure around: an element's own length is in the element.
  static Json location(Places& places, std::int32_t slot) {
    static constexpr const char* origins[] = {"event-record-common-context", "event-record-specific-context", "event-record-payload"};
    const Place* const there = places.of(slot);
    if (there == nullptr) {
      places.trouble = "has a length or a tag that stands in the header of its event or packet";
      return {};
    }
    const Place& here = places.here();
    Json path = Json::array();
    const bool from_scope = std::all_of(there->path.begin(), there->path.end(), [](const Step& step) { return step.kind == Step::Kind::member; });
    if (from_scope) {
      for (const Step& step : there->path) path.push_back(step.name);
      return {{"origin", origins[static_cast<std::size_t>(there->scope)]}, {"path", path}};
    }
    std::size_t common = 0;
    if (there->scope == here.scope)
      while (common + 1 < there->path.size() && common < here.path.size() && there->path[common] == here.path[common]) ++common;
    // A structure's step is its own name; what is inside the common one and around `here` is to be left. The last step here is the field itself.
    for (std::size_t i = common; i + 1 < here.path.size(); ++i)
      if (here.path[i + 1].kind == Step::Kind::member) path.push_back(nullptr);
    for (std::size_t i = common; i < there->path.size(); ++i) {
      if (there->path[i].kind != Step::Kind::member) places.trouble = "has a length or a tag inside another array or variant";
      path.push_back(there->path[i].name);
    }
    return {{"path", path}};
  }

  // ---- the trace

  static Json clock_class(const MetadataClock& in) {
    // The offset's ticks are less than a second in CTF 2.
    const auto frequency = static_cast<std::int64_t>(in.clock.frequency);
    std::int64_t seconds = in.clock.offset_ticks / frequency, ticks = in.clock.offset_ticks % frequency;
    if (ticks < 0) ticks += frequency, --seconds;
    Json out{{"type", "clock-class"},
             {"id", in.name},
             {"name", in.name},
             {"frequency", in.clock.frequency},
             {"origin", "unix-epoch"},
             {"precision", in.clock.precision_ticks},
             {"offset-from-origin", {{"seconds", in.clock.offset_s + seconds}, {"cycles", ticks}}}};
    if (!in.clock.description.empty()) out["description"] = in.clock.description;
    return out;
  }

  static std::string stream_class(const MetadataStream& stream, const std::string& clock) {
    const char* const now = "default-clock-timestamp";
    std::vector<Json> packet{member("timestamp_begin", unsigned_class(64, 8, now)), member("timestamp_end", unsigned_class(64, 8, "packet-end-default-clock-timestamp")),
                             member("content_size", unsigned_class(64, 8, "packet-content-length")), member("packet_size", unsigned_class(64, 8, "packet-total-length")),
                             member("packet_seq_num", unsigned_class(64, 8, "packet-sequence-number")),
                             member("events_discarded", unsigned_class(64, 8, "discarded-event-record-counter-snapshot"))};
    if (stream.has_cpu) packet.push_back(member("cpu_id", unsigned_class(32, 8)));
    Json id = unsigned_class(kIdBits, 1, "event-record-class-id");
    id["mappings"] = {{"compact", {{0, kCompactIds - 1}}}, {"extended", {{kCompactIds, kCompactIds}}}};
    const auto option = [](const char* name, std::uint32_t low, std::uint32_t high, Json type) {
      return Json{{"name", name}, {"selector-field-ranges", {{low, high}}}, {"field-class", std::move(type)}};
    };
    const Json variant{{"type", "variant"},
                       {"selector-field-location", {{"origin", "event-record-header"}, {"path", {"id"}}}},
                       {"options",
                        {option("compact", 0, kCompactIds - 1, structure_of({member("timestamp", unsigned_class(kStampBits, 1, now))})),
                         option("extended", kCompactIds, kCompactIds,
                                structure_of({member("ignored", unsigned_class(kStampBits, 1)), member("id", unsigned_class(32, 1, "event-record-class-id")),
                                              member("timestamp", unsigned_class(64, 1, now))}))}}};
    Json header = structure_of({member("id", id), member("v", variant)});
    header["minimum-alignment"] = 8;
    std::string out = text_of(Json{{"type", "data-stream-class"},
                                   {"id", stream.id},
                                   {"default-clock-class-id", clock},
                                   {"packet-context-field-class", structure_of(std::move(packet))},
                                   {"event-record-header-field-class", header}});
    if (!stream.context.empty()) out.insert(out.size() - 1, ",\"event-record-common-context-field-class\":" + stream.context);
    return out;
  }
};

}  // namespace

std::unique_ptr<MetadataPrinter> make_json_printer() { return std::make_unique<JsonPrinter>(); }

}  // namespace ouro::ctf
