// cli/progress.hpp -- how far a command is, on stderr, if that is a terminal and it takes longer than a second:
//
//   ouro: stats: 12.3 M events, 41% (2.1 M events/s)
//
// One line that is written over, and gone when the command goes on to say something.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <ouro/read.hpp>

namespace ouro::cli {

class Progress {
 public:
  struct Place {  // other ones are for tests
    int fd = 2;
    bool is_terminal = false;
    std::chrono::milliseconds after{1000}, every{250};
  };
  Progress(const char* command, const read::Trace& trace) : Progress(command, trace, standard()) {}
  // For a command that writes all along: lines on a terminal are progress enough.
  static Place beside_output();
  Progress(const char* command, const read::Trace& trace, const Place& place);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Each event that was read. Looks at the clock once in 4096.
  void see(const read::Event& event) {
    bytes_ += event.size;
    if ((++events_ & 4095) == 0 && place_.is_terminal) look();
  }
  // Of a command that counts for itself: events so far, and what share of the whole that is.
  void see(std::uint64_t events, double share) {
    events_ = events;
    share_ = share;
    if (place_.is_terminal) look();
  }
  // Takes the line away, if there is one.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  static Place standard();
  void look();
  std::string text(double seconds) const;

  const char* command_;
  const read::Trace& trace_;
  Place place_;
  Clock::time_point begun_ = Clock::now(), next_;
  std::uint64_t events_ = 0, bytes_ = 0;
  std::optional<double> share_;
  bool is_shown_ = false;
};

}  // namespace ouro::cli
