// An object a line:
//
//   {"time":1795265403551125226,"cpu":1,"tid":4711,"thread":"worker","pid":4700,"process":"shop",
//    "event":"shop:order","fields":{"id":5,"total":9.5},"context":{"uid":1000}}
//
// What the trace does not know is left out.
#include "cli/print_json.hpp"

#include <cmath>

#include "cli/print_format.hpp"
#include "cli/print_number.hpp"
#include "cli/print_value.hpp"

namespace ouro::cli {

using read::Kind;
using read::Value;

namespace {

constexpr auto kPlain = [] {
  std::array<bool, 256> plain{};
  for (unsigned c = 0x20; c < 0x80; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

void put_special(PrintBuffer& out, unsigned char c) {
  static constexpr char hex[] = "0123456789abcdef";
  switch (c) {
    case '"': return out.put("\\\"");
    case '\\': return out.put("\\\\");
    case '\n': return out.put("\\n");
    case '\t': return out.put("\\t");
    case '\r': return out.put("\\r");
    default: break;
  }
  out.put(c < 0x20 ? "\\u00" : "\\\\x");
  out.put(hex[c >> 4]);
  out.put(hex[c & 15]);
}

template <class T>
void put_real_number(PrintBuffer& out, T value) {
  if (std::isfinite(value)) out.number(value);
  else out.put(std::isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
}

void put_scalar(PrintBuffer& out, const Value& value) {
  switch (value.kind()) {
    case Kind::floating_point:
      if (value.type().bits == 32) put_real_number(out, static_cast<float>(value.f));
      else put_real_number(out, value.f);
      return;
    case Kind::enumeration:
      if (const std::string_view label = value.label(); !label.empty()) return put_json(out, label);
      break;
    case Kind::boolean: return out.put(value.u != 0 ? "true" : "false");
    default: break;
  }
  if (value.type().is_signed) out.number(value.i);
  else out.number(value.u);
}

void put_list(PrintBuffer& out, const Value* list) {
  out.put('[');
  const Value* element = list + 1;
  for (std::uint32_t i = 0; i < list->count; ++i) {
    if (i != 0) out.put(',');
    if (list->is_packed()) {
      put_scalar(out, list->element(i));
    } else {
      put_json(out, element);
      element += element->nodes;
    }
  }
  out.put(']');
}

class Json : public EventPrinter {
 public:
  Json(const read::Trace& trace, PrintBuffer& out) : out_(out) {
    for (const read::EventClass& type : trace.classes()) {
      std::string text;
      PrintBuffer name(text);
      name.put("\"event\":");
      put_json(name, type.name);
      name.put(",\"fields\":");
      name.flush();
      names_.push_back(std::move(text));
    }
  }

  void print(const read::Event& event) override {
    out_.put('{');
    if (event.type->clock != nullptr) {
      out_.put("\"time\":");
      out_.number(event.time_ns);
      out_.put(',');
    }
    number("\"cpu\":", event.cpu);
    number("\"tid\":", event.tid);
    if (event.thread != nullptr) thread(*event.thread);
    out_.put(names_[event.type->index]);
    put_json_object(out_, event.fields());
    if (!event.context().empty()) {
      out_.put(",\"context\":");
      put_json_object(out_, event.context());
    }
    out_.put("}\n");
  }

 private:
  void number(std::string_view lead, std::int32_t value) {
    if (value < 0) return;
    out_.put(lead);
    out_.number(value);
    out_.put(',');
  }
  void text(std::string_view lead, std::string_view value) {
    out_.put(lead);
    put_json(out_, value);
    out_.put(',');
  }
  void thread(const read::Thread& thread) {
    text("\"thread\":", thread.name);
    number("\"pid\":", thread.pid);
    if (thread.process != nullptr) text("\"process\":", thread.process->name);
  }

  PrintBuffer& out_;
  std::vector<std::string> names_;  // by class
};

}  // namespace

void put_json(PrintBuffer& out, std::string_view text) {
  out.put('"');
  const char *plain = text.data(), *const end = plain + text.size();
  for (const char* at = plain; (at = find_special(at, end, kPlain)) != end;) {
    const auto index = static_cast<std::size_t>(at - text.data());
    const std::size_t n = static_cast<unsigned char>(*at) >= 0x80 ? utf8_length(text, index) : 0;
    if (n != 0) {
      at += n;
      continue;
    }
    out.put({plain, static_cast<std::size_t>(at - plain)});
    put_special(out, static_cast<unsigned char>(*at));
    plain = ++at;
  }
  out.put({plain, static_cast<std::size_t>(end - plain)});
  out.put('"');
}

void put_json(PrintBuffer& out, const Value* value) {
  switch (value->kind()) {
    case Kind::string: return put_json(out, value->text());
    case Kind::structure: return put_json_object(out, {value + 1, value->nodes - 1});
    case Kind::blob: {
      std::string text;
      PrintBuffer buffer(text);
      print_value(buffer, value);
      buffer.flush();
      return put_json(out, text);
    }
    case Kind::variant:
    case Kind::optional:
      if (value->count != 0) put_json(out, value + 1);
      else out.put("null");
      return;
    case Kind::array: return put_list(out, value);
    default: put_scalar(out, *value);
  }
}

void put_json_object(PrintBuffer& out, std::span<const Value> fields) {
  char before = '{';
  for (std::size_t at = 0; at < fields.size(); at += fields[at].nodes) {
    const std::size_t next = at + fields[at].nodes;
    if (next < fields.size() && is_length_of(*fields[at].field, *fields[next].field)) continue;
    out.put(before);
    before = ',';
    put_json(out, fields[at].name());
    out.put(':');
    put_json(out, &fields[at]);
  }
  out.put(before == '{' ? "{}" : "}");
}

std::unique_ptr<EventPrinter> make_json(const PrintStyle&, const read::Trace& trace, PrintBuffer& out) {
  return std::make_unique<Json>(trace, out);
}

}  // namespace ouro::cli
