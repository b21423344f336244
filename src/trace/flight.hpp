// trace/flight.hpp -- a flight recorder that needs no tool, not even to begin.
#pragma once

namespace ouro::trace {

// The file in the runtime folder that holds the user's flight recorder, made if it is not there. Null: OURO_FLIGHT is not 1, or there is no room.
// At the program's start only: makes system calls, some of them slow.
const char* flight_recorder_from_environment() noexcept;

}  // namespace ouro::trace
