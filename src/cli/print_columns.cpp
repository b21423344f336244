// A line per event, for people:
//
//   14:03:22.123456789  +0.000001234  3  shop/worker-1 4712     shop:order  id=5 total=9.5  {uid=1000}
//   time                since the     cpu  process/thread tid   event       fields          contexts
//                       line before
#include <ctime>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "cli/print_format.hpp"
#include "cli/print_value.hpp"

namespace ouro::cli {
namespace {

// Of a terminal; empty without colour.
struct Colours {
  std::string_view time, delta, thread, event, context, end;
};
constexpr Colours kColours{"\x1b[33m", "\x1b[2m", "\x1b[36m", "\x1b[1;35m", "\x1b[2m", "\x1b[0m"};

class Columns : public EventPrinter {
 public:
  Columns(const PrintStyle& style, const read::Trace& trace, PrintBuffer& out) : style_(style), out_(out), colours_(style.colour ? kColours : Colours{}), last_ns_(style.last_ns) {
    for (const read::EventClass& type : trace.classes())
      if (style.chosen[type.index]) name_width_ = std::max(name_width_, std::min<std::size_t>(type.name.size(), 40));
    for (const read::EventClass& type : trace.classes()) {
      std::vector<Name>& fields = field_names_.emplace_back();
      bool is_first = true;
      for (std::size_t i = 0; i < type.fields.size(); ++i) {
        const bool is_left_out = i + 1 < type.fields.size() && is_length_of(type.fields[i], type.fields[i + 1]);
        fields.push_back({Lead((is_first ? "" : " ") + type.fields[i].name + "="), is_left_out});
        if (!is_left_out) is_first = false;
      }
      const std::string name = escaped(type.name);
      const std::size_t width = type.fields.empty() ? name.size() : std::max(name_width_ + 2, name.size() + 1);
      names_.push_back(std::string(colours_.event) + name + std::string(colours_.end) + std::string(width - name.size(), ' '));
    }
  }

  void print(const read::Event& event) override {
    head(event);
    thread(event);
    out_.put(names_[event.type->index]);
    fields(event);
    contexts(event.context());
    out_.put('\n');
  }

  Times times() const override { return {first_ns_, last_ns_}; }
  void join(std::string& text, std::int64_t since_ns) const override {
    char delta[64];
    char* const end = padded(delta, duration(delta, since_ns), kDeltaWidth);
    text.replace(first_delta_.at, first_delta_.size, delta, static_cast<std::size_t>(end - delta));
  }

 private:
  static constexpr std::int64_t kNone = INT64_MIN;
  static constexpr std::ptrdiff_t kDeltaWidth = 12;
  static constexpr std::int64_t kSecond = 1'000'000'000;

  static std::int64_t floor_seconds(std::int64_t ns) { return ns / kSecond - (ns % kSecond < 0 ? 1 : 0); }

  // Time, time since the line before, CPU.
  void head(const read::Event& event) {
    const std::int64_t ns = event.time_ns;
    char* p = coloured(out_.room(), colours_.time);
    if (style_.relative) {
      p = duration(p, ns - style_.first_ns);
    } else {
      const std::int64_t second = floor_seconds(ns);
      if (second != shown_second_) name_second(second);
      std::memcpy(p, clock_, 9);
      p = detail::put_nine(p + 9, static_cast<std::uint32_t>(ns - second * kSecond));
    }
    p = coloured(p, colours_.end);
    *p++ = ' ';
    *p++ = ' ';
    p = coloured(p, colours_.delta);
    *p++ = '+';
    char* const delta = p;
    p = padded(p, duration(p, last_ns_ == kNone ? 0 : ns - last_ns_), kDeltaWidth);
    if (last_ns_ == kNone) {
      first_ns_ = ns;
      first_delta_ = {out_.size() + static_cast<std::size_t>(delta - out_.room()), static_cast<std::size_t>(p - delta)};
    }
    p = coloured(p, colours_.end);
    last_ns_ = ns;
    if (event.cpu < 0) *p = '-';
    out_.used(padded(p, event.cpu < 0 ? p + 1 : detail::put_number(p, static_cast<std::uint64_t>(event.cpu)), 4));
  }

  static char* coloured(char* p, std::string_view colour) {
    if (colour.empty()) return p;
    std::memcpy(p, colour.data(), colour.size());
    return p + colour.size();
  }

  // What lies between `begin` and `p`, to `width`; what is longer pushes the rest to the right.
  static char* padded(char* begin, char* p, std::ptrdiff_t width) {
    std::memset(p, ' ', 16);
    return p - begin < width ? begin + width : p + 1;
  }

  // "HH:MM:SS.": computed once per second of trace.
  void name_second(std::int64_t second) {
    const auto when = static_cast<std::time_t>(second);
    std::tm parts{};
    if ((style_.utc ? ::gmtime_r(&when, &parts) : ::localtime_r(&when, &parts)) == nullptr) parts = {};
    std::strftime(clock_, sizeof clock_, "%H:%M:%S.", &parts);
    shown_second_ = second;
  }

  static char* duration(char* p, std::int64_t ns) {
    if (ns < 0) *p++ = '-';
    const std::uint64_t size = ns < 0 ? 0 - static_cast<std::uint64_t>(ns) : static_cast<std::uint64_t>(ns);
    p = detail::put_number(p, size / kSecond);
    *p++ = '.';
    return detail::put_nine(p, static_cast<std::uint32_t>(size % kSecond));
  }

  // Threads write many events: their columns are kept.
  void thread(const read::Event& event) {
    ThreadColumn& column = thread_columns_[static_cast<std::uint32_t>(event.tid) % thread_columns_.size()];
    if (event.tid != column.tid || event.thread != column.thread || column.text.empty()) name_thread(event, column);
    out_.put(column.text);
  }

  // As print_fields(), with names that are ready.
  void fields(const read::Event& event) {
    const std::vector<Name>& names = field_names_[event.type->index];
    const read::Value* value = event.fields().data();
    for (const Name& name : names) {
      if (!name.is_left_out) {
        out_.put(name.text);
        print_value(out_, value);
      }
      value += value->nodes;
    }
  }

  // But for the thread's id, which has its column, and stands first.
  void contexts(std::span<const read::Value> values) {
    while (!values.empty() && (values.front().name() == "tid" || values.front().name() == "vtid")) values = values.subspan(1);
    if (values.empty()) return;
    out_.put(context_);
    print_fields(out_, values);
    out_.put(context_end_);
  }

  struct Name {
    Lead text;
    bool is_left_out = false;  // the length of a sequence
  };
  struct ThreadColumn {
    std::int32_t tid = -1;
    const read::Thread* thread = nullptr;
    std::string text;
  };

  void name_thread(const read::Event& event, ThreadColumn& column) {
    constexpr std::size_t kWidth = 26;
    std::string out;
    if (event.thread != nullptr) {
      const read::Process* process = event.thread->process;
      if (process != nullptr && process->name != event.thread->name) out += escaped(process->name) + "/";
      out += escaped(event.thread->name) + " ";
    }
    out += event.tid >= 0 ? std::to_string(event.tid) : "-";
    const std::size_t width = std::max(kWidth, out.size()) + 1;
    column.text = std::string(colours_.thread) + out + std::string(colours_.end) + std::string(width - out.size(), ' ');
    column.tid = event.tid;
    column.thread = event.thread;
  }

  const PrintStyle& style_;
  PrintBuffer& out_;
  const Colours colours_;
  const Lead context_{"  " + std::string(colours_.context) + "{"}, context_end_{"}" + std::string(colours_.end)};
  std::vector<std::string> names_;  // by class: escaped, padded
  std::vector<std::vector<Name>> field_names_;  // likewise
  std::array<ThreadColumn, 256> thread_columns_;
  std::size_t name_width_ = 0;
  std::int64_t last_ns_, first_ns_ = kNone, shown_second_ = kNone;
  struct {
    std::size_t at = 0, size = 0;
  } first_delta_;  // in the text
  char clock_[16] = {};
};

}  // namespace

std::unique_ptr<EventPrinter> make_columns(const PrintStyle& style, const read::Trace& trace, PrintBuffer& out) {
  return std::make_unique<Columns>(style, trace, out);
}

}  // namespace ouro::cli
