// From terms, which name things, to instructions, which know where they lie:
//
//   check_code     the code's every number, once; from then on it is trusted
//   look_up        a name is a field, a label of the other side, or a context
//   fit            what the two sides are to each other; constants are right from here on
//   emit           opcode and constant
#include "filter/bind.hpp"

#include <cstring>
#include <new>

#include "filter/bound.hpp"
#include "filter/compare.hpp"
#include "filter/schema_view.hpp"

namespace ouro::filter {
namespace {

using abi::FilterCompare;
using Kind = abi::FilterOperandKind;
using Status = BindStatus;

__extension__ using Wide = __int128;  // holds every i64, every u64 and what lies beside them

constexpr std::uint64_t kNoMask = ~std::uint64_t{0};

constexpr bool is_text_constant(Kind k) { return k >= Kind::text_exact; }
constexpr bool is_constant(Kind k) { return k >= Kind::unsigned_number; }

struct Code {
  const std::byte* terms;
  std::uint32_t term_count;
  const char* pool;
  std::uint32_t pool_size;
  abi::FilterTerm term(std::uint32_t i) const noexcept {
    abi::FilterTerm t;
    std::memcpy(&t, terms + i * sizeof t, sizeof t);
    return t;
  }
};

bool is_operand(const abi::FilterOperand& o, std::uint32_t pool_size) noexcept {
  if (o.kind > Kind::text_glob || o.reserved != 0) return false;
  if (o.kind == Kind::unsigned_number) return true;
  if (o.kind == Kind::signed_number) return static_cast<std::int64_t>(o.value) < 0;
  if (o.kind == Kind::real_number) {
    const auto real = __builtin_bit_cast(double, o.value);
    return real - real == 0;  // finite
  }
  return o.text < pool_size;
}

bool check_code(std::span<const std::byte> bytes, Code& code) noexcept {
  abi::FilterHeader h;
  if (bytes.size() < sizeof h) return false;
  std::memcpy(&h, bytes.data(), sizeof h);
  if (h.version != abi::kFilterVersion || h.reserved != 0 || h.size > bytes.size() || h.size > abi::kMaxFilterSize ||
      h.term_count == 0 || h.term_count > abi::kMaxFilterTerms)
    return false;
  const std::uint32_t pool_at = static_cast<std::uint32_t>(sizeof h + h.term_count * sizeof(abi::FilterTerm));
  if (pool_at >= h.size || bytes[h.size - 1] != std::byte{0}) return false;
  code = {bytes.data() + sizeof h, h.term_count, reinterpret_cast<const char*>(bytes.data()) + pool_at, h.size - pool_at};
  for (std::uint32_t i = 0; i < code.term_count; ++i) {
    const abi::FilterTerm t = code.term(i);
    const auto is_later = [&](std::uint16_t next) {
      return next == abi::kFilterAccept || next == abi::kFilterReject || (next > i && next < code.term_count);
    };
    if (t.compare > FilterCompare::greater_equal || (t.reserved[0] | t.reserved[1] | t.reserved[2]) != 0 || !is_later(t.then) ||
        !is_later(t.otherwise) || !is_operand(t.left, code.pool_size) || !is_operand(t.right, code.pool_size) ||
        (is_constant(t.left.kind) && is_constant(t.right.kind)))
      return false;
  }
  return true;
}

// One side of a term, looked up.
struct Side {
  enum class Is : std::uint8_t { unknown, number, text, number_constant, text_constant } is = Is::unknown;
  Operand operand{};
  const FieldView* labelled = nullptr;
  Number number{};          // a constant
  Kind pattern{};           // of a text constant
  std::uint32_t text = 0;   // its offset in the pool
};
using Is = Side::Is;

Load load_of(abi::FieldType type) noexcept {
  constexpr Load loads[] = {Load::u8,  Load::u16, Load::u32, Load::u64, Load::i8, Load::i16, Load::i32,
                            Load::i64, Load::f32, Load::f64, Load::u8,  Load::u64, Load::text};
  return loads[static_cast<std::uint8_t>(type)];
}

int context_named(const char* name) noexcept {
  for (std::uint32_t i = 0; i < abi::kFilterContexts; ++i)
    if (std::strcmp(name, abi::kFilterContextNames[i]) == 0) return static_cast<int>(i);
  return -1;
}

class Binder {
 public:
  Binder(const Code& code, const SchemaView& schema, std::byte* to) noexcept
      : code_(code), schema_(schema), bound_(*new (to) Bound{}) {}

  BindResult bind() noexcept;

 private:
  Status look_up(const abi::FilterOperand& operand, Side& side) const noexcept;
  Status look_up_field(const abi::FilterOperand& operand, const FieldView& field, Side& side) const noexcept;
  bool look_up_context(const abi::FilterOperand& operand, Side& side) const noexcept;
  Status look_up_name(const abi::FilterOperand& operand, Side& side, const Side& other) const noexcept;
  bool as_label(const char* name, const FieldView& field, Side& side) const noexcept;
  Status look_up_both(const abi::FilterTerm& term, Side& left, Side& right, bool& is_right) const noexcept;
  static Status fit(FilterCompare compare, const Side& left, const Side& right, bool& is_right) noexcept;
  void emit(FilterCompare compare, const Side& left, const Side& right, Instruction& i) noexcept;
  void emit_range(FilterCompare compare, const Operand& left, Number constant, Instruction& i) noexcept;
  void emit_text(FilterCompare compare, const Side& right, Instruction& i) noexcept;
  void use(const Operand& operand) noexcept;
  const char* text(std::uint32_t at) const noexcept { return code_.pool + at; }

  const Code& code_;
  const SchemaView& schema_;
  Bound& bound_;
  std::uint32_t pool_at_ = 0;  // in the bound filter
};

bool Binder::look_up_context(const abi::FilterOperand& operand, Side& side) const noexcept {
  const int context = context_named(text(operand.text));
  if (context < 0) return false;
  const bool is_text = abi::is_text(static_cast<abi::FilterContext>(context));
  side.is = is_text ? Is::text : Is::number;
  side.operand.place = Place::context;
  side.operand.load = is_text ? Load::text : Load::u32;
  side.operand.index = static_cast<std::uint32_t>(context);
  return true;
}

Status Binder::look_up_field(const abi::FilterOperand& operand, const FieldView& field, Side& side) const noexcept {
  Operand& o = side.operand;
  const Place place = field.segment == 0 ? Place::near : Place::field;
  o.place = place;
  o.load = load_of(field.type);
  o.segment = field.segment;
  o.element_size = static_cast<std::uint8_t>(abi::size_of(field.type));
  o.offset = field.offset;
  side.is = Is::number;
  const bool is_array = field.shape == abi::FieldShape::array;
  if (operand.kind == Kind::length) {
    if (!field.is_list() && !field.is_string()) return Status::no_length;
    o.load = Load::u32;  // of a sequence: it stands before the elements
    if (field.is_string()) o.place = Place::text_length;
    if (is_array) o.place = Place::constant, o.index = field.count;
    return Status::ok;
  }
  if (operand.kind == Kind::element) {
    if (!field.is_list()) return Status::no_elements;
    o.index = operand.index;
    if (!is_array) o.place = Place::element;
    else if (operand.index >= field.count) o.place = Place::nowhere;
    else o.offset += operand.index * o.element_size;
  } else if (field.is_list()) {
    return Status::wants_element;
  }
  if (field.is_string()) side.is = Is::text;
  if (field.label_count != 0) side.labelled = &field;
  return Status::ok;
}

// All but names that are no field: what those are depends on the other side.
Status Binder::look_up(const abi::FilterOperand& operand, Side& side) const noexcept {
  side.operand.mask = kNoMask;
  switch (operand.kind) {
    case Kind::unsigned_number: side.number = Number::of(operand.value); break;
    case Kind::signed_number: side.number = Number::of_signed(static_cast<std::int64_t>(operand.value)); break;
    case Kind::real_number: side.number = Number::of_real(__builtin_bit_cast(double, operand.value)); break;
    case Kind::text_exact:
    case Kind::text_prefix:
    case Kind::text_suffix:
    case Kind::text_glob:
      side.is = Is::text_constant;
      side.pattern = operand.kind;
      side.text = operand.text;
      return Status::ok;
    case Kind::context:
      side.operand.mask = operand.value;
      return look_up_context(operand, side) ? Status::ok : Status::no_such_field;
    case Kind::name:
    case Kind::element:
    case Kind::length: {
      side.operand.mask = operand.value;
      const FieldView* field = schema_.find(text(operand.text));
      if (field != nullptr) return look_up_field(operand, *field, side);
      return operand.kind == Kind::name ? Status::ok : Status::no_such_field;
    }
  }
  side.is = Is::number_constant;
  return Status::ok;
}

bool Binder::as_label(const char* name, const FieldView& field, Side& side) const noexcept {
  return SchemaView::find_label(field, [&](std::int64_t value, const char* label) noexcept {
    if (std::strcmp(label, name) != 0) return false;
    side.is = Is::number_constant;
    side.number = field.is_signed() ? Number::of_signed(value) : Number::of(static_cast<std::uint64_t>(value));
    return true;
  });
}

// A name that is no field, or a text beside a labelled field.
Status Binder::look_up_name(const abi::FilterOperand& operand, Side& side, const Side& other) const noexcept {
  if (side.is == Is::unknown) {
    if (other.labelled != nullptr && operand.value == kNoMask && as_label(text(operand.text), *other.labelled, side)) return Status::ok;
    if (look_up_context(operand, side)) return Status::ok;
    return other.labelled != nullptr ? Status::no_such_label : Status::no_such_field;
  }
  if (side.is == Is::text_constant && other.labelled != nullptr)
    return side.pattern == Kind::text_exact && as_label(text(side.text), *other.labelled, side) ? Status::ok : Status::no_such_label;
  return Status::ok;
}

Status Binder::look_up_both(const abi::FilterTerm& term, Side& left, Side& right, bool& is_right) const noexcept {
  const Status both[] = {look_up(term.left, left), look_up(term.right, right)};
  for (int i = 0; i < 2; ++i) {
    is_right = i == 1;
    if (both[i] != Status::ok) return both[i];
  }
  is_right = false;
  if (const Status s = look_up_name(term.left, left, right); s != Status::ok) return s;
  is_right = true;
  return look_up_name(term.right, right, left);
}

bool is_text(const Side& side) noexcept { return side.is == Is::text || side.is == Is::text_constant; }

// Left is no constant.
Status Binder::fit(FilterCompare compare, const Side& left, const Side& right, bool& is_right) noexcept {
  for (const Side* side : {&left, &right}) {
    is_right = side == &right;
    if (side->operand.mask != kNoMask && (side->is == Is::text || (side->is == Is::number && is_real(side->operand.load))))
      return Status::not_an_integer;
  }
  is_right = false;
  if (is_text(left) != is_text(right)) return Status::number_and_text;
  if (is_text(left) && compare > FilterCompare::not_equal) return Status::no_order;
  return Status::ok;
}

FilterCompare exchanged(FilterCompare compare) noexcept {  // a < b is b > a
  constexpr FilterCompare table[] = {FilterCompare::equal,   FilterCompare::not_equal,     FilterCompare::greater,
                                     FilterCompare::greater_equal, FilterCompare::less, FilterCompare::less_equal};
  return table[static_cast<std::uint8_t>(compare)];
}

// The body must be long enough for it, or the filter may ask for it.
void Binder::use(const Operand& o) noexcept {
  if (o.place == Place::near) {
    const std::uint32_t end = o.offset + width_of(o.load);
    if (bound_.least_size < end) bound_.least_size = end;
  }
  if (o.place == Place::context) bound_.contexts = static_cast<std::uint16_t>(bound_.contexts | 1u << o.index);
}

void set(Op op, Instruction& i) noexcept {
  i.op = static_cast<std::uint8_t>(static_cast<std::uint8_t>(op) | (i.left.place != Place::near ? kFar : 0));
}

// The greatest integer that is not greater; beyond all integers of 64 bits, any that is, too.
Wide floor_of(double real, bool& is_whole) noexcept {
  is_whole = false;
  if (real >= kTwo64) return Wide{1} << 65;
  if (real < -kTwo63) return -(Wide{1} << 65);
  if (real >= 0) {
    const auto whole = static_cast<std::uint64_t>(real);
    is_whole = static_cast<double>(whole) == real;
    return whole;
  }
  const auto whole = static_cast<std::int64_t>(real);
  is_whole = static_cast<double>(whole) == real;
  return is_whole ? Wide{whole} : Wide{whole} - 1;
}

void Binder::emit_range(FilterCompare compare, const Operand& left, Number constant, Instruction& i) noexcept {
  const std::uint32_t bits = width_of(left.load) * 8;
  const bool is_signed = left.load >= Load::i8 && left.load <= Load::i64 && left.mask == kNoMask;
  const Wide least = is_signed ? -(Wide{1} << (bits - 1)) : Wide{0};
  const Wide most = (Wide{1} << (is_signed ? bits - 1 : bits)) - 1;
  constexpr Op unsigned_ops[] = {Op::in_u8, Op::in_u16, Op::in_u32, Op::in_u64}, signed_ops[] = {Op::in_i8, Op::in_i16, Op::in_i32, Op::in_u64};
  set((is_signed ? signed_ops : unsigned_ops)[static_cast<std::uint8_t>(left.load) % 4], i);

  bool is_whole = true;
  const Wide c = constant.kind == Number::Kind::real      ? floor_of(constant.real, is_whole)
                 : constant.kind == Number::Kind::natural ? Wide{constant.bits}
                                                          : Wide{static_cast<std::int64_t>(constant.bits)};
  Wide low = least, high = c;
  bool is_inverted = false;
  switch (compare) {
    case FilterCompare::not_equal: is_inverted = true; [[fallthrough]];
    case FilterCompare::equal: low = is_whole ? c : c + 1; break;
    case FilterCompare::greater_equal: is_inverted = true; [[fallthrough]];
    case FilterCompare::less: high = is_whole ? c - 1 : c; break;
    case FilterCompare::greater: is_inverted = true; break;
    case FilterCompare::less_equal: break;
  }
  if (low < least) low = least;
  if (high > most) high = most;
  if (low > high) {  // nothing is in it: all is in its contrary
    low = least;
    high = most;
    is_inverted = !is_inverted;
  }
  i.range = {static_cast<std::uint64_t>(low), static_cast<std::uint64_t>(high - low)};
  if (is_inverted) {
    const std::uint16_t yes = i.next[1];
    i.next[1] = i.next[0];
    i.next[0] = yes;
  }
}

// No double lies between an integer and the double nearest to it. So if that is greater than the integer, all that is
// equal to it is greater than the integer.
double as_real(Number constant, std::uint8_t& accepted) noexcept {
  if (constant.kind == Number::Kind::real) return constant.real;
  const double real = constant.kind == Number::Kind::natural ? static_cast<double>(constant.bits)
                                                             : static_cast<double>(static_cast<std::int64_t>(constant.bits));
  const Outcome rounded = mirrored(order_of_integer_and_real(constant, real));  // real to constant
  constexpr unsigned equal = 1u << static_cast<unsigned>(Outcome::equal);
  accepted = static_cast<std::uint8_t>((accepted & ~equal) | (is_in(rounded, accepted) ? equal : 0));
  return real;
}

void Binder::emit_text(FilterCompare compare, const Side& right, Instruction& i) noexcept {
  const char* wanted = text(right.text);
  const auto length = static_cast<std::uint32_t>(std::strlen(wanted));
  i.text = {pool_at_ + right.text, length, 0, 0};
  if (right.pattern == Kind::text_suffix || right.pattern == Kind::text_glob) {
    set(right.pattern == Kind::text_suffix ? Op::suffix : Op::glob, i);
  } else {
    set(Op::bytes, i);
    i.text.size += right.pattern == Kind::text_exact ? 1 : 0;
    const std::uint32_t first = i.text.size < 8 ? i.text.size : 8;
    std::memcpy(&i.text.word, wanted, first);
    std::memset(&i.text.word_mask, 0xff, first);
  }
  if (compare == FilterCompare::not_equal) {
    const std::uint16_t yes = i.next[1];
    i.next[1] = i.next[0];
    i.next[0] = yes;
  }
}

void Binder::emit(FilterCompare compare, const Side& left, const Side& right, Instruction& i) noexcept {
  i.accepted = accepted_by(compare);
  i.left = left.operand;
  use(left.operand);
  if (right.is == Is::text_constant) {
    emit_text(compare, right, i);
  } else if (right.is != Is::number_constant) {
    set(left.is == Is::text ? Op::texts : Op::numbers, i);
    i.right = right.operand;
    use(right.operand);
  } else if (is_real(left.operand.load)) {
    set(left.operand.load == Load::f32 ? Op::real32 : Op::real64, i);
    i.real = as_real(right.number, i.accepted);
  } else {
    emit_range(compare, left.operand, right.number, i);
  }
}

BindResult Binder::bind() noexcept {
  auto* const instructions = const_cast<Instruction*>(bound_.instructions());
  pool_at_ = static_cast<std::uint32_t>(sizeof(Bound) + code_.term_count * sizeof(Instruction));
  for (std::uint32_t t = 0; t < code_.term_count; ++t) {
    const abi::FilterTerm term = code_.term(t);
    BindResult result{Status::ok, false, static_cast<std::uint16_t>(t), nullptr};
    Side left, right;
    result.status = look_up_both(term, left, right, result.is_right);
    if (!result) return result;
    const bool exchange = left.is == Is::number_constant || left.is == Is::text_constant;
    const Side &a = exchange ? right : left, &b = exchange ? left : right;
    if (a.is == Is::number_constant || a.is == Is::text_constant) return {Status::bad_code, false, result.term, nullptr};
    const FilterCompare compare = exchange ? exchanged(term.compare) : term.compare;
    result.status = fit(compare, a, b, result.is_right);
    result.is_right = result.is_right != exchange;
    if (!result) return result;
    Instruction i{};
    i.next[0] = i.missing = term.otherwise;
    i.next[1] = term.then;
    emit(compare, a, b, i);
    instructions[t] = i;
  }
  bound_.count = static_cast<std::uint16_t>(code_.term_count);
  std::byte* const begin = reinterpret_cast<std::byte*>(&bound_);
  std::memcpy(begin + pool_at_, code_.pool, code_.pool_size);
  bound_.walk_at = (pool_at_ + code_.pool_size + 7) & ~7u;
  std::memcpy(begin + bound_.walk_at, schema_.walk, schema_.steps * sizeof(Step));
  bound_.size = static_cast<std::uint32_t>(bound_.walk_at + schema_.steps * sizeof(Step));
  return {Status::ok, false, 0, &bound_};
}

std::size_t memory_for(const Code& code) noexcept {
  return sizeof(Bound) + code.term_count * sizeof(Instruction) + code.pool_size + kMaxSteps * sizeof(Step) + 7 + 7;  // aligned twice
}

// The most that memory_for() can say.
static_assert(sizeof(Instruction) > sizeof(abi::FilterTerm), "the most terms make the largest bound filter");
static_assert(sizeof(Bound) + abi::kMaxFilterTerms * sizeof(Instruction) + sizeof(abi::FilterTerm) + kMaxSteps * sizeof(Step) + 14 <=
              kMaxBoundSize);

}  // namespace

std::size_t bound_size(std::span<const std::byte> code) noexcept {
  Code checked;
  return check_code(code, checked) ? memory_for(checked) : 0;
}

BindResult bind(std::span<const std::byte> bytes, std::span<const std::byte> schema_bytes, std::span<std::byte> memory) noexcept {
  Code code;
  if (!check_code(bytes, code)) return {Status::bad_code, false, 0, nullptr};
  SchemaView schema;
  if (!schema.read(schema_bytes)) return {Status::bad_schema, false, 0, nullptr};
  const std::size_t lead = (8 - reinterpret_cast<std::uintptr_t>(memory.data()) % 8) % 8;
  if (memory.size() < memory_for(code)) return {Status::no_room, false, 0, nullptr};
  return Binder(code, schema, memory.data() + lead).bind();
}

std::size_t size_of(const Bound& bound) noexcept { return bound.size; }
std::uint32_t contexts_of(const Bound& bound) noexcept { return bound.contexts; }

const char* name_of(std::span<const std::byte> bytes, const BindResult& result) noexcept {
  Code code;
  if (!check_code(bytes, code) || result.term >= code.term_count) return "";
  const abi::FilterTerm term = code.term(result.term);
  const abi::FilterOperand& operand = result.is_right ? term.right : term.left;
  const bool has_text = operand.kind <= Kind::length || is_text_constant(operand.kind);
  return has_text ? code.pool + operand.text : "";
}

}  // namespace ouro::filter
