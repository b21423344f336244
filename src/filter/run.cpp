#include "filter/run.hpp"

#include <cstring>

#include "base/glob.hpp"
#include "filter/bound.hpp"
#include "filter/compare.hpp"

namespace ouro::filter {
namespace {

// Where an operand lies, and how many bytes there are from there on; null if it does not exist.
struct Found {
  const std::byte* at = nullptr;
  std::size_t left = 0;
};

struct Event {
  const Bound& bound;
  const std::byte* payload;
  std::size_t size;
  const Contexts& contexts;
  std::uint32_t known = 0;  // segments whose beginnings are known, beside the first
  std::uint32_t number[2];  // what is computed and lies nowhere: for a left and a right operand
  std::size_t start[kMaxSteps + 1];

  Event(const Bound& b, const std::byte* p, std::size_t n, const Contexts& c) noexcept
      : bound(b), payload(p), size(n), contexts(c) {
    start[0] = 0;
  }

  Found at(std::size_t offset, std::size_t wanted) const noexcept {
    return offset <= size && size - offset >= wanted ? Found{payload + offset, size - offset} : Found{};
  }
  [[gnu::always_inline]] Found look(const Operand& operand, std::uint32_t& scratch) noexcept {
    if (operand.place != Place::near) return find(operand, scratch);
    return {payload + operand.offset, size - operand.offset};
  }
  bool pass(const Step& step) noexcept;
  Found find(const Operand& operand, std::uint32_t& scratch) noexcept;
};

constexpr std::uint8_t near(Op op) { return static_cast<std::uint8_t>(op); }

template <class T>
T load(const std::byte* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// The NUL; null if there is none. Most texts are short: the first 32 bytes are looked at here, eight at a time.
const std::byte* end_of_text(Found text) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101;
  for (int i = 0; i < 4 && text.left >= 8; ++i, text.at += 8, text.left -= 8) {
    const auto word = load<std::uint64_t>(text.at);
    if (const std::uint64_t zeros = (word - ones) & ~word & (ones << 7); zeros != 0) return text.at + __builtin_ctzll(zeros) / 8;
  }
  return static_cast<const std::byte*>(std::memchr(text.at, 0, text.left));
}

// Over the string or sequence that ends segment `known`.
bool Event::pass(const Step& step) noexcept {
  const Found field = at(start[known] + step.offset, step.element_size == 0 ? 1 : 4);
  if (field.at == nullptr) return false;
  std::size_t length;
  if (step.element_size == 0) {
    const std::byte* end = end_of_text(field);
    if (end == nullptr) return false;
    length = static_cast<std::size_t>(end - field.at) + 1;
  } else {
    const std::uint64_t bytes = 4 + std::uint64_t{load<std::uint32_t>(field.at)} * step.element_size;
    if (bytes > field.left) return false;
    length = static_cast<std::size_t>(bytes);
  }
  start[known + 1] = static_cast<std::size_t>(field.at - payload) + length;
  ++known;
  return true;
}

[[gnu::noinline]] Found Event::find(const Operand& operand, std::uint32_t& scratch) noexcept {
  const auto here = [&](std::uint32_t value) {
    scratch = value;
    return Found{reinterpret_cast<const std::byte*>(&scratch), sizeof scratch};
  };
  switch (operand.place) {
    case Place::nowhere: return {};
    case Place::constant: return here(operand.index);
    case Place::context: {
      const auto* context = static_cast<const std::byte*>(contexts.fetch(contexts, static_cast<abi::FilterContext>(operand.index)));
      return {context, std::size_t{operand.load == Load::text ? 16u : 4u}};
    }
    default: break;
  }
  while (known < operand.segment)
    if (!pass(bound.walk()[known])) return {};
  const std::size_t offset = start[operand.segment] + operand.offset;
  if (operand.place == Place::text_length) {
    const Found text = at(offset, 1);
    const std::byte* end = text.at != nullptr ? end_of_text(text) : nullptr;
    return end != nullptr ? here(static_cast<std::uint32_t>(end - text.at)) : Found{};
  }
  if (operand.place == Place::element) {
    const Found sequence = at(offset, 4);
    if (sequence.at == nullptr || operand.index >= load<std::uint32_t>(sequence.at)) return {};
    return at(offset + 4 + std::size_t{operand.index} * operand.element_size, width_of(operand.load));
  }
  return at(offset, width_of(operand.load));
}

Number load_number(const Operand& operand, const std::byte* at) noexcept {
  const bool masked = operand.mask != ~std::uint64_t{0};
  switch (operand.load) {
    case Load::u8: return Number::of(load<std::uint8_t>(at) & operand.mask);
    case Load::u16: return Number::of(load<std::uint16_t>(at) & operand.mask);
    case Load::u32: return Number::of(load<std::uint32_t>(at) & operand.mask);
    case Load::u64: return Number::of(load<std::uint64_t>(at) & operand.mask);
    case Load::i8: return masked ? Number::of(load<std::uint8_t>(at) & operand.mask) : Number::of_signed(load<std::int8_t>(at));
    case Load::i16: return masked ? Number::of(load<std::uint16_t>(at) & operand.mask) : Number::of_signed(load<std::int16_t>(at));
    case Load::i32: return masked ? Number::of(load<std::uint32_t>(at) & operand.mask) : Number::of_signed(load<std::int32_t>(at));
    case Load::i64: return masked ? Number::of(load<std::uint64_t>(at) & operand.mask) : Number::of_signed(load<std::int64_t>(at));
    case Load::f32: return Number::of_real(double{load<float>(at)});
    case Load::f64: return Number::of_real(load<double>(at));
    case Load::text: break;
  }
  return Number::of(0);
}

// With another operand: the next instruction.
[[gnu::noinline]] std::uint16_t compare_two(Event& event, const Instruction& i, Found left) noexcept {
  const Found right = event.look(i.right, event.number[1]);
  if (right.at == nullptr) return i.missing;
  if ((i.op & ~kFar) == near(Op::numbers))
    return i.next[is_in(outcome_of(load_number(i.left, left.at), load_number(i.right, right.at)), i.accepted)];
  const std::byte *a = end_of_text(left), *b = end_of_text(right);
  if (a == nullptr || b == nullptr) return i.missing;
  const bool equal = a - left.at == b - right.at && std::memcmp(left.at, right.at, static_cast<std::size_t>(a - left.at)) == 0;
  return i.next[is_in(equal ? Outcome::equal : Outcome::less, i.accepted)];
}

[[gnu::noinline]] std::uint16_t match_text(const Bound& bound, const Instruction& i, Found text) noexcept {
  const std::byte* end = end_of_text(text);
  if (end == nullptr) return i.missing;
  const char* wanted = bound.text(i.text.at);
  const auto length = static_cast<std::size_t>(end - text.at);
  const bool yes = (i.op & ~kFar) == near(Op::suffix)
                       ? length >= i.text.size && std::memcmp(end - i.text.size, wanted, i.text.size) == 0
                       : base::detail::match(wanted, wanted + i.text.size, reinterpret_cast<const char*>(text.at));
  return i.next[yes];
}

bool begins_with(const Bound& bound, const Text& wanted, Found text) noexcept {
  return text.left >= wanted.size && std::memcmp(text.at, bound.text(wanted.at), wanted.size) == 0;
}

template <class T>
inline bool in(const Instruction& i, const std::byte* at) noexcept {
  std::uint64_t value;
  if constexpr (std::is_signed_v<T>) value = static_cast<std::uint64_t>(std::int64_t{load<T>(at)});
  else value = std::uint64_t{load<T>(at)} & i.left.mask;
  return value - i.range.low <= i.range.span;
}

// Most operands are compared with a constant, and most texts told apart by their first eight bytes, without a call of
// anything. False: not so here.
[[gnu::always_inline]] inline bool compare_here(const Instruction& i, std::uint8_t op, Found left, std::uint16_t& next) noexcept {
  bool yes;
  switch (op) {
    case near(Op::in_u8): yes = in<std::uint8_t>(i, left.at); break;
    case near(Op::in_u16): yes = in<std::uint16_t>(i, left.at); break;
    case near(Op::in_u32): yes = in<std::uint32_t>(i, left.at); break;
    case near(Op::in_u64): yes = in<std::uint64_t>(i, left.at); break;
    case near(Op::in_i8): yes = in<std::int8_t>(i, left.at); break;
    case near(Op::in_i16): yes = in<std::int16_t>(i, left.at); break;
    case near(Op::in_i32): yes = in<std::int32_t>(i, left.at); break;
    case near(Op::real32): yes = is_in(order_of(double{load<float>(left.at)}, i.real), i.accepted); break;
    case near(Op::real64): yes = is_in(order_of(load<double>(left.at), i.real), i.accepted); break;
    case near(Op::bytes):
      if (left.left < 8) return false;
      yes = ((load<std::uint64_t>(left.at) ^ i.text.word) & i.text.word_mask) == 0;
      if (yes && i.text.size > 8) return false;
      break;
    default: return false;
  }
  // A branch, not an index: the processor then goes on with the instruction that it expects before this one is decided.
  next = i.next[0];
  if (yes) {
    asm("");  // or it would be an index again
    next = i.next[1];
  }
  return true;
}

// From instruction `next` on: all kinds, with all that it takes to find their operands.
[[gnu::noinline]] bool run_on(const Bound& bound, const std::byte* payload, std::size_t size, const Contexts& contexts,
                              std::uint16_t next) noexcept {
  Event event(bound, payload, size, contexts);
  do {
    const Instruction& i = bound.instructions()[next];
    const std::uint8_t op = i.op & static_cast<std::uint8_t>(~kFar);
    const Found left = event.look(i.left, event.number[0]);
    if (left.at == nullptr) next = i.missing;
    else if (compare_here(i, op, left, next)) continue;
    else if (op == near(Op::bytes)) next = i.next[begins_with(bound, i.text, left)];
    else if (op == near(Op::suffix) || op == near(Op::glob)) next = match_text(bound, i, left);
    else next = compare_two(event, i, left);
  } while (next < abi::kFilterReject);
  return next == abi::kFilterAccept;
}

}  // namespace

// Most filters look at near operands and constants alone. For these there is nothing to set up, not even a stack frame.
bool run(const Bound& bound, const std::byte* payload, std::size_t size, const Contexts& contexts) noexcept {
  if (size < bound.least_size) [[unlikely]]
    return false;
  const Instruction* const code = bound.instructions();
  std::uint16_t next = 0;
  do {
    const Instruction& i = code[next];
    if (!compare_here(i, i.op, {payload + i.left.offset, size - i.left.offset}, next)) return run_on(bound, payload, size, contexts, next);
  } while (next < abi::kFilterReject);
  return next == abi::kFilterAccept;
}

}  // namespace ouro::filter
