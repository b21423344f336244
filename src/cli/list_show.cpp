#include "cli/list_show.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/table.hpp"

namespace ouro::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string head_of(const Listing& listing) {
  const std::string events =
      std::to_string(listing.events.size()) + (listing.events.size() == 1 ? " event" : " events");
  switch (listing.of) {
    case Listing::Of::process: return std::to_string(listing.pid) + " " + listing.name + ": " + events;
    case Listing::Of::file: return listing.name + ": " + events;
    case Listing::Of::trace:
      return listing.name + ": " + events + ", " + std::to_string(listing.event_count) + " records, " +
             std::to_string(listing.lost) + " lost" + (listing.complete ? "" : ", damaged");
  }
  return {};
}

std::string fields_of(const ListedEvent& event) {
  std::string out;
  for (const ListedField& field : event.fields) out += (out.empty() ? "" : ", ") + field.name + " " + field.type;
  return out.empty() ? "-" : out;
}

std::string or_dash(const std::string& text) { return text.empty() ? "-" : printable(text); }

std::string count_of(const std::optional<std::uint64_t>& count) { return count ? std::to_string(*count) : "-"; }

Table table_of(const Listing::Of of) {
  switch (of) {
    case Listing::Of::process:
      return Table({"Event", "kind", "level", "on in", "count", "place", "fields"}, "llllrl", "  ");
    case Listing::Of::trace: return Table({"Event", "kind", "level", "count", "place", "fields"}, "lllrl", "  ");
    case Listing::Of::file: break;
  }
  return Table({"Event", "kind", "level", "place", "fields"}, "l", "  ");
}

void add_to(Table& table, const Listing::Of of, const ListedEvent& event) {
  std::vector<std::string> row{printable(event.name), event.kind, or_dash(event.level)};
  if (of == Listing::Of::process) {
    std::string sessions, counts;
    for (const ListedEvent::OnIn& on : event.sessions) {
      sessions += (sessions.empty() ? "" : ",") + printable(on.session);
      counts += (counts.empty() ? "" : ",") + count_of(on.count);
    }
    row.push_back(or_dash(sessions));
    row.push_back(or_dash(counts));
  }
  if (of == Listing::Of::trace) row.push_back(count_of(event.count));
  row.push_back(or_dash(event.place()));
  row.push_back(printable(fields_of(event)));
  table.add(std::move(row));
}

Json json_of(const ListedField& field) {
  Json out{{"name", field.name}, {"type", field.type}};
  // As JSON's own numbers: they were made by to_string().
  const auto number = [](const std::string& text) { return Json::parse(text); };
  for (const ListedLabel& label : field.labels) {
    Json one{{"value", number(label.low)}, {"text", label.text}};
    if (label.high != label.low) one["to"] = number(label.high);
    out["labels"].push_back(std::move(one));
  }
  return out;
}

Json json_of(const Listing::Of of, const ListedEvent& event) {
  Json fields = Json::array();
  for (const ListedField& field : event.fields) fields.push_back(json_of(field));
  Json out{{"name", event.name},
           {"kind", event.kind},
           {"level", event.level.empty() ? Json(nullptr) : Json(event.level)},
           {"fields", std::move(fields)},
           {"file", event.file.empty() ? Json(nullptr) : Json(event.file)},
           {"line", event.file.empty() ? Json(nullptr) : Json(event.line)}};
  const auto count = [](const std::optional<std::uint64_t>& n) { return n ? Json(*n) : Json(nullptr); };
  if (of == Listing::Of::trace) out["count"] = count(event.count);
  if (of == Listing::Of::process) {
    out["enabled"] = !event.sessions.empty();
    out["sessions"] = Json::array();
    for (const ListedEvent::OnIn& on : event.sessions)
      out["sessions"].push_back({{"name", on.session}, {"count", count(on.count)}});
  }
  return out;
}

Json json_of(const Listing& listing) {
  Json out;
  switch (listing.of) {
    case Listing::Of::process: out = {{"pid", listing.pid}, {"name", listing.name}}; break;
    case Listing::Of::file: out = {{"file", listing.name}}; break;
    case Listing::Of::trace:
      out = {{"trace", listing.name},
             {"complete", listing.complete},
             {"event_count", listing.event_count},
             {"lost", {{"total", listing.lost}, {"by_cause", Json(listing.lost_by_cause)}}}};
      break;
  }
  out["events"] = Json::array();
  for (const ListedEvent& event : listing.events) out["events"].push_back(json_of(listing.of, event));
  return out;
}

}  // namespace

void show_text(const std::vector<Listing>& listings) {
  for (const Listing& listing : listings) {
    std::puts(printable(head_of(listing)).c_str());
    Table table = table_of(listing.of);
    for (const ListedEvent& event : listing.events) add_to(table, listing.of, event);
    if (!table.empty()) table.print();
  }
}

void show_json(const std::vector<Listing>& listings) {
  Json out = Json::array();
  for (const Listing& listing : listings) out.push_back(json_of(listing));
  std::puts(out.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

}  // namespace ouro::cli
