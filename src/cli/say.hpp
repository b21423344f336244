// cli/say.hpp -- what the command says beside its output: on stderr, one line a message, all with one prefix.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace ouro::cli {

// "ouro: " + text + "\n", in one write: lines of the recorded program do not come in between.
[[gnu::format(printf, 1, 2)]] void say(const char* format, ...);
void say_line(const std::string& text);

// While it lives, what this thread says goes to `to` instead, without the prefix.
class SayTo {
 public:
  explicit SayTo(std::function<void(const std::string&)> to);
  ~SayTo();
  SayTo(const SayTo&) = delete;
  SayTo& operator=(const SayTo&) = delete;

 private:
  std::function<void(const std::string&)> to_;
};

// "41.2 MB": powers of 1000, as disks are sold.
std::string human_bytes(std::uint64_t bytes);
// "4M", "256K", "1000": what --buffer-size takes.
std::string binary_size(std::uint64_t bytes);

}  // namespace ouro::cli
