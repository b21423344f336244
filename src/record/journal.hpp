// record/journal.hpp -- what a recorder after a killed one has to know of its trace, in a hidden file of its folder: which session it is of, its UUID, and
// what was lost and left out before it began. Written before the trace's first packet, removed when all is said in it.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include <ouro/abi/ring_layout.hpp>
#include <ouro/result.hpp>

#include "format/ctf.hpp"
#include "record/session.hpp"

namespace ouro::record {

inline constexpr const char* kJournalFile = ".recorder";

struct Journal {
  SessionName session;
  format::Uuid uuid{};
  std::map<std::uint32_t, std::array<std::uint64_t, abi::kLossCauses>> lost;               // by ring: in the traces before
  std::map<std::uint32_t, std::pair<std::uint64_t, std::uint64_t>> left_out;               // by event: above the rate, not among the samples
};

// `folder`: a descriptor.
Status write_journal(int folder, const Journal& journal);
Result<Journal> read_journal(const std::string& folder);
void remove_journal(int folder);  // also one that was being written by somebody who was killed

}  // namespace ouro::record
