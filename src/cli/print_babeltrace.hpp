// cli/print_babeltrace.hpp -- events as `babeltrace2 TRACE` (2.0.4) writes them, to the byte:
//
//   [05:48:03.551125226] (+0.000000090) vm every:request: { cpu_id = 1 }, { vtid = 19571 }, { id = 7, path = "/" }
//   time                 since before   host name of the   packet's       stream's and the  fields
//                                       event              context        event's contexts
//
// What a class's events have in common is put together once (print_babeltrace_values.hpp): the text in front of each value, and which values are shown. Those that
// only serve to decode are not: stamps, sizes and counts of packets.
#pragma once
#include <ctime>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ouro/read.hpp>

#include "cli/print_format.hpp"

namespace ouro::cli {

class BabeltracePrinter : public EventPrinter {
 public:
  BabeltracePrinter(const read::Trace& trace, bool utc, PrintBuffer& out);
  ~BabeltracePrinter() override;
  void print(const read::Event& event) override;
  Times times() const override { return {first_ns_, last_ns_}; }
  void join(std::string& text, std::int64_t since_ns) const override;

 private:
  struct Class;  // of events
  struct Line {  // one of those with the time of the last event
    const read::Stream* stream;
    std::uint64_t begin;  // in the whole text
  };

  void time(std::int64_t ns);  // and since the event before
  void time_in_second(char* p, std::uint32_t ns);
  void name_second(std::int64_t second, bool is_negative);
  void packet_context(const read::Event& event, const Class& type);
  void put_in_order(std::uint64_t begin, std::int64_t ns, const read::Stream& stream);

  PrintBuffer& out_;
  const bool utc_;
  std::vector<std::unique_ptr<Class>> classes_;
  const std::vector<read::Source>& sources_;
  std::vector<std::string> source_texts_;

  struct Context {  // of a stream's last packet
    std::uint64_t packets = 0;  // that the stream had then
    std::vector<read::Value> values;
    Lead text;
  };
  std::vector<Context> contexts_;  // by stream
  const read::Stream* first_stream_ = nullptr;

  std::int64_t first_ns_ = -1, last_ns_ = -1, delta_ns_ = -1;  // as babeltrace2 keeps them: -1 is none
  static constexpr std::int64_t kNoSecond = INT64_MIN;
  std::int64_t shown_ns_ = kNoSecond;  // where the second begins that clock_ has
  char clock_[16] = {};
  bool said_negative_ = false;

  std::int64_t lines_ns_ = INT64_MIN;
  std::vector<Line> lines_;
};

}  // namespace ouro::cli
