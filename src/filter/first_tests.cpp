#include "filter/first_tests.hpp"

#include <utility>

#include "filter/bound.hpp"
#include "filter/schema_view.hpp"

namespace ouro::filter {
namespace {

using detail::Choice;

// The scalar that this is, and nothing but a part of none; kFields: it is no such, or too far behind.
std::uint8_t field_of(const Operand& operand, const SchemaView& schema) noexcept {
  if (operand.place != Place::near && operand.place != Place::field) return Choice::kFields;
  for (std::uint32_t i = 0; i < schema.count && i < Choice::kFields; ++i) {
    const FieldView& f = schema.field[i];
    if (f.segment == operand.segment && f.offset == operand.offset && !f.is_list() && !f.is_string() &&
        abi::size_of(f.type) == width_of(operand.load))
      return static_cast<std::uint8_t>(i);
  }
  return Choice::kFields;
}

bool is_range(const Instruction& i) noexcept { return (i.op & ~kFar) <= static_cast<std::uint8_t>(Op::in_i32); }

bool make_test(const Instruction& i, const SchemaView& schema, Choice::Test& test) noexcept {
  if (!is_range(i)) return false;
  const std::uint8_t field = field_of(i.left, schema);
  if (field == Choice::kFields) return false;
  const std::uint32_t shift = 64 - 8 * width_of(i.left.load);
  const std::uint64_t mask = ~std::uint64_t{0} >> shift;
  test = {i.left.mask & mask, i.range.low, i.range.span << shift, field, static_cast<std::uint8_t>(shift), {}};
  return true;
}

// What refuses those in its range asks for the others, which are a range as well: refusing is the test's `no`.
void refuse_by_no(Choice::Test& test) noexcept {
  const std::uint64_t one = std::uint64_t{1} << test.shift;
  if (test.next[1] != Choice::kReject || test.next[0] == Choice::kReject || test.span == std::uint64_t{0} - one) return;  // the last one: no others
  test.low += (test.span >> test.shift) + 1;
  test.span = std::uint64_t{0} - test.span - 2 * one;
  std::swap(test.next[0], test.next[1]);
}

constexpr std::uint8_t place_of(std::uint32_t test) { return static_cast<std::uint8_t>(Choice::kFirstTest + test * Choice::kTestSize); }

}  // namespace

void take_first_tests(const Bound& bound, std::span<const std::byte> schema_bytes, std::uint8_t accepted, Choice& choice) noexcept {
  choice.begin = Choice::kAsk;
  SchemaView schema;
  if (!schema.read(schema_bytes)) return;
  const Instruction* const code = bound.instructions();
  std::uint32_t count = 0;
  while (count < bound.count && count < Choice::kTests && make_test(code[count], schema, choice.test[count])) ++count;
  for (std::uint32_t i = 0; i < count; ++i)
    for (int yes = 0; yes < 2; ++yes) {
      const std::uint16_t next = code[i].next[yes];
      choice.test[i].next[yes] = next == abi::kFilterAccept   ? accepted
                                 : next == abi::kFilterReject ? Choice::kReject
                                 : next < count               ? place_of(next)
                                                              : Choice::kAsk;
    }
  for (std::uint32_t i = 0; i < count; ++i) refuse_by_no(choice.test[i]);
  if (count != 0) choice.begin = place_of(0);
}

}  // namespace ouro::filter
