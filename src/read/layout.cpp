// read/layout.cpp -- see the header. Every use of a declared type gets a copy of its own, because the slot that a
// member stores into belongs to that member; the number of copies is bounded, for names can multiply types.
#include "read/layout.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/textf.hpp"

namespace ouro::read {

using doc::Reference;
using doc::Spec;
using doc::SpecPtr;

namespace {

constexpr std::size_t kMaxNodes = 1 << 20;
constexpr std::size_t kMaxSlots = 1 << 16;
constexpr std::size_t kMaxShared = 1 << 12;
constexpr std::uint64_t kMaxSteps = 100'000'000;

struct Failure {
  Error error;
};

// Readers of CTF 1.8 drop one leading underscore: it is there so that a field may be called like a keyword.
std::string shown_name(const std::string& raw) { return raw.size() > 1 && raw[0] == '_' ? raw.substr(1) : raw; }

bool is_whole(std::uint64_t bits) { return bits == 8 || bits == 16 || bits == 32 || bits == 64; }

Plan::Op integer_op(std::uint64_t bits, std::uint32_t align, bool is_signed) {
  using Op = Plan::Op;
  if (!is_whole(bits) || align % 8 != 0) return Op::bits;
  switch (bits) {
    case 8: return is_signed ? Op::i8 : Op::u8;
    case 16: return is_signed ? Op::i16 : Op::u16;
    case 32: return is_signed ? Op::i32 : Op::u32;
    default: return is_signed ? Op::i64 : Op::u64;
  }
}

bool is_integer(Kind kind) { return kind == Kind::unsigned_integer || kind == Kind::signed_integer || kind == Kind::enumeration; }

// What an integer of that sign can be of a range; nothing if none of it.
std::optional<Label> fitted(const doc::Range& range, bool is_signed) {
  Label out{range.low, range.high, range.text};
  if (is_signed) {
    if (!range.low_is_negative && range.low > INT64_MAX) return std::nullopt;
    if (!range.high_is_negative && range.high > INT64_MAX) out.high = INT64_MAX;
  } else {
    if (range.high_is_negative) return std::nullopt;
    if (range.low_is_negative) out.low = 0;
  }
  const bool descends = is_signed ? static_cast<std::int64_t>(out.low) > static_cast<std::int64_t>(out.high) : out.low > out.high;
  if (descends) return std::nullopt;
  return out;
}

// What a member's name says in CTF 1.8.
std::uint16_t reserved(const std::string& scope, const std::string& name) {
  static constexpr struct {
    const char *scope, *name;
    doc::Role role;
  } names[] = {{"trace.packet.header", "magic", doc::kMagic},
               {"trace.packet.header", "uuid", doc::kUuid},
               {"trace.packet.header", "stream_id", doc::kStreamClassId},
               {"trace.packet.header", "stream_instance_id", doc::kStreamId},
               {"stream.packet.context", "timestamp_begin", doc::kTimestamp},
               {"stream.packet.context", "timestamp_end", doc::kPacketEnd},
               {"stream.packet.context", "packet_size", doc::kPacketSize},
               {"stream.packet.context", "content_size", doc::kContentSize},
               {"stream.packet.context", "packet_seq_num", doc::kSequenceNumber},
               {"stream.packet.context", "events_discarded", doc::kDiscarded},
               {"stream.event.header", "id", doc::kEventId}};
  for (const auto& entry : names)
    if (scope == entry.scope && name == entry.name) return entry.role;
  return 0;
}

// The roles of CTF 2 that mean something in a scope.
std::uint16_t roles_of(const std::string& scope) {
  if (scope == "trace.packet.header") return doc::kMagic | doc::kUuid | doc::kStreamClassId | doc::kStreamId;
  if (scope == "stream.packet.context") return doc::kTimestamp | doc::kPacketEnd | doc::kPacketSize | doc::kContentSize | doc::kSequenceNumber | doc::kDiscarded;
  if (scope == "stream.event.header") return doc::kTimestamp | doc::kEventId;
  return 0;
}

}  // namespace

struct Layout::Node {
  std::shared_ptr<Type> type;
  const Spec* spec = nullptr;
  std::vector<std::shared_ptr<Node>> children;  // those laid out so far: members, options, or the one element
  bool is_open = false;                         // more may come; of an array: an element is being decoded
};

struct Layout::Pass {
  Layout& layout;
  const std::string& scope_name;
  std::string& maps;
  std::vector<std::shared_ptr<Node>> open;  // what is around the type being laid out, outermost first

  using Path = std::vector<std::string>;
  using Found = std::vector<std::shared_ptr<Type>>;

  [[noreturn]] static void fail(const Spec& spec, const std::string& text) {
    throw Failure{errorf(EINVAL, "metadata line %u: %s", spec.line, text.c_str())};
  }

  // ---- references

  // All that the rest of a path leads to from a node. One field for CTF 1.8; in CTF 2 a variant is what it has selected, so all options count.
  void search(const Node& node, const Path& path, std::size_t at, Found& out) const {
    const auto named = [&] {
      const auto& members = node.spec->members;
      for (std::size_t i = 0; at < path.size() && i < node.children.size(); ++i) {
        if (++layout.steps_ > kMaxSteps) fail(*node.spec, "too many fields to find all lengths and tags among them");
        if (members[i].name == path[at]) return search(*node.children[i], path, at + 1, out);
      }
    };
    switch (node.type->kind) {
      case Kind::structure: return named();
      case Kind::variant:
        if (!layout.is_ctf2_) return named();
        for (const auto& child : node.children)
          if (!node.is_open || child == node.children.back()) search(*child, path, at, out);
        return;
      case Kind::array:
        if (node.is_open && !node.children.empty()) search(*node.children[0], path, at, out);
        return;
      case Kind::optional:
        if (!node.children.empty()) search(*node.children[0], path, at, out);
        return;
      default:
        if (at == path.size()) out.push_back(node.type);
    }
  }

  Found search(const Node& node, const Path& path, std::size_t at) const {
    Found out;
    search(node, path, at, out);
    return out;
  }

  // CTF 1.8: a whole path begins with its scope's name; any other is sought from the inside to the outside.
  Found find(const Path& path) const {
    std::string dotted;
    for (const std::string& part : path) dotted += part + ".";
    const auto whole = [&](const std::string& scope, const Node& root) {
      const auto parts = static_cast<std::size_t>(std::count(scope.begin(), scope.end(), '.')) + 1;
      return dotted.compare(0, scope.size() + 1, scope + ".") == 0 && path.size() > parts ? search(root, path, parts) : Found();
    };
    for (const Scope& scope : layout.scopes_)
      if (Found found = whole(scope.name, *scope.root); !found.empty()) return found;
    if (Found found = whole(scope_name, *open.front()); !found.empty()) return found;
    for (auto node = open.rbegin(); node != open.rend(); ++node)
      if ((*node)->type->kind == Kind::structure)
        if (Found found = search(**node, path, 0); !found.empty()) return found;
    for (auto scope = layout.scopes_.rbegin(); scope != layout.scopes_.rend(); ++scope)
      if (Found found = search(*scope->root, path, 0); !found.empty()) return found;
    return {};
  }

  // CTF 2: from the root of a scope, or from the structure around.
  Found find_exactly(const Reference& from) const {
    Path path;
    std::size_t up = 0;
    for (const auto& step : from.path) {
      if (step)
        path.push_back(*step);
      else if (!path.empty())
        path.pop_back();
      else
        ++up;
    }
    if (!from.scope.empty()) {
      if (up != 0) return {};
      if (from.scope == scope_name) return search(*open.front(), path, 0);
      for (const Scope& scope : layout.scopes_)
        if (scope.name == from.scope) return search(*scope.root, path, 0);
      return {};
    }
    for (auto node = open.rbegin(); node != open.rend(); ++node)
      if ((*node)->type->kind == Kind::structure && up-- == 0) return search(**node, path, 0);
    return {};
  }

  static std::string dotted(const Reference& from) {
    std::string out = from.scope;
    for (const auto& step : from.path) out.append(out.empty() ? "" : ".").append(step ? *step : "<up>");
    return out;
  }

  // The slots of all become one.
  std::int32_t share_slot(const Spec& spec, const Found& found) const {
    std::int32_t slot = -1;
    for (const auto& type : found) {
      const std::int32_t own = type->plan.store;
      if (own < 0 || own == slot) continue;
      if (slot < 0) {
        slot = own;
        continue;
      }
      if (++layout.shared_ > kMaxShared) fail(spec, "more than 4096 lengths and tags that are one in different options");
      const std::int32_t kept = std::min(slot, own), dropped = std::max(slot, own);
      if (dropped < kFirstFreeSlot) fail(spec, "'" + dotted(spec.from) + "' is the event's id here and its thread's there");
      for (const auto& other : layout.slotted_) {
        if (other->plan.store == dropped) other->plan.store = kept;
        if (other->plan.load == dropped) other->plan.load = kept;
      }
      slot = kept;
    }
    if (slot < 0) {
      if (layout.slots_ >= kMaxSlots) fail(spec, "more than 65536 lengths and tags");
      slot = static_cast<std::int32_t>(layout.slots_++);
    }
    for (const auto& type : found) {
      if (type->plan.store < 0) layout.slotted_.push_back(type);
      type->plan.store = slot;
    }
    return slot;
  }

  // What `out` loads its length or tag from. All are of one kind and sign: the first tells.
  const Type& refer(Type& out, const Spec& spec, const char* what) const {
    Path path;
    for (const auto& step : spec.from.path) path.push_back(step.value_or(""));
    const Found found = spec.from.is_exact ? find_exactly(spec.from) : find(path);
    if (found.empty()) fail(spec, std::string(what) + " '" + dotted(spec.from) + "' is not among the fields before it");
    for (const auto& type : found) {
      if (!is_integer(type->kind) && !(type->kind == Kind::boolean && spec.kind == Spec::Kind::optional))
        fail(spec, std::string(what) + " '" + dotted(spec.from) + "' is no integer");
      if (type->is_signed != found.front()->is_signed || (type->kind == Kind::boolean) != (found.front()->kind == Kind::boolean))
        fail(spec, std::string(what) + " '" + dotted(spec.from) + "' is of one type here and of another there");
    }
    out.plan.load = share_slot(spec, found);
    return *found.front();
  }

  // ---- types

  // `parent` knows the node from the beginning: paths may lead through both.
  std::shared_ptr<Type> lay_out(const Spec& spec, Node* parent) {
    if (++layout.nodes_ > kMaxNodes) fail(spec, "more than 1048576 fields in all events together");
    auto node = std::make_shared<Node>();
    node->spec = &spec;
    node->type = std::make_shared<Type>();
    node->is_open = true;
    if (parent != nullptr) parent->children.push_back(node);
    open.push_back(node);
    fill(spec, *node, *node->type);
    if (parent != nullptr) open.pop_back();
    node->is_open = false;
    if (node->type->plan.load >= 0) layout.slotted_.push_back(node->type);
    return node->type;
  }

  void fill(const Spec& spec, Node& node, Type& out) {
    switch (spec.kind) {
      case Spec::Kind::integer: return integer(spec, out);
      case Spec::Kind::boolean: return bits(spec, out, Kind::boolean);
      case Spec::Kind::bit_array: return bits(spec, out, Kind::bit_array);
      case Spec::Kind::bit_map: return bit_map(spec, out);
      case Spec::Kind::floating_point: return floating_point(spec, out);
      case Spec::Kind::enumeration: return enumeration(spec, out);
      case Spec::Kind::string: return string(spec, out);
      case Spec::Kind::text: return sized(spec, out, Kind::string, Plan::Op::text_array);
      case Spec::Kind::blob: return sized(spec, out, Kind::blob, Plan::Op::blob);
      case Spec::Kind::structure: return structure(spec, node, out);
      case Spec::Kind::variant: return variant(spec, node, out);
      case Spec::Kind::optional: return optional(spec, node, out);
      case Spec::Kind::array: return array(spec, node, out);
    }
  }

  bool is_big(const Spec& spec) const {
    return spec.order == doc::ByteOrder::native ? layout.big_endian_ : spec.order == doc::ByteOrder::big;
  }

  void bits(const Spec& spec, Type& out, Kind kind) const {
    out.kind = kind;
    out.bits = static_cast<std::uint32_t>(spec.bits);
    out.align = static_cast<std::uint32_t>(spec.align != 0 ? spec.align : spec.bits % 8 == 0 ? 8 : 1);
    out.is_signed = spec.is_signed;
    out.base = spec.base;
    out.plan.reversed = spec.is_reversed;
    out.plan.op = spec.is_variable ? Plan::Op::leb128 : spec.is_reversed ? Plan::Op::bits : integer_op(spec.bits, out.align, spec.is_signed);
    out.plan.big_endian = is_big(spec);
  }

  void integer(const Spec& spec, Type& out) {
    bits(spec, out, spec.is_signed ? Kind::signed_integer : Kind::unsigned_integer);
    assume(out, static_cast<std::uint16_t>(spec.roles & roles_of(scope_name)));
    if (layout.is_ctf2_ && scope_name == "stream.event.header" && (out.plan.roles & doc::kTimestamp) != 0) out.plan.maps_clock = true;
    if (!spec.clock.empty()) {
      out.plan.maps_clock = true;
      if (maps.empty()) maps = spec.clock;
    }
  }

  static void assume(Type& out, std::uint16_t roles) {
    out.plan.roles = static_cast<std::uint16_t>(out.plan.roles | roles);
    if ((roles & doc::kEventId) != 0) out.plan.store = kIdSlot;
  }

  void bit_map(const Spec& spec, Type& out) const {
    bits(spec, out, Kind::bit_map);
    for (const doc::Range& flag : spec.labels) out.labels.push_back({flag.low, flag.high, flag.text});
  }

  void floating_point(const Spec& spec, Type& out) const {
    out.kind = Kind::floating_point;
    out.bits = static_cast<std::uint32_t>(spec.bits);
    out.align = static_cast<std::uint32_t>(spec.align != 0 ? spec.align : 8);
    out.is_signed = true;
    const bool whole = out.align % 8 == 0 && spec.bits != 16 && !spec.is_reversed;
    out.plan.op = !whole ? Plan::Op::float_bits : spec.bits == 32 ? Plan::Op::f32 : Plan::Op::f64;
    out.plan.big_endian = is_big(spec);
    out.plan.reversed = spec.is_reversed;
  }

  void enumeration(const Spec& spec, Type& out) {
    integer(*spec.element, out);
    out.kind = Kind::enumeration;
    for (const doc::Range& range : spec.labels)
      if (auto label = fitted(range, out.is_signed)) out.labels.push_back(std::move(*label));
  }

  static void string(const Spec& spec, Type& out) {
    out.kind = Kind::string;
    out.align = 8;
    out.encoding = spec.encoding;
    out.plan.op = Plan::Op::string;
  }

  // A text or a blob: bytes, and how many.
  void sized(const Spec& spec, Type& out, Kind kind, Plan::Op op) const {
    out.kind = kind;
    out.align = 8;
    out.encoding = spec.encoding;
    out.media_type = spec.media_type;
    out.plan.op = op;
    length(spec, out);
    assume(out, static_cast<std::uint16_t>(spec.roles & roles_of(scope_name) & doc::kUuid));
  }

  void length(const Spec& spec, Type& out) const {
    out.is_sequence = !spec.from.empty();
    out.count = spec.count;
    if (out.is_sequence) refer(out, spec, "length");
  }

  void structure(const Spec& spec, Node& node, Type& out) {
    out.kind = Kind::structure;
    out.align = static_cast<std::uint32_t>(std::max<std::uint64_t>(spec.align, 1));
    out.plan.op = Plan::Op::structure;
    for (const doc::Member& member : spec.members) {
      auto type = lay_out(*member.type, &node);
      take_name(member.name, *type);
      out.align = std::max(out.align, type->align);
      out.members.push_back({name_of(member), std::move(type)});
    }
  }

  std::string name_of(const doc::Member& member) const { return layout.is_ctf2_ ? base::printable(member.name) : shown_name(member.name); }

  // LTTng's header holds an id before and another inside its variant; the one decoded last counts.
  void take_name(const std::string& name, Type& type) const {
    if (type.plan.op == Plan::Op::packed_array && type.plan.element_size == 1 && !layout.is_ctf2_) assume(type, static_cast<std::uint16_t>(reserved(scope_name, name) & doc::kUuid));
    if (!is_integer(type.kind)) return;
    if (!layout.is_ctf2_) assume(type, reserved(scope_name, name));
    if (scope_name == "stream.packet.context" && name == "cpu_id") assume(type, doc::kCpu);
    const bool thread = name == "_tid" || name == "_vtid" || name == "tid" || name == "vtid";
    if (thread && open.size() == 1 && scope_name.ends_with("event.context")) type.plan.store = kThreadSlot;
  }

  // Labels are what selects, each with the index of the option. In CTF 1.8 they are the tag's, and options are called like them.
  void variant(const Spec& spec, Node& node, Type& out) {
    out.kind = Kind::variant;
    out.plan.op = Plan::Op::variant;
    if (spec.from.empty()) fail(spec, "variant has no tag, want one as in variant <tag>");
    const Type& tag = refer(out, spec, "tag");
    out.is_signed = tag.is_signed;
    if (layout.is_ctf2_) {
      for (const doc::Range& range : spec.labels) select(range, range.option, out);
    } else {
      if (tag.kind != Kind::enumeration) fail(spec, "tag of the variant is no enumeration");
      for (const Label& label : tag.labels) {
        const auto it = std::find_if(spec.members.begin(), spec.members.end(), [&](const doc::Member& m) { return shown_name(m.name) == shown_name(label.text); });
        if (it == spec.members.end()) continue;
        out.labels.push_back(label);
        out.plan.options.push_back(static_cast<std::uint32_t>(it - spec.members.begin()));
      }
    }
    for (const doc::Member& member : spec.members) out.members.push_back({name_of(member), lay_out(*member.type, &node)});
  }

  static void select(const doc::Range& range, std::size_t option, Type& out) {
    auto label = fitted(range, out.is_signed);
    if (!label) return;
    out.labels.push_back(std::move(*label));
    out.plan.options.push_back(static_cast<std::uint32_t>(option));
  }

  void optional(const Spec& spec, Node& node, Type& out) {
    out.kind = Kind::optional;
    out.plan.op = Plan::Op::optional;
    const Type& selector = refer(out, spec, "selector");
    out.is_signed = selector.is_signed;
    if (selector.kind == Kind::boolean)
      out.labels.push_back({1, 1, ""});
    else if (spec.labels.empty())
      fail(spec, "optional field has no selector-field-ranges, want some: its selector is an integer");
    else
      for (const doc::Range& range : spec.labels) select(range, 0, out);
    out.members.push_back({"", lay_out(*spec.element, &node)});
  }

  void array(const Spec& spec, Node& node, Type& out) {
    out.kind = Kind::array;
    length(spec, out);
    out.members.push_back({"", lay_out(*spec.element, &node)});
    const Type& element = *out.members[0].type;
    out.align = static_cast<std::uint32_t>(std::max<std::uint64_t>(element.align, spec.align));
    const bool is_number = is_integer(element.kind) || element.kind == Kind::floating_point;
    const bool is_plain = is_number && element.plan.op != Plan::Op::bits && element.plan.op != Plan::Op::float_bits && element.plan.op != Plan::Op::leb128;
    if (spec.element->kind == Spec::Kind::integer && spec.element->is_text && element.bits == 8 && element.align == 8) {
      out.kind = Kind::string;
      out.plan.op = Plan::Op::text_array;
    } else if (is_plain && element.bits % element.align == 0 && element.plan.store < 0 && !element.plan.maps_clock) {
      out.plan.op = Plan::Op::packed_array;
      out.plan.element_size = element.bits / 8;
    } else {
      out.plan.op = Plan::Op::array;
    }
  }
};

Result<Field> Layout::scope(const std::string& name, const SpecPtr& spec, std::string& maps) {
  if (spec == nullptr) return Field{};
  if (spec->kind != Spec::Kind::structure)
    return errorf(EINVAL, "metadata line %u: %s is no struct", spec->line, name.c_str());
  try {
    Pass pass{*this, name, maps, {}};
    auto type = pass.lay_out(*spec, nullptr);
    scopes_.push_back({name, pass.open.front(), slotted_.size()});
    return Field{name, std::move(type)};
  } catch (const Failure& failure) {
    return failure.error;
  }
}

}  // namespace ouro::read
