// trace/flight.hpp -- a flight recorder that needs no tool, not even to begin.
#pragma once
#include <cstddef>
#include <cstdint>

#include <ouro/abi/rules_layout.hpp>

namespace ouro::trace {

struct FlightWish {
  std::uint64_t buffer_size = 0;  // of a CPU, a power of two from 64 KiB to 512 MiB; 0: what there is room for
  const char* events = "*";       // as in ouro/flight.hpp
  std::uint8_t level = abi::kAnyLevel;
  std::uint64_t contexts = 0;     // abi/context_layout.hpp
};
// Makes the session's file. EEXIST: there is one. Else an errno value, or 0.
int make_flight_recorder(const char* path, const FlightWish& wish) noexcept;
// The list of rules at `area`, which has kRulesSize bytes, all zero. EINVAL: these are no globs; E2BIG: too many.
int write_rules(std::byte* area, const char* globs, std::uint8_t level) noexcept;

// The file in the runtime folder that holds the user's flight recorder, made if it is not there. Null: OURO_FLIGHT is not 1, or there is no room.
// At the program's start only: makes system calls, some of them slow.
const char* flight_recorder_from_environment() noexcept;

}  // namespace ouro::trace
