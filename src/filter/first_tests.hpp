// filter/first_tests.hpp -- what of a bound filter can be decided at the event's place, before there is a body (ouro/detail/choice.hpp):
// its first instructions, as far as they ask whether a scalar is in a range. Where they leave that, run() decides from the beginning.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include <ouro/detail/choice.hpp>

namespace ouro::filter {

struct Bound;

// Sets `begin` and `test` of `choice`. `schema` is that to which the filter was bound; `accepted`: what accepting means, kWrite, kWriteBehind or kAsk.
// Async-signal-safe.
void take_first_tests(const Bound& bound, std::span<const std::byte> schema, std::uint8_t accepted, detail::Choice& choice) noexcept;

}  // namespace ouro::filter
