// cli/trace_filter.hpp -- the filters of recording (docs/filters.md) on the events of a trace, whoever wrote it.
//
//   total > 100 && user == "eve*"    ->  term 0: fields[1] > 100, else reject; term 1: fields[2] like eve*, else reject
//
// Names are looked up once for each class of events: its fields; labels; then its own contexts, its stream's and its packet's; then
// tid, pid, cpu, thread and comm, which a trace may know in other ways. Nothing is allocated afterwards.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ouro/read.hpp>
#include <ouro/result.hpp>

#include "filter/filter.hpp"
#include "filter/mistakes.hpp"

namespace ouro::cli {

class TraceFilter {
 public:
  // The mistake if it does not fit.
  static std::optional<filter::Mistake> bind(const filter::Filter& filter, const read::EventClass& type, TraceFilter& out);
  // An event of that class.
  bool accepts(const read::Event& event) const;

  struct Operand {
    enum class Is : std::uint8_t { number, text, any, number_constant, text_constant, label } is{};  // any: depends on the event
    enum class From : std::uint8_t { nowhere, fields, context, packet, tid, pid, cpu, thread, comm } from{};
    enum class Of : std::uint8_t { value, element, length } of{};
    std::uint32_t index = 0;    // of a field: which one; of the element
    std::uint32_t element = 0;
    std::uint64_t mask = 0;
    std::uint64_t bits = 0;     // of constants
    double real = 0;
    abi::FilterOperandKind kind{};                                // of a constant
    std::string text;                                             // likewise
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;  // of a label
    bool is_signed = false;                                       // likewise
  };
  struct Term {
    abi::FilterCompare compare{};
    std::uint16_t then = 0, otherwise = 0;
    Operand left, right;
  };

 private:
  std::vector<Term> terms_;
};

}  // namespace ouro::cli
