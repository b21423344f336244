// ouro/abi/filter_layout.hpp -- a filter expression as bytes: made by a tool, laid into a session's memory, bound by
// traced programs to each event's fields (filter/bind.hpp). Knows names, no event's schema. Version 1.
//
//   0              8                    8 + 40 * term_count            size
//   +--------------+--------+-----+-----+------------------------------+
//   | FilterHeader | term 0 | ... | n-1 | pool: names and texts, NUL   |
//   +--------------+--------+-----+-----+------------------------------+
//
// A term is one comparison. Each says which term decides next if it holds and if it does not; always one further
// on, or the verdict. So || and && are where the ways lead, ! is the two of them exchanged, and no code runs forever:
//
//   total > 100 && !(user == "eve*" || flags & 4)
//
//             holds              does not
//   term 0    term 1             kFilterReject      name total    >   unsigned_number 100
//   term 1    kFilterReject      term 2             name user     ==  text_prefix "eve"
//   term 2    kFilterReject      kFilterAccept      name flags&4  !=  unsigned_number 0
//
// Little endian, packed. The pool's last byte is NUL, so every offset into it has a text. Who reads this believes
// nothing of it: filter/bind.cpp checks all that is said here.
#pragma once
#include <cstdint>

namespace ouro::abi {

inline constexpr std::uint8_t kFilterVersion = 1;
inline constexpr std::uint32_t kMaxFilterSize = 4096;
inline constexpr std::uint16_t kFilterAccept = 0xffff;
inline constexpr std::uint16_t kFilterReject = 0xfffe;

enum class FilterCompare : std::uint8_t { equal, not_equal, less, less_equal, greater, greater_equal };

enum class FilterOperandKind : std::uint8_t {
  // What is looked up. `text`: the name. `value`: what the number is masked with, all ones: nothing.
  name,             // a field; else a label of the field on the other side; else a context
  context,          // ctx.NAME: a context, also where a field has its name
  element,          // NAME[index], of an array or a sequence
  length,           // len(NAME): bytes of a string, elements of the others
  // Constants. `value`: the bits. At most one side of a term is one.
  unsigned_number,
  signed_number,    // below 0
  real_number,      // f64, finite
  // Texts, for equal and not_equal. `text`: what stands there without the star.
  text_exact,       // "abc"; if the other side has labels: one of them
  text_prefix,      // "abc*"
  text_suffix,      // "*abc"
  text_glob,        // base/glob.hpp: what needs more
};

// What a filter may look at beside the fields. `thread` is the thread's name, `comm` the program's; the others are u32.
enum class FilterContext : std::uint8_t { tid, pid, cpu, uid, gid, thread, comm };
inline constexpr const char* kFilterContextNames[] = {"tid", "pid", "cpu", "uid", "gid", "thread", "comm"};
inline constexpr std::uint32_t kFilterContexts = 7;
inline constexpr bool is_text(FilterContext c) { return c >= FilterContext::thread; }

#pragma pack(push, 1)
struct FilterHeader {
  std::uint32_t size;  // of all of it, this header included
  std::uint8_t version;
  std::uint8_t reserved;      // 0
  std::uint16_t term_count;   // 1 to kMaxFilterTerms
};
struct FilterOperand {
  FilterOperandKind kind;
  std::uint8_t reserved;  // 0
  std::uint16_t text;     // offset in the pool
  std::uint32_t index;    // of an element; else 0
  std::uint64_t value;
};
struct FilterTerm {
  FilterCompare compare;
  std::uint8_t reserved[3];      // 0
  std::uint16_t then, otherwise; // a later term, kFilterAccept or kFilterReject
  FilterOperand left, right;
};
#pragma pack(pop)

static_assert(sizeof(FilterHeader) == 8 && sizeof(FilterOperand) == 16 && sizeof(FilterTerm) == 40);

inline constexpr std::uint32_t kMaxFilterTerms = (kMaxFilterSize - sizeof(FilterHeader)) / sizeof(FilterTerm);

}  // namespace ouro::abi
