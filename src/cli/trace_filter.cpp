#include "cli/trace_filter.hpp"

#include <algorithm>
#include <cstring>

#include "base/glob.hpp"
#include "filter/compare.hpp"

namespace ouro::cli {

using abi::FilterCompare;
using filter::BindStatus;
using filter::Number;
using filter::Outcome;
using read::Field;
using read::Type;
using read::Value;
using Code = abi::FilterOperandKind;
using Operand = TraceFilter::Operand;
using Is = Operand::Is;
using From = Operand::From;
using Of = Operand::Of;

namespace {

constexpr std::uint64_t kNoMask = ~std::uint64_t{0};

// ---- what there is

std::string type_name(const Type& type) {
  const std::string bits = std::to_string(type.bits);
  switch (type.kind) {
    case read::Kind::unsigned_integer: return "u" + bits;
    case read::Kind::signed_integer: return "i" + bits;
    case read::Kind::enumeration: return (type.is_signed ? "enum i" : "enum u") + bits;
    case read::Kind::floating_point: return "f" + bits;
    case read::Kind::string: return "string";
    case read::Kind::structure: return "struct";
    case read::Kind::variant: return "variant";
    case read::Kind::boolean: return "bool";
    case read::Kind::bit_array:
    case read::Kind::bit_map: return "bits" + bits;
    case read::Kind::blob: return "blob";
    case read::Kind::optional: return type_name(*type.members[0].type) + "?";
    case read::Kind::array: return type_name(*type.members[0].type) + (type.is_sequence ? "[]" : "[" + std::to_string(type.count) + "]");
  }
  return "?";
}

filter::Known known(const Field& field) {
  filter::Known out{field.name, type_name(*field.type), {}};
  if (field.type->kind == read::Kind::enumeration)
    for (const read::Label& label : field.type->labels)
      if (std::find(out.labels.begin(), out.labels.end(), label.text) == out.labels.end()) out.labels.push_back(label.text);
  return out;
}

struct Place {
  From from = From::nowhere;
  std::uint32_t index = 0;
  const Type* type = nullptr;  // null: of what the trace knows otherwise
};

constexpr std::pair<const char*, From> kOthers[] = {{"tid", From::tid}, {"pid", From::pid}, {"cpu", From::cpu}, {"thread", From::thread}, {"comm", From::comm}};

class Binder {
 public:
  Binder(const filter::Filter& filter, const read::EventClass& type) : filter_(filter), type_(type) {
    if (type.stream_context != nullptr) contexts_ = type.stream_context->members;
    contexts_.insert(contexts_.end(), type.context.begin(), type.context.end());
  }

  std::optional<filter::Mistake> run(std::vector<TraceFilter::Term>& out) {
    abi::FilterHeader header;
    std::memcpy(&header, filter_.code.data(), sizeof header);
    pool_ = reinterpret_cast<const char*>(filter_.code.data()) + sizeof header + header.term_count * sizeof(abi::FilterTerm);
    for (std::uint16_t i = 0; i < header.term_count; ++i) {
      abi::FilterTerm term;
      std::memcpy(&term, filter_.code.data() + sizeof header + i * sizeof term, sizeof term);
      TraceFilter::Term& bound = out.emplace_back();
      bound.compare = term.compare;
      bound.then = term.then;
      bound.otherwise = term.otherwise;
      filter::BindResult result{BindStatus::ok, false, i, nullptr};
      result.status = bind(term, bound, result.is_right);
      if (!result) return filter::mistake_of(filter_, result, known_event());
    }
    return std::nullopt;
  }

 private:
  filter::KnownEvent known_event() const {
    filter::KnownEvent out{type_.name, {}, {}};
    for (const Field& field : type_.fields) out.fields.push_back(known(field));
    for (const Field& field : contexts_) out.contexts.push_back(known(field));
    if (type_.packet_context != nullptr)
      for (const Field& field : type_.packet_context->members) out.contexts.push_back(known(field));
    for (const auto& [name, from] : kOthers)
      if (!place_of_context(name, false)) out.contexts.push_back({name, from >= From::thread ? "string" : "i32", {}});
    return out;
  }

  static std::optional<std::uint32_t> index_of(const std::vector<Field>& fields, std::string_view name) {
    for (std::size_t i = 0; i < fields.size(); ++i)
      if (fields[i].name == name) return static_cast<std::uint32_t>(i);
    return std::nullopt;
  }

  std::optional<Place> place_of_field(std::string_view name) const {
    if (const auto i = index_of(type_.fields, name)) return Place{From::fields, *i, type_.fields[*i].type.get()};
    return std::nullopt;
  }

  std::optional<Place> place_of_context(std::string_view name, bool also_others = true) const {
    if (const auto i = index_of(contexts_, name)) return Place{From::context, *i, contexts_[*i].type.get()};
    if (type_.packet_context != nullptr)
      if (const auto i = index_of(type_.packet_context->members, name)) return Place{From::packet, *i, type_.packet_context->members[*i].type.get()};
    if (also_others)
      for (const auto& [other, from] : kOthers)
        if (name == other) return Place{from, 0, nullptr};
    return std::nullopt;
  }

  // What is neither a number nor a text cannot be compared.
  static Is is_of(const Type& type) {
    switch (type.kind) {
      case read::Kind::string: return Is::text;
      case read::Kind::variant:
      case read::Kind::optional: return Is::any;
      default: return Is::number;
    }
  }

  BindStatus take(const Place& place, const abi::FilterOperand& code, Operand& out) const {
    out.from = place.from;
    out.index = place.index;
    out.mask = code.value;
    out.is = place.from >= From::thread ? Is::text : Is::number;
    if (place.type == nullptr) return code.kind == Code::length ? BindStatus::no_length : code.kind == Code::element ? BindStatus::no_elements : BindStatus::ok;
    const Type& type = *place.type;
    out.is = is_of(type);
    const bool is_list = type.kind == read::Kind::array;
    if (code.kind == Code::length) {
      out.of = Of::length;
      out.is = Is::number;
      return is_list || type.kind == read::Kind::string || type.kind == read::Kind::blob ? BindStatus::ok : BindStatus::no_length;
    }
    if (code.kind == Code::element) {
      out.of = Of::element;
      out.element = code.index;
      if (!is_list) return BindStatus::no_elements;
      out.is = is_of(*type.members[0].type);
      return is_value(*type.members[0].type) ? BindStatus::ok : BindStatus::wants_element;
    }
    if (type.kind == read::Kind::structure || type.kind == read::Kind::blob) return BindStatus::bad_schema;  // which programs' events have not
    return is_list ? BindStatus::wants_element : BindStatus::ok;
  }
  static bool is_value(const Type& type) { return type.kind != read::Kind::array && type.kind != read::Kind::structure && type.kind != read::Kind::blob; }

  // A name that is no field is looked up later: it may be a label of the other side.
  BindStatus look_up(const abi::FilterOperand& code, Operand& out, const Type*& labelled, bool& is_open) const {
    const std::string_view name(code.kind <= Code::length || code.kind >= Code::text_exact ? pool_ + code.text : "");
    out.kind = code.kind;
    out.mask = kNoMask;
    switch (code.kind) {
      case Code::unsigned_number:
      case Code::signed_number:
      case Code::real_number:
        out.is = Is::number_constant;
        out.bits = code.value;
        std::memcpy(&out.real, &code.value, sizeof out.real);
        return BindStatus::ok;
      case Code::text_exact:
      case Code::text_prefix:
      case Code::text_suffix:
      case Code::text_glob:
        out.is = Is::text_constant;
        out.text = name;
        return BindStatus::ok;
      case Code::name:
      case Code::element:
      case Code::length:
        if (const auto place = place_of_field(name)) {
          const Type& type = code.kind == Code::element && place->type->kind == read::Kind::array ? *place->type->members[0].type : *place->type;
          if (type.kind == read::Kind::enumeration && code.kind != Code::length) labelled = &type;
          return take(*place, code, out);
        }
        if (code.kind == Code::name) {
          is_open = true;
          return BindStatus::ok;
        }
        [[fallthrough]];
      case Code::context:
        if (const auto place = place_of_context(name)) return take(*place, code, out);
        return BindStatus::no_such_field;
    }
    return BindStatus::no_such_field;
  }

  static bool as_label(std::string_view text, const Type& type, Operand& out) {
    for (const read::Label& label : type.labels)
      if (label.text == text) out.ranges.emplace_back(label.low, label.high);
    if (out.ranges.empty()) return false;
    out.is = Is::label;
    out.is_signed = type.is_signed;
    return true;
  }

  BindStatus close(const abi::FilterOperand& code, Operand& out, bool is_open, const Type* labelled) const {
    const std::string_view name(is_open || out.is == Is::text_constant ? pool_ + code.text : "");
    if (is_open) {
      if (labelled != nullptr && code.value == kNoMask && as_label(name, *labelled, out)) return BindStatus::ok;
      if (const auto place = place_of_context(name)) return take(*place, code, out);
      return labelled != nullptr ? BindStatus::no_such_label : BindStatus::no_such_field;
    }
    if (out.is == Is::text_constant && labelled != nullptr)
      return out.kind == Code::text_exact && as_label(name, *labelled, out) ? BindStatus::ok : BindStatus::no_such_label;
    return BindStatus::ok;
  }

  BindStatus bind(const abi::FilterTerm& term, TraceFilter::Term& bound, bool& is_right) const {
    const Type *left_labels = nullptr, *right_labels = nullptr;
    bool left_open = false, right_open = false;
    is_right = false;
    if (const auto s = look_up(term.left, bound.left, left_labels, left_open); s != BindStatus::ok) return s;
    is_right = true;
    if (const auto s = look_up(term.right, bound.right, right_labels, right_open); s != BindStatus::ok) return s;
    is_right = false;
    if (const auto s = close(term.left, bound.left, left_open, right_labels); s != BindStatus::ok) return s;
    is_right = true;
    if (const auto s = close(term.right, bound.right, right_open, left_labels); s != BindStatus::ok) return s;
    is_right = false;
    return fit(term.compare, bound, is_right);
  }

  static bool is_text(const Operand& o) { return o.is == Is::text || o.is == Is::text_constant; }
  static bool is_constant(const Operand& o) { return o.is >= Is::number_constant; }

  BindStatus fit(FilterCompare compare, const TraceFilter::Term& term, bool& is_right) const {
    for (const Operand* side : {&term.left, &term.right}) {
      is_right = side == &term.right;
      if (side->mask != kNoMask && (side->is == Is::text || is_real(*side))) return BindStatus::not_an_integer;
    }
    is_right = is_constant(term.left);  // it is about the one that is a field
    if (term.left.is == Is::any || term.right.is == Is::any) return BindStatus::ok;
    if (is_text(term.left) != is_text(term.right)) return BindStatus::number_and_text;
    return is_text(term.left) && compare > FilterCompare::not_equal ? BindStatus::no_order : BindStatus::ok;
  }

  bool is_real(const Operand& o) const {
    const auto real = [&](const std::vector<Field>& fields) {
      const Type& type = *fields[o.index].type;
      return (o.of == Of::element ? type.members[0].type->kind : type.kind) == read::Kind::floating_point && o.of != Of::length;
    };
    if (is_constant(o)) return false;
    return (o.from == From::fields && real(type_.fields)) || (o.from == From::context && real(contexts_)) ||
           (o.from == From::packet && real(type_.packet_context->members));
  }

  const filter::Filter& filter_;
  const read::EventClass& type_;
  std::vector<Field> contexts_;
  const char* pool_ = nullptr;
};

// ---- values

// Of one event: a number, a text, or nothing to compare.
struct Seen {
  enum class Is : std::uint8_t { nothing, number, text } is = Is::nothing;
  Number number{};
  std::string_view text{};
};

Seen seen(const Value& value, std::uint64_t mask) {
  switch (value.kind()) {
    case read::Kind::unsigned_integer:
    case read::Kind::boolean:
    case read::Kind::bit_array:
    case read::Kind::bit_map: return {Seen::Is::number, Number::of(value.u & mask), {}};
    case read::Kind::signed_integer:
    case read::Kind::enumeration: {
      const Type& type = value.type();
      if (!type.is_signed) return {Seen::Is::number, Number::of(value.u & mask), {}};
      if (mask == kNoMask) return {Seen::Is::number, Number::of_signed(value.i), {}};
      const std::uint64_t own = type.bits >= 64 ? kNoMask : (std::uint64_t{1} << type.bits) - 1;  // what is masked is never negative
      return {Seen::Is::number, Number::of(value.u & own & mask), {}};
    }
    case read::Kind::floating_point: return {Seen::Is::number, Number::of_real(value.f), {}};
    case read::Kind::string: return {Seen::Is::text, {}, value.text()};
    case read::Kind::variant:
    case read::Kind::optional: return value.count != 0 ? seen((&value)[1], mask) : Seen{};
    default: return {};
  }
}

Seen number(std::int64_t n) { return n < 0 ? Seen{} : Seen{Seen::Is::number, Number::of(static_cast<std::uint64_t>(n)), {}}; }
Seen text(std::string_view t) { return {Seen::Is::text, {}, t}; }

Seen look(const Operand& o, const read::Event& event) {
  std::span<const Value> values;
  switch (o.from) {
    case From::nowhere: return {};
    case From::tid: return number(event.tid);
    case From::pid: return event.thread != nullptr ? number(event.thread->pid) : Seen{};
    case From::cpu: return number(event.cpu);
    case From::thread: return event.thread != nullptr ? text(event.thread->name) : Seen{};
    case From::comm: return event.thread != nullptr && event.thread->process != nullptr ? text(event.thread->process->name) : Seen{};
    case From::fields: values = event.fields(); break;
    case From::context: values = event.context(); break;
    case From::packet: values = event.packet_context; break;
  }
  std::size_t at = 0;
  for (std::uint32_t i = 0; i < o.index && at < values.size(); ++i) at += values[at].nodes;
  if (at >= values.size()) return {};
  const Value& value = values[at];
  if (o.of == Of::length) return number(value.count);
  if (o.of == Of::value) return seen(value, o.mask);
  if (o.element >= value.count) return {};
  if (value.is_packed()) return seen(value.element(o.element), o.mask);
  const Value* element = &value + 1;
  for (std::uint32_t i = 0; i < o.element; ++i) element += element->nodes;
  return seen(*element, o.mask);
}

Number constant(const Operand& o) {
  if (o.kind == Code::real_number) return Number::of_real(o.real);
  return o.kind == Code::signed_number ? Number::of_signed(static_cast<std::int64_t>(o.bits)) : Number::of(o.bits);
}

bool matches(const Operand& o, std::string_view text) {
  switch (o.kind) {
    case Code::text_prefix: return text.starts_with(o.text);
    case Code::text_suffix: return text.ends_with(o.text);
    case Code::text_glob: {
      thread_local std::string whole;  // the pattern wants a NUL, which texts in traces need not have
      whole = text;
      return base::detail::match(o.text.data(), o.text.data() + o.text.size(), whole.c_str());
    }
    default: return text == o.text;
  }
}

// The number and a label: equal to it are all numbers of that label; its order is that of the least.
Outcome against(Number n, const Operand& label) {
  const auto end = [&](std::uint64_t bits) { return label.is_signed ? Number::of_signed(static_cast<std::int64_t>(bits)) : Number::of(bits); };
  for (const auto& [low, high] : label.ranges)
    if (filter::outcome_of(n, end(low)) != Outcome::less && filter::outcome_of(n, end(high)) != Outcome::greater) return Outcome::equal;
  return filter::outcome_of(n, end(label.ranges.front().first));
}

FilterCompare exchanged(FilterCompare compare) {  // a < b is b > a
  constexpr FilterCompare table[] = {FilterCompare::equal,         FilterCompare::not_equal, FilterCompare::greater,
                                     FilterCompare::greater_equal, FilterCompare::less,      FilterCompare::less_equal};
  return table[static_cast<std::uint8_t>(compare)];
}

bool holds(const TraceFilter::Term& term, const read::Event& event) {
  const bool exchange = term.left.is >= Is::number_constant;
  const Operand &a = exchange ? term.right : term.left, &b = exchange ? term.left : term.right;
  const std::uint8_t accepted = filter::accepted_by(exchange ? exchanged(term.compare) : term.compare);
  const Seen left = look(a, event);
  if (left.is == Seen::Is::nothing) return false;
  const bool is_text = left.is == Seen::Is::text;
  Outcome outcome = Outcome::unordered;
  if (b.is == Is::text_constant) {
    if (!is_text) return false;
    outcome = matches(b, left.text) ? Outcome::equal : Outcome::less;
  } else if (b.is == Is::label || b.is == Is::number_constant) {
    if (is_text) return false;
    outcome = b.is == Is::label ? against(left.number, b) : filter::outcome_of(left.number, constant(b));
  } else {
    const Seen right = look(b, event);
    if (right.is != left.is) return false;
    outcome = is_text ? (left.text == right.text ? Outcome::equal : Outcome::less) : filter::outcome_of(left.number, right.number);
  }
  if (is_text && term.compare > FilterCompare::not_equal) return false;
  return filter::is_in(outcome, accepted);
}

}  // namespace

std::optional<filter::Mistake> TraceFilter::bind(const filter::Filter& filter, const read::EventClass& type, TraceFilter& out) {
  out.terms_.clear();
  return Binder(filter, type).run(out.terms_);
}

bool TraceFilter::accepts(const read::Event& event) const {
  std::uint16_t next = 0;
  do {
    const Term& term = terms_[next];
    next = holds(term, event) ? term.then : term.otherwise;
  } while (next < abi::kFilterReject);
  return next == abi::kFilterAccept;
}

}  // namespace ouro::cli
