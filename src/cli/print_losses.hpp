// cli/print_losses.hpp -- what a trace lost, as far as it says: per stream by the packets' counts, by cause through the
// ouro:lost events that end a recording. Both count the same events; a ring that never filled a packet shows up in
// the second alone.
#pragma once
#include <cstdint>
#include <map>
#include <string>

#include <ouro/read.hpp>

namespace ouro::cli {

class Losses {
 public:
  // Every event of the trace; all but ouro:lost and ouro:left_out are ignored.
  void see(const read::Event& event) {
    if (event.type->is_state) see_state(event);
  }
  // Of another part of the same trace, behind this one.
  void add(const Losses& later);
  // After the last event. `by_stream`: what the packets say, of all streams.
  std::uint64_t total(std::uint64_t by_stream) const;
  std::uint64_t total(const read::Trace& trace) const;
  const std::map<std::string, std::uint64_t>& by_cause() const { return by_cause_; }
  // What was not wanted, by event: above a rate, not among the samples.
  struct LeftOut {
    std::uint64_t over_rate = 0, not_sampled = 0;
  };
  const std::map<std::string, LeftOut>& left_out() const { return left_out_; }

 private:
  void see_state(const read::Event& event);
  std::map<std::string, std::uint64_t> by_cause_;
  std::map<std::string, LeftOut> left_out_;
};

// One line on stderr for what Trace::warnings() says.
void say_warnings(const char* command, const std::vector<std::string>& warnings);

// One line on stderr per damaged place (the first few), and one that says what it means. Returns the exit status.
int say_damage(const char* command, const read::Trace& trace);

}  // namespace ouro::cli
