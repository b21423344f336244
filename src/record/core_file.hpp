// record/core_file.hpp -- sessions in a core dump: where a program died and its runtime folder is gone, what it had mapped is there.
//
//   core     | ELF header | PT_NOTE: NT_FILE says which file was mapped where | PT_LOAD: memory | PT_LOAD ...
//   session  | header, tables, rings |  <- put together from the parts that were dumped; what was not is zeros
//
// The kernel dumps a session only if the process's coredump_filter has bit 3 (shared memory of files), which is not its default; core(5).
// Nothing in the file is trusted.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <ouro/result.hpp>

#include "base/fd.hpp"

namespace ouro::record {

struct CoreSession {
  std::string path;           // as the program had it mapped; empty: the core does not tell
  base::Fd image;             // for Session::of_image
  std::uint64_t size = 0;     // of the whole
  std::uint64_t missing = 0;  // bytes of it that are not in the core
};
struct CoreFile {
  std::vector<CoreSession> sessions;
  std::vector<std::string> left_out;  // sessions that were mapped, and of which the core has nothing, or nothing that makes sense: name and why
  bool is_cut_short = false;          // the file ends before its parts do
};
Result<CoreFile> read_core(const std::string& path);

}  // namespace ouro::record
