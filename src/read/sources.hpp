// read/sources.hpp -- which traces there are in folders.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <ouro/result.hpp>

namespace ouro::read {

struct TraceFolder {
  std::string folder;
  std::string prefix;     // of its files' names, so that they differ from those of other traces
  std::size_t chain = 0;  // those of one chain follow each other (format/pieces.hpp); chains go on side by side
};

// A folder with `metadata` is a trace; one with the traces of a rotated recording is a chain of them; of any other, all of this below it. Chains are
// numbered from 0, their traces stand together and in order of time.
Result<std::vector<TraceFolder>> find_traces(const std::vector<std::string>& roots);

// Names of a trace's stream files, sorted.
Result<std::vector<std::string>> stream_files(const std::string& folder);
bool is_compressed(std::string_view file);
std::string_view without_compressed_suffix(std::string_view file);  // the same if it has none

}  // namespace ouro::read
