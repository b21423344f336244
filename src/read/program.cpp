// read/program.cpp -- see the header. Positions are tracked as far as the types settle them:
//
//   known_   position's alignment in bits, while no run is open
//   base_    the same where the open run began; offset_: bits since then
#include "read/program.hpp"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "read/metadata.hpp"

namespace ouro::read {
namespace {

using Op = Plan::Op;

// In bits: more than any packet has, and no sum of it and a position overflows.
constexpr std::uint64_t kMaxRun = std::uint64_t{1} << 60;

bool holds_dynamic(const Type& type) {
  switch (type.plan.op) {
    case Op::array:
    case Op::variant:
    case Op::optional: return true;
    case Op::structure: return std::any_of(type.members.begin(), type.members.end(), [](const Field& f) { return holds_dynamic(*f.type); });
    default: return false;
  }
}

Step::Op whole_op(Op op, bool swapped) {
  switch (op) {
    case Op::u8: return Step::Op::u8;
    case Op::i8: return Step::Op::i8;
    case Op::u16: return swapped ? Step::Op::u16_swapped : Step::Op::u16;
    case Op::u32: return swapped ? Step::Op::u32_swapped : Step::Op::u32;
    case Op::i16: return swapped ? Step::Op::i16_swapped : Step::Op::i16;
    case Op::i32: return swapped ? Step::Op::i32_swapped : Step::Op::i32;
    case Op::f32: return swapped ? Step::Op::f32_swapped : Step::Op::f32;
    default: return swapped ? Step::Op::u64_swapped : Step::Op::u64;  // i64 and f64, too: the same bits
  }
}

bool is_load(Step::Op op) { return op >= Step::Op::u8 && op <= Step::Op::float_bits_swapped; }
bool is_of_the_value_before(Step::Op op) { return op >= Step::Op::keep && op <= Step::Op::first_nul; }
bool is_needed_at_once(Step::Op op) { return op == Step::Op::keep || op == Step::Op::clock || op == Step::Op::to_utf8; }

// A value and what is done with it as one step of an outline, if there is such.
std::optional<Step> for_outline(std::span<const Step> group) {
  using O = Step::Op;
  const Step& first = group[0];
  if (group.size() == 1 && (first.op == O::align || first.op == O::run || first.op == O::string || first.op == O::packed_sequence)) return first;
  if (group.size() != 2 || group[1].op != O::keep) return std::nullopt;
  for (const auto& [load, keep] : {std::pair{O::u8, O::keep_u8}, {O::u16, O::keep_u16}, {O::u32, O::keep_u32}, {O::u64, O::keep_u64}, {O::i32, O::keep_i32}})
    if (first.op == load) return Step{keep, first.value, group[1].offset, first.offset};
  return std::nullopt;
}

bool keeps_thread(const Step& step) { return step.op >= Step::Op::keep_u8 && step.op <= Step::Op::keep_i32 && step.bits == kThreadSlot; }

// Sequences have their length just ahead of them, mostly.
void join_lengths(std::vector<Step>& outline) {
  using O = Step::Op;
  for (std::size_t i = 0; i + 2 < outline.size(); ++i) {
    if (outline[i].op == O::others) i += outline[i].bits;
    else if (outline[i].op == O::run && outline[i + 2].op == O::packed_of_kept)
      for (const auto& [keep, counted] : {std::pair{O::keep_u8, O::counted_u8}, {O::keep_u16, O::counted_u16}, {O::keep_u32, O::counted_u32}})
        if (outline[i + 1].op == keep) outline[i].op = counted;
  }
}

// Into the outline and the loads.
void arrange(std::span<const Step> steps, Program::Segment& out) {
  std::uint32_t run = 0, run_of_loads = ~0u;
  const auto load_later = [&](const Step& step) {
    if (run_of_loads != run) out.loads.push_back({Step::Op::in_run, run});
    run_of_loads = run;
    out.loads.push_back(step);
  };
  for (std::size_t at = 0; at < steps.size();) {
    std::size_t end = at + 1;
    while (end < steps.size() && is_of_the_value_before(steps[end].op)) ++end;
    std::span<const Step> group = steps.subspan(at, end - at);
    at = end;
    if (group.back().op == Step::Op::first_nul) {
      out.loads.push_back(group.back());
      group = group.first(group.size() - 1);
    }
    if (is_load(group[0].op) && std::none_of(group.begin(), group.end(), [](const Step& s) { return is_needed_at_once(s.op); })) {
      for (const Step& step : group) load_later(step);
    } else if (const std::optional<Step> step = for_outline(group)) {
      if (keeps_thread(*step)) load_later(group[0]);  // who takes the lead does not
      const Step* before = out.outline.empty() ? nullptr : &out.outline.back();
      const bool is_length = before != nullptr && before->op >= Step::Op::keep_u8 && before->op <= Step::Op::keep_i32 && before->bits == step->offset;
      out.outline.push_back(*step);
      if (is_length && step->op == Step::Op::packed_sequence) out.outline.back().op = Step::Op::packed_of_kept;
      if (step->op != Step::Op::run) continue;
      run = out.outline.back().value = static_cast<std::uint32_t>(out.runs.size());
      out.runs.push_back(0);
    } else {
      const bool is_in_run = is_load(group[0].op);
      out.outline.push_back({Step::Op::others, 0, group.size() + is_in_run});
      if (is_in_run) out.outline.push_back({Step::Op::in_run, run});
      out.outline.insert(out.outline.end(), group.begin(), group.end());
    }
  }
  if (out.runs.empty()) out.runs.push_back(0);
  join_lengths(out.outline);
}

Lead lead_of(std::span<const Step> outline) {
  Lead out;
  out.bits = 0;
  if (!outline.empty() && outline[0].op == Step::Op::run) {
    out.align_mask = outline[0].offset;
    out.bits = outline[0].bits;
    out.steps = 1;
    if (outline.size() > 1 && (outline[1].op == Step::Op::keep_i32 || outline[1].op == Step::Op::keep_u32) && keeps_thread(outline[1])) {
      out.thread_at = static_cast<std::int64_t>(outline[1].offset);
      out.steps = 2;
    }
  }
  const std::span<const Step> rest = outline.subspan(out.steps);
  if (rest.empty()) out.rest = Lead::Rest::nothing;
  else if (rest[0].op == Step::Op::string && rest.size() == 1) out.rest = Lead::Rest::text;
  else if (rest[0].op == Step::Op::string && rest.size() == 2 && rest[1].op == Step::Op::run) out.rest = Lead::Rest::text_and_run, out.run = rest[1];
  if (out.rest == Lead::Rest::text || out.rest == Lead::Rest::text_and_run) out.text = rest[0].value;
  return std::any_of(rest.begin(), rest.end(), [](const Step& step) { return step.op == Step::Op::others || keeps_thread(step); }) ? Lead{} : out;
}

class Compiler {
 public:
  explicit Compiler(std::uint64_t known = 1) : known_(known) { program_.segments.emplace_back(); }

  void scope(const Scope& scope) {
    align(scope.align);
    for (const Field& field : scope.fields) add(field);
  }
  void split() {
    program_.split_segment = program_.segments.size() - 1;
    program_.split_value = segment().values.size();
  }
  // Recursion is as deep as the types are nested, which the parser bounds.
  void add(const Field& field) {
    const Type& type = *field.type;
    align(type.align);
    const std::size_t at = segment().values.size();
    Value& value = segment().values.emplace_back();
    value.field = &field;
    switch (type.plan.op) {
      case Op::string: string(type); break;
      case Op::blob: bytes(type); break;
      case Op::text_array:
        if (type.encoding != Encoding::utf8) {
          bytes(type);
          then(Step::Op::to_utf8, 0, static_cast<std::uint64_t>(type.encoding));
        } else if (type.is_sequence) text_sequence(type);
        else in_run(Step::Op::text_array, type.count * 8, type.count);
        break;
      case Op::packed_array: packed(type); break;
      case Op::structure:
        if (holds_dynamic(type)) return dynamic(field, {type.members, 1});
        for (const Field& member : type.members) add(member);
        segment().values[at].count = static_cast<std::uint32_t>(type.members.size());
        segment().values[at].nodes = static_cast<std::uint32_t>(segment().values.size() - at);
        break;
      case Op::array:
      case Op::variant:
      case Op::optional: dynamic(field, {}); break;
      case Op::leb128: leb128(type); break;
      default: number(type);
    }
  }
  Program take() {
    end_segment();
    program_.is_static = program_.segments.size() == 1 && segment().last == nullptr;
    if (program_.is_static) {
      program_.values = segment().values;  // they stay where they are when the program is moved
      program_.runs = segment().runs;
      program_.lead = lead_of(segment().outline);
    }
    return std::move(program_);
  }

 private:
  Program::Segment& segment() { return program_.segments.back(); }
  std::uint32_t last_value() { return static_cast<std::uint32_t>(segment().values.size() - 1); }

  void align(std::uint64_t bits) {
    if (in_run_ && bits <= base_) {
      offset_ = (offset_ + bits - 1) & ~(bits - 1);
      return;
    }
    close_run();
    if (bits <= known_) return;
    steps_.push_back({Step::Op::align, 0, 0, bits - 1});
    known_ = bits;
  }

  void close_run() {
    if (!in_run_) return;
    in_run_ = false;
    steps_[run_].bits = offset_;
    if (offset_ > kMaxRun) steps_.insert(steps_.begin() + static_cast<std::ptrdiff_t>(run_), {Step::Op::too_long});
    if (offset_ != 0) known_ = std::min(base_, std::uint64_t{1} << std::countr_zero(offset_));
  }

  void end_segment() {
    close_run();
    arrange(steps_, segment());
    steps_.clear();
  }

  // `bits`: of the value. `offset` in the run is in bytes where all of them lie in whole ones.
  void in_run(Step::Op op, std::uint64_t bits, std::uint64_t count) {
    if (count > UINT32_MAX) return moving(Step::Op::too_long, 0, 0, 1);
    if (!in_run_) {
      in_run_ = true;
      base_ = known_;
      offset_ = 0;
      if (steps_.empty() || steps_.back().op != Step::Op::align) steps_.push_back({Step::Op::align, 0, 0, 0});
      run_ = steps_.size() - 1;
      steps_[run_].op = Step::Op::run;
    }
    const bool is_in_bits = op >= Step::Op::bits && op <= Step::Op::float_bits_swapped;
    steps_.push_back({op, last_value(), bits, is_in_bits ? offset_ : offset_ / 8});
    offset_ += bits;
  }

  void moving(Step::Op op, std::uint64_t bits, std::int32_t slot, std::uint64_t known) {
    close_run();
    steps_.push_back({op, last_value(), bits, static_cast<std::uint64_t>(slot)});
    known_ = known;
  }

  void packed(const Type& type) {
    const std::uint64_t element = std::uint64_t{type.plan.element_size} * 8;
    if (type.is_sequence) return moving(Step::Op::packed_sequence, element, type.plan.load, type.align);
    segment().values.back().count = static_cast<std::uint32_t>(type.count);
    in_run(Step::Op::packed_array, type.count <= UINT32_MAX ? type.count * element : 0, type.count);
  }

  // No byte holds bits of both orders.
  void begin_byte() {
    if (in_run_ && base_ % 8 == 0 && offset_ % 8 == 0) return;
    moving(Step::Op::begin_byte, 0, 0, 8);
  }

  // Of the value that the step before gave.
  void then(Step::Op op, std::uint64_t bits, std::uint64_t offset) { steps_.push_back({op, last_value(), bits, offset}); }

  void string(const Type& type) {
    if (type.encoding == Encoding::utf8) return moving(Step::Op::string, 0, 0, 8);
    const bool is_16 = type.encoding == Encoding::utf16le || type.encoding == Encoding::utf16be;
    moving(Step::Op::wide_string, is_16 ? 16 : 32, 0, 8);
    then(Step::Op::to_utf8, 0, static_cast<std::uint64_t>(type.encoding));
  }

  void bytes(const Type& type) {
    if (type.is_sequence) return moving(Step::Op::packed_sequence, 8, type.plan.load, 8);
    in_run(Step::Op::raw_array, type.count <= UINT32_MAX ? type.count * 8 : 0, type.count);
  }

  void text_sequence(const Type& type) {
    bytes(type);
    then(Step::Op::first_nul, 0, 0);
  }

  void leb128(const Type& type) {
    moving(type.is_signed ? Step::Op::signed_leb128 : Step::Op::leb128, 0, 0, 8);
    keep(type);
    if (type.plan.maps_clock) then(Step::Op::leb128_clock, 0, 0);
  }

  // For those who need the value.
  void keep(const Type& type) {
    if (type.plan.store >= 0) then(Step::Op::keep, 0, static_cast<std::uint64_t>(type.plan.store));
  }

  void number(const Type& type) {
    const bool big = type.plan.big_endian, reversed = type.plan.reversed;
    if (type.align % 8 != 0 && last_order_ == (big ? Order::little : Order::big)) begin_byte();
    last_order_ = big ? Order::big : Order::little;
    Step::Op op = whole_op(type.plan.op, big);
    const bool is_signed = type.is_signed && !reversed;
    if (type.plan.op == Op::bits) op = is_signed ? (big ? Step::Op::signed_bits_swapped : Step::Op::signed_bits) : (big ? Step::Op::bits_swapped : Step::Op::bits);
    if (type.plan.op == Op::float_bits) op = big ? Step::Op::float_bits_swapped : Step::Op::float_bits;
    if (reversed) op = big ? Step::Op::bits_swapped : Step::Op::bits;
    in_run(op, type.bits, 1);
    if (reversed) then(Step::Op::reverse, type.bits, 0);
    if (type.kind == Kind::floating_point) {
      if (reversed) then(Step::Op::real, type.bits, 0);
      return;
    }
    if (reversed && type.is_signed) then(Step::Op::sign, type.bits, 0);
    if (type.kind == Kind::boolean) then(Step::Op::truth, 0, 0);
    keep(type);
    if (type.plan.maps_clock) then(Step::Op::clock, 0, ~std::uint64_t{0} >> (64 - type.bits));
  }

  // Ends the segment.
  void dynamic(const Field& field, const Scope& members) {
    const Type& type = *field.type;
    end_segment();
    segment().last = &type;
    if (type.kind == Kind::structure) {
      Compiler inner(known_);
      inner.scope(members);
      segment().inside.push_back(inner.take());
    } else {
      for (const Field& member : type.members) {
        Compiler inner;
        inner.add(member);
        segment().inside.push_back(inner.take());
      }
    }
    program_.segments.emplace_back();
    known_ = 1;
    last_order_ = Order::unknown;
  }

  Program program_;
  std::vector<Step> steps_;  // of the segment that is being compiled
  std::uint64_t known_, base_ = 1, offset_ = 0;
  bool in_run_ = false;
  enum class Order : std::uint8_t { unknown, little, big } last_order_ = Order::unknown;  // of the number before, if that is the same in all events
  std::size_t run_ = 0;  // its step
};

}  // namespace

Program compile(std::span<const Scope> scopes) {
  Compiler compiler;
  for (std::size_t i = 0; i < scopes.size(); ++i) {
    if (i + 1 == scopes.size()) compiler.split();
    compiler.scope(scopes[i]);
  }
  return compiler.take();
}

}  // namespace ouro::read
