// read/tsdl.hpp -- what a TSDL text declares, before anything is laid out: references are still names, byte orders
// may still be "the trace's". metadata.hpp turns it into types that can be decoded.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ouro/result.hpp>

namespace ouro::read::tsdl {

enum class ByteOrder : std::uint8_t { native, little, big };

struct Spec;
using SpecPtr = std::shared_ptr<const Spec>;

struct Enumerator {
  std::string text;
  std::uint64_t low = 0, high = 0;  // as bits; the container says whether they are signed
};

struct Member {
  std::string name;
  SpecPtr type;
};

struct Spec {
  enum class Kind : std::uint8_t { integer, floating_point, enumeration, string, structure, variant, array, sequence };
  Kind kind{};
  std::uint32_t line = 0;
  std::uint32_t depth = 1;  // levels of types inside, this one included; bounded, so recursion is too
  std::uint64_t bits = 0;   // of numbers
  std::uint64_t align = 0;  // bits; 0: the default. Of structures: the least
  bool is_signed = false;
  std::uint8_t base = 10;
  bool is_text = false;  // an integer with an encoding
  ByteOrder order = ByteOrder::native;
  std::string clock;              // the clock an integer is mapped to
  SpecPtr element;                // of arrays and sequences; of an enumeration: its integer
  std::uint64_t count = 0;        // of an array
  std::vector<std::string> path;  // of a sequence: to its length; of a variant: to its tag; empty: none given
  std::vector<Enumerator> labels;
  std::vector<Member> members;  // of structures and variants
};

struct Value {
  bool is_text = false;    // a quoted text or a word, not a number
  std::string text;        // as written
  std::uint64_t bits = 0;  // two's complement
};
using Values = std::map<std::string, Value, std::less<>>;   // "model.emf.uri" -> ...
using Types = std::map<std::string, SpecPtr, std::less<>>;  // "packet.header" -> ...

// stream {...}, event {...}, clock {...}, trace {...}: values and types by their whole names.
struct Block {
  std::uint32_t line = 0;
  Values values;
  Types types;
};

struct Document {
  Block trace;
  std::vector<std::pair<std::string, std::string>> env;
  std::vector<Block> clocks, streams, events;
};

Result<Document> parse(std::string_view text);

}  // namespace ouro::read::tsdl
