// format/pieces.hpp -- a recording in pieces: a folder of traces, one behind the other.
//
//   FOLDER/20261122T022225Z-000001         whole: when it began (UTC), and its number, which goes on with the next recording
//          20261122T032225Z-000002
//          20261122T042225Z-000003.part    being written, or its recorder was killed
//
// Names that are ordered are in the order of time.
#pragma once
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace ouro::format {

inline constexpr std::string_view kPartSuffix = ".part";
// Behind the name of a stream's file that is compressed.
inline constexpr std::string_view kCompressedSuffix = ".zst";

struct PieceName {
  std::uint64_t number = 0;
  bool is_part = false;
};
std::string piece_name(std::time_t begin, std::uint64_t number);
// None: a name of something else.
std::optional<PieceName> parse_piece_name(std::string_view name);

}  // namespace ouro::format
