// read/layout.cpp -- see the header. Every use of a declared type gets a copy of its own, because the slot that a
// member stores into belongs to that member; the number of copies is bounded, for names can multiply types.
#include "read/layout.hpp"

#include <algorithm>
#include <cerrno>

namespace ouro::read {

using tsdl::Spec;
using tsdl::SpecPtr;

namespace {

constexpr std::size_t kMaxNodes = 1 << 20;
constexpr std::size_t kMaxSlots = 1 << 16;

struct Failure {
  Error error;
};

// Readers of CTF drop one leading underscore: it is there so that a field may be called like a keyword.
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

bool is_number(Kind kind) {
  return kind == Kind::unsigned_integer || kind == Kind::signed_integer || kind == Kind::enumeration ||
         kind == Kind::floating_point;
}

}  // namespace

struct Layout::Node {
  std::vector<std::string> raw_names;
  std::vector<std::shared_ptr<Type>> types;
  std::vector<std::shared_ptr<Node>> children;  // null for what is no structure
};

struct Layout::Pass {
  Layout& layout;
  const std::string& scope_name;
  std::string& maps;
  std::vector<std::shared_ptr<Node>> open;  // the structures around the type being laid out, outermost first

  [[noreturn]] static void fail(const Spec& spec, const std::string& text) {
    throw Failure{errorf(EINVAL, "metadata line %u: %s", spec.line, text.c_str())};
  }

  static std::shared_ptr<Type> find_in(const Node& node, const std::vector<std::string>& path, std::size_t from) {
    const Node* at = &node;
    for (std::size_t i = from; i < path.size(); ++i) {
      const auto it = std::find(at->raw_names.begin(), at->raw_names.end(), path[i]);
      if (it == at->raw_names.end()) return nullptr;
      const auto index = static_cast<std::size_t>(it - at->raw_names.begin());
      if (i + 1 == path.size()) return index < at->types.size() ? at->types[index] : nullptr;
      if (index >= at->children.size() || at->children[index] == nullptr) return nullptr;
      at = at->children[index].get();
    }
    return nullptr;
  }

  // A whole path begins with its scope's name; any other is sought from the inside to the outside.
  std::shared_ptr<Type> find(const std::vector<std::string>& path) const {
    std::string dotted;
    for (const std::string& part : path) dotted += part + ".";
    for (const Scope& scope : layout.scopes_) {
      const auto parts = static_cast<std::size_t>(std::count(scope.name.begin(), scope.name.end(), '.')) + 1;
      if (dotted.compare(0, scope.name.size() + 1, scope.name + ".") == 0 && path.size() > parts)
        if (auto found = find_in(*scope.root, path, parts)) return found;
    }
    for (auto node = open.rbegin(); node != open.rend(); ++node)
      if (auto found = find_in(**node, path, 0)) return found;
    for (auto scope = layout.scopes_.rbegin(); scope != layout.scopes_.rend(); ++scope)
      if (auto found = find_in(*scope->root, path, 0)) return found;
    return nullptr;
  }

  std::shared_ptr<Type> referred(const Spec& spec, const char* what) const {
    std::string dotted;
    for (const std::string& part : spec.path) dotted += (dotted.empty() ? "" : ".") + part;
    auto found = find(spec.path);
    if (found == nullptr) fail(spec, std::string(what) + " '" + dotted + "' is not among the fields before it");
    if (found->kind != Kind::unsigned_integer && found->kind != Kind::signed_integer &&
        found->kind != Kind::enumeration)
      fail(spec, std::string(what) + " '" + dotted + "' is no integer");
    if (found->plan.store < 0) {
      if (layout.slots_ >= kMaxSlots) fail(spec, "more than 65536 lengths and tags");
      found->plan.store = static_cast<std::int32_t>(layout.slots_++);
    }
    return found;
  }

  std::shared_ptr<Type> lay_out(const Spec& spec, std::shared_ptr<Node>* node) {
    if (++layout.nodes_ > kMaxNodes) fail(spec, "more than 1048576 fields in all events together");
    switch (spec.kind) {
      case Spec::Kind::integer: return integer(spec);
      case Spec::Kind::floating_point: return floating_point(spec);
      case Spec::Kind::enumeration: return enumeration(spec);
      case Spec::Kind::string: return string();
      case Spec::Kind::structure: return structure(spec, node);
      case Spec::Kind::variant: return variant(spec);
      case Spec::Kind::array:
      case Spec::Kind::sequence: return array(spec);
    }
    fail(spec, "type of an unknown kind");
  }

  bool is_big(const Spec& spec) const {
    return spec.order == tsdl::ByteOrder::native ? layout.big_endian_ : spec.order == tsdl::ByteOrder::big;
  }

  std::shared_ptr<Type> integer(const Spec& spec) {
    auto out = std::make_shared<Type>();
    out->kind = spec.is_signed ? Kind::signed_integer : Kind::unsigned_integer;
    out->bits = static_cast<std::uint32_t>(spec.bits);
    out->align = static_cast<std::uint32_t>(spec.align != 0 ? spec.align : spec.bits % 8 == 0 ? 8 : 1);
    out->is_signed = spec.is_signed;
    out->base = spec.base;
    out->plan.op = integer_op(spec.bits, out->align, spec.is_signed);
    out->plan.big_endian = is_big(spec);
    if (!spec.clock.empty()) {
      out->plan.maps_clock = true;
      if (maps.empty()) maps = spec.clock;
    }
    return out;
  }

  std::shared_ptr<Type> floating_point(const Spec& spec) {
    auto out = std::make_shared<Type>();
    out->kind = Kind::floating_point;
    out->bits = static_cast<std::uint32_t>(spec.bits);
    out->align = static_cast<std::uint32_t>(spec.align != 0 ? spec.align : 8);
    out->is_signed = true;
    const bool whole = out->align % 8 == 0;
    out->plan.op = !whole ? Plan::Op::float_bits : spec.bits == 32 ? Plan::Op::f32 : Plan::Op::f64;
    out->plan.big_endian = is_big(spec);
    return out;
  }

  std::shared_ptr<Type> enumeration(const Spec& spec) {
    auto out = integer(*spec.element);
    out->kind = Kind::enumeration;
    for (const tsdl::Enumerator& e : spec.labels) out->labels.push_back({e.low, e.high, e.text});
    return out;
  }

  static std::shared_ptr<Type> string() {
    auto out = std::make_shared<Type>();
    out->kind = Kind::string;
    out->align = 8;
    out->plan.op = Plan::Op::string;
    return out;
  }

  std::shared_ptr<Type> structure(const Spec& spec, std::shared_ptr<Node>* node) {
    auto out = std::make_shared<Type>();
    out->kind = Kind::structure;
    out->align = static_cast<std::uint32_t>(std::max<std::uint64_t>(spec.align, 1));
    out->plan.op = Plan::Op::structure;
    auto own = std::make_shared<Node>();
    if (node != nullptr) *node = own;
    open.push_back(own);
    for (const tsdl::Member& member : spec.members) {
      std::shared_ptr<Node> child;
      auto type = lay_out(*member.type, &child);
      if (const std::int32_t slot = fixed_slot(member.name, *type); slot >= 0) type->plan.store = slot;
      out->align = std::max(out->align, type->align);
      own->raw_names.push_back(member.name);
      own->types.push_back(type);
      own->children.push_back(std::move(child));
      out->members.push_back({shown_name(member.name), std::move(type)});
    }
    open.pop_back();
    return out;
  }

  // LTTng's header holds an id before and another inside its variant; the one decoded last counts.
  std::int32_t fixed_slot(const std::string& name, const Type& type) const {
    if (!is_number(type.kind) || type.kind == Kind::floating_point) return -1;
    if (name == "id" && scope_name == "stream.event.header") return kIdSlot;
    const bool thread = name == "_tid" || name == "_vtid" || name == "tid" || name == "vtid";
    return thread && open.size() == 1 && scope_name.ends_with("event.context") ? kThreadSlot : -1;
  }

  // The tag's labels are taken over, each with the index of the option it selects in the place of its text.
  std::shared_ptr<Type> variant(const Spec& spec) {
    if (spec.path.empty()) fail(spec, "variant has no tag, want one as in variant <tag>");
    const auto tag = referred(spec, "tag");
    if (tag->kind != Kind::enumeration) fail(spec, "tag of the variant is no enumeration");
    auto out = std::make_shared<Type>();
    out->kind = Kind::variant;
    out->plan.op = Plan::Op::variant;
    out->plan.load = tag->plan.store;
    out->is_signed = tag->is_signed;
    for (const tsdl::Member& member : spec.members)
      out->members.push_back({shown_name(member.name), lay_out(*member.type, nullptr)});
    for (const Label& label : tag->labels) {
      const auto it = std::find_if(spec.members.begin(), spec.members.end(),
                                   [&](const tsdl::Member& m) { return shown_name(m.name) == shown_name(label.text); });
      if (it == spec.members.end()) continue;
      out->labels.push_back(label);
      out->plan.options.push_back(static_cast<std::uint32_t>(it - spec.members.begin()));
    }
    return out;
  }

  std::shared_ptr<Type> array(const Spec& spec) {
    auto out = std::make_shared<Type>();
    out->kind = Kind::array;
    out->is_sequence = spec.kind == Spec::Kind::sequence;
    out->count = spec.count;
    if (out->is_sequence) out->plan.load = referred(spec, "length")->plan.store;
    auto element = lay_out(*spec.element, nullptr);
    out->align = element->align;
    const bool bytes = element->align % 8 == 0;
    if (spec.element->kind == Spec::Kind::integer && spec.element->is_text && element->bits == 8 && bytes) {
      out->kind = Kind::string;
      out->plan.op = Plan::Op::text_array;
    } else if (is_number(element->kind) && bytes && is_whole(element->bits) && element->bits % element->align == 0 &&
               element->plan.store < 0 && !element->plan.maps_clock) {
      out->plan.op = Plan::Op::packed_array;
      out->plan.element_size = element->bits / 8;
    } else {
      out->plan.op = Plan::Op::array;
    }
    out->members.push_back({"", std::move(element)});
    return out;
  }
};

Result<Field> Layout::scope(const std::string& name, const SpecPtr& spec, std::string& maps) {
  if (spec == nullptr) return Field{};
  if (spec->kind != Spec::Kind::structure)
    return errorf(EINVAL, "metadata line %u: %s is no struct", spec->line, name.c_str());
  try {
    Pass pass{*this, name, maps, {}};
    std::shared_ptr<Node> root;
    auto type = pass.lay_out(*spec, &root);
    scopes_.push_back({name, std::move(root)});
    return Field{name, std::move(type)};
  } catch (const Failure& failure) {
    return failure.error;
  }
}

}  // namespace ouro::read
