// cli/print_format.hpp -- how `ouro print` writes events; a file print_NAME.cpp for each way.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ouro/read.hpp>

#include "cli/print_buffer.hpp"

namespace ouro::cli {

class EventPrinter {
 public:
  virtual ~EventPrinter() = default;
  virtual void print(const read::Event& event) = 0;
  // Of the first and the last line, as this counts time.
  struct Times {
    std::int64_t first_ns = 0, last_ns = 0;
  };
  virtual Times times() const { return {}; }
  // `text` begins with the first line that this printed, and it did not know of a line before. There is one, and so long ago was it.
  virtual void join(std::string& /*text*/, std::int64_t /*since_ns*/) const {}
};

struct PrintStyle {
  bool relative = false, utc = false, colour = false;
  std::int64_t first_ns = 0;  // of the trace's first event; known before the first one is printed
  std::vector<bool> chosen;   // event classes of which there may be events, by index
  std::int64_t last_ns = INT64_MIN;  // of the line before; none: this is the first one. Of columns
};

using MakePrinter = std::unique_ptr<EventPrinter> (*)(const PrintStyle& style, const read::Trace& trace, PrintBuffer& out);

// Each may write a head at once. All must outlive what comes back.
std::unique_ptr<EventPrinter> make_columns(const PrintStyle& style, const read::Trace& trace, PrintBuffer& out);
std::unique_ptr<EventPrinter> make_babeltrace(const PrintStyle& style, const read::Trace& trace, PrintBuffer& out);
std::unique_ptr<EventPrinter> make_json(const PrintStyle& style, const read::Trace& trace, PrintBuffer& out);
std::unique_ptr<EventPrinter> make_csv(const PrintStyle& style, const read::Trace& trace, PrintBuffer& out);

}  // namespace ouro::cli
