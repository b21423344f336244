// read/document.hpp -- what metadata declares, before anything is laid out: references are still names, byte orders may still be "the trace's".
// Both languages end here, and layout.hpp turns it into types that can be decoded:
//
//   /* CTF 1.8 */ trace { ... };      parse_tsdl()  --+
//                                                     +--> Document --> layout.hpp, metadata.cpp
//   <RS>{ "type": "preamble", ... }   parse_ctf2()  --+
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ouro/read.hpp>

namespace ouro::read::doc {

// What CTF 1.8 says with a reserved name and CTF 2 with a role. One field may have several.
enum Role : std::uint16_t {
  kMagic = 1 << 0,
  kUuid = 1 << 1,
  kStreamClassId = 1 << 2,
  kStreamId = 1 << 3,
  kTimestamp = 1 << 4,  // of the packet's begin; of the event
  kPacketEnd = 1 << 5,
  kPacketSize = 1 << 6,
  kContentSize = 1 << 7,
  kSequenceNumber = 1 << 8,
  kDiscarded = 1 << 9,
  kEventId = 1 << 10,
  kCpu = 1 << 11,  // no role of CTF 2; its name there, too
};

enum class ByteOrder : std::uint8_t { native, little, big };

struct Spec;
using SpecPtr = std::shared_ptr<const Spec>;

// A label of an enumeration, a flag of a bit map, or what selects an option.
struct Range {
  std::string text;
  std::uint64_t low = 0, high = 0;  // two's complement
  bool low_is_negative = false, high_is_negative = false;
  std::size_t option = 0;  // of a variant of CTF 2: index of the member
};

struct Member {
  std::string name;
  SpecPtr type;
};

// Where a length, a tag or a selector is.
struct Reference {
  bool is_exact = false;  // CTF 2: from `scope`, or the structure around. Else CTF 1.8: from the inside to the outside
  std::string scope;      // dotted name as in layout.hpp
  std::vector<std::optional<std::string>> path;  // nothing: one structure up
  bool empty() const { return path.empty(); }
};

struct Spec {
  enum class Kind : std::uint8_t {
    integer,
    boolean,
    bit_array,
    bit_map,
    floating_point,
    enumeration,
    string,      // up to its NUL
    text,        // of a length in bytes
    blob,        // likewise
    structure,
    variant,
    optional,
    array,
  };
  Kind kind{};
  std::uint32_t line = 0;
  std::uint32_t depth = 1;  // levels of types inside, this one included; bounded, so recursion is too
  std::uint64_t bits = 0;   // of numbers
  std::uint64_t align = 0;  // bits; 0: the default. Of structures and arrays: the least
  bool is_signed = false;
  bool is_variable = false;       // an integer in LEB128
  bool is_reversed = false;       // the first bit read is the last one of the byte order
  std::uint8_t base = 10;
  bool is_text = false;  // an integer with an encoding
  Encoding encoding = Encoding::utf8;
  ByteOrder order = ByteOrder::native;
  std::uint16_t roles = 0;
  std::string clock;         // the clock an integer is mapped to
  std::string media_type;    // of blobs
  SpecPtr element;           // of arrays and optionals; of an enumeration: its integer
  std::uint64_t count = 0;   // of an array, text or blob without `from`
  Reference from;            // of arrays, texts and blobs: their length; of variants and optionals: what selects. Empty: none given
  std::vector<Range> labels;
  std::vector<Member> members;  // of structures and variants
};

struct Value {
  bool is_text = false;    // a quoted text or a word, not a number
  std::string text;        // as written
  std::uint64_t bits = 0;  // two's complement
};
using Values = std::map<std::string, Value, std::less<>>;   // "model.emf.uri" -> ...
using Types = std::map<std::string, SpecPtr, std::less<>>;  // "packet.header" -> ...

// stream {...}, event {...}, clock {...}, trace {...}: values and types by their whole names, as CTF 1.8 calls them.
struct Block {
  std::uint32_t line = 0;
  Values values;
  Types types;
};

struct Document {
  bool is_ctf2 = false;
  Block trace;
  std::vector<std::pair<std::string, std::string>> env;
  std::vector<Block> clocks, streams, events;
};

inline constexpr char kRecordSeparator = 0x1e;  // ahead of each fragment of CTF 2's metadata

// Types that nest more deeply are refused.
inline constexpr std::uint32_t kMaxDepth = 64;
inline constexpr std::uint64_t kMaxAlign = 1 << 30;  // bits

// With `trouble`, metadata that is damaged behind its first stream is what stands ahead of the damage, and what is wrong goes there.
Result<Document> parse_tsdl(std::string_view text, std::string* trouble = nullptr);
Result<Document> parse_ctf2(std::string_view text, std::string* trouble = nullptr);

}  // namespace ouro::read::doc
