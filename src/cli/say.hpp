// cli/say.hpp -- what the command says beside its output: on stderr, one line a message, all with one prefix.
#pragma once
#include <cstdint>
#include <string>

namespace ouro::cli {

// "ouro: " + text + "\n", in one write: lines of the recorded program do not come in between.
[[gnu::format(printf, 1, 2)]] void say(const char* format, ...);
void say_line(const std::string& text);

// "41.2 MB": powers of 1000, as disks are sold.
std::string human_bytes(std::uint64_t bytes);
// "4M", "256K", "1000": what --buffer-size takes.
std::string binary_size(std::uint64_t bytes);

}  // namespace ouro::cli
