// record/compress.hpp -- the streams of a trace that is whole, as zstd files.
//
//   stream_cpu0        written, then gone             at each moment one of both is whole: who finds both reads the first
//   stream_cpu0.zst    renamed to this when whole     metadata stays as it is
#pragma once
#include <functional>
#include <string>

#include <ouro/result.hpp>

namespace ouro::record {

// `trace` in `folder` (a descriptor, or AT_FDCWD). Asks `is_enough` each MB or so: true, and the file under way stays as it is, as do those behind it.
// An error: so too. A file that would not become smaller stays.
Status compress_trace(int folder, const std::string& trace, const std::function<bool()>& is_enough);

}  // namespace ouro::record
