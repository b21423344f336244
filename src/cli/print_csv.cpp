// Rows with commas (RFC 4180): a head, then a row per event; a column for each field of the chosen events, by name, and for each context.
// What an event has not is empty. A value with others inside is JSON.
#include <unordered_map>

#include "cli/print_format.hpp"
#include "cli/print_json.hpp"
#include "cli/print_value.hpp"

namespace ouro::cli {

using read::Field;
using read::Kind;
using read::Value;

namespace {

constexpr std::size_t kNoColumn = ~std::size_t{0};

class Csv : public EventPrinter {
 public:
  Csv(const PrintStyle& style, const read::Trace& trace, PrintBuffer& out) : out_(out) {
    columns_.resize(trace.classes().size());
    for (const read::EventClass& type : trace.classes()) {
      if (!style.chosen[type.index]) continue;
      add(type.fields, "", columns_[type.index].fields);
    }
    for (const read::EventClass& type : trace.classes()) {
      if (!style.chosen[type.index]) continue;
      Columns& columns = columns_[type.index];
      if (type.stream_context != nullptr) add(type.stream_context->members, "context.", columns.context);
      add(type.context, "context.", columns.context);
    }
    out_.put("time,cpu,process,pid,thread,tid,event");
    for (const std::string& name : names_) {
      out_.put(',');
      text(name);
    }
    out_.put("\r\n");
    cells_.resize(names_.size());
  }

  void print(const read::Event& event) override {
    if (event.type->clock != nullptr) time(event.time_ns);
    number(event.cpu);
    const read::Process* process = event.thread != nullptr ? event.thread->process : nullptr;
    out_.put(',');
    if (process != nullptr) text(process->name);
    number(event.thread != nullptr ? event.thread->pid : -1);
    out_.put(',');
    if (event.thread != nullptr) text(event.thread->name);
    number(event.tid);
    out_.put(',');
    text(event.type->name);
    cells_.assign(names_.size(), nullptr);
    fill(event.fields(), columns_[event.type->index].fields);
    fill(event.context(), columns_[event.type->index].context);
    for (const Value* value : cells_) {
      out_.put(',');
      if (value != nullptr) cell(value);
    }
    out_.put("\r\n");
  }

 private:
  struct Columns {
    std::vector<std::size_t> fields, context;
  };

  void add(const std::vector<Field>& fields, const char* prefix, std::vector<std::size_t>& columns) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (i + 1 < fields.size() && is_length_of(fields[i], fields[i + 1])) {
        columns.push_back(kNoColumn);
        continue;
      }
      const auto [it, is_new] = by_name_.try_emplace(prefix + fields[i].name, names_.size());
      if (is_new) names_.push_back(it->first);
      columns.push_back(it->second);
    }
  }

  void fill(std::span<const Value> values, const std::vector<std::size_t>& columns) {
    std::size_t i = 0;
    for (std::size_t at = 0; at < values.size(); at += values[at].nodes, ++i)
      if (columns[i] != kNoColumn) cells_[columns[i]] = &values[at];
  }

  // Seconds since 1970.
  void time(std::int64_t ns) {
    const std::uint64_t size = ns < 0 ? 0 - static_cast<std::uint64_t>(ns) : static_cast<std::uint64_t>(ns);
    if (ns < 0) out_.put('-');
    out_.number(size / 1'000'000'000);
    out_.put('.');
    out_.nine_digits(size % 1'000'000'000);
  }
  void number(std::int32_t value) {
    out_.put(',');
    if (value >= 0) out_.number(value);
  }

  void text(std::string_view value) {
    if (value.find_first_of("\",\r\n") == std::string_view::npos) return out_.put(value);
    out_.put('"');
    for (const char c : value) {
      if (c == '"') out_.put('"');
      out_.put(c);
    }
    out_.put('"');
  }

  void cell(const Value* value) {
    if ((value->kind() == Kind::variant || value->kind() == Kind::optional) && value->count != 0) ++value;
    switch (value->kind()) {
      case Kind::string: return text(value->text());
      case Kind::enumeration:
        if (const std::string_view label = value->label(); !label.empty()) return text(label);
        return put_json(out_, value);
      case Kind::unsigned_integer:
      case Kind::signed_integer:
      case Kind::floating_point: return scalar(value);
      default: break;
    }
    json_.clear();
    put_json(json_buffer_, value);
    json_buffer_.flush();
    text(json_);
  }

  void scalar(const Value* value) {
    if (value->kind() == Kind::floating_point && !(value->f - value->f == 0)) return out_.put(value->f != value->f ? "NaN" : value->f > 0 ? "Infinity" : "-Infinity");
    put_json(out_, value);
  }

  PrintBuffer& out_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::size_t> by_name_;
  std::vector<Columns> columns_;  // by class
  std::vector<const Value*> cells_;
  std::string json_;
  PrintBuffer json_buffer_{json_};
};

}  // namespace

std::unique_ptr<EventPrinter> make_csv(const PrintStyle& style, const read::Trace& trace, PrintBuffer& out) {
  return std::make_unique<Csv>(style, trace, out);
}

}  // namespace ouro::cli
