// read/metadata.hpp -- a trace's metadata, ready for decoding: every type laid out, every reference resolved.
//
//   file `metadata` -> text (packets taken apart, if it has any) -> doc::Document -> Metadata
//
// A sequence's length and a variant's tag are values decoded before. Each such value gets a slot, a place in one
// small array per stream: its own type stores there (Plan::store), the type that needs it loads (Plan::load). So the
// decoder never looks a name up. Two slots are fixed: the event's id and the thread's.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ouro/read.hpp>

namespace ouro::read {

enum Slot : std::int32_t { kIdSlot = 0, kThreadSlot = 1, kFirstFreeSlot = 2 };

// An event header that begins with {id, low bits of the stamp}, little endian and at most 64 bits of it, unless its id says otherwise. LTTng's headers, compact
// and large, and ours have this shape; it is decoded by a load and shifts.
struct CompactHeader {
  std::uint64_t id_limit = 0;  // ids below it are in the word; 0: the header is not of this shape
  std::uint64_t id_mask = 0, stamp_mask = 0, align_mask = 0;
  unsigned stamp_at = 0, bits = 0;
};

struct StreamClass {
  std::uint64_t id = 0;
  Field packet_context, event_header, event_context;  // type null if there is none
  bool is_state = false;  // has events, and all are the recorder's
  CompactHeader compact;
  std::optional<std::size_t> clock;                       // index of the clock that stamps its events
  std::unordered_map<std::uint64_t, std::size_t> events;  // id -> index of the class
};

// Alignment, in bits, of the structures that hold an event's own context and fields.
struct EventAlign {
  std::uint32_t context = 1, fields = 1;
};

struct Metadata {
  std::optional<std::array<std::uint8_t, 16>> uuid;
  Field packet_header;  // type null if packets have none
  std::vector<StreamClass> streams;
  std::vector<EventClass> events;
  std::vector<EventAlign> aligns;  // of the events, by index
  std::vector<Clock> clocks;
  std::vector<std::pair<std::string, std::string>> env;
  std::size_t slots = kFirstFreeSlot;

  const StreamClass* stream(std::uint64_t id) const;
};

// The metadata file's text: as it is, or collected from its packets.
// With `trouble`, what stands ahead of damage is the answer, if there is enough of it, and what is wrong goes there.
Result<std::string> metadata_text_of(std::string_view file, std::string* trouble = nullptr);
Result<Metadata> parse_metadata(std::string_view text, std::string* trouble = nullptr);

}  // namespace ouro::read
