#include "record/event_watch.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <ouro/abi/context_layout.hpp>

#include "base/glob.hpp"
#include "clock/calibrate.hpp"
#include "record/field_text.hpp"
#include "ring/internal.hpp"
#include "ring/wait.hpp"

namespace ouro::record {
namespace {

constexpr std::uint32_t kSubbufs = 8;
constexpr std::uint64_t kSubbufSize = 16 << 10;

bool is_pattern(const std::string& glob) { return glob.find_first_of("*?[") != std::string::npos; }

// Which conditions go into which session.
std::vector<std::vector<std::size_t>> share_sessions(const std::vector<EventCondition>& conditions) {
  std::vector<std::vector<std::size_t>> out;
  const auto collides = [&](std::size_t a, std::size_t b) {
    return is_pattern(conditions[a].event) || is_pattern(conditions[b].event) || conditions[a].event == conditions[b].event;
  };
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    const auto place = std::find_if(out.begin(), out.end(), [&](const auto& group) {
      return std::none_of(group.begin(), group.end(), [&](std::size_t other) { return collides(i, other); });
    });
    if (place != out.end()) place->push_back(i);
    else out.push_back({i});
  }
  return out;
}

double measure_ticks_a_ns(abi::ClockKind kind) {
  if (kind == abi::ClockKind::monotonic) return 1;
  const clock::Pair begin = clock::read_pair(kind);
  ::usleep(10'000);
  const clock::Pair end = clock::read_pair(kind);
  return static_cast<double>(end.ticks - begin.ticks) / static_cast<double>(end.ns - begin.ns);
}

SessionOptions small_session(const SessionOptions& like, std::size_t number, bool has_spans) {
  SessionOptions out;
  out.name = like.name + ".on" + std::to_string(number + 1);
  out.clock = like.clock;
  out.owner = like.owner;
  out.group = like.group;
  out.subbuf_count = kSubbufs;
  out.subbuf_size = kSubbufSize;
  out.contexts = abi::bit(abi::Context::pid) | (has_spans ? abi::bit(abi::Context::span) : 0);
  out.is_watched = true;
  out.event_capacity = 1024;
  out.thread_capacity = out.process_capacity = 64;
  out.schemas_size = 256 << 10;
  return out;
}

// A span's halves by the span's name.
std::string base_name(const format::EventClass& event) {
  if (event.kind == abi::EventKind::span_begin) return event.name.substr(0, event.name.size() - std::strlen("_begin"));
  if (event.kind == abi::EventKind::span_end) return event.name.substr(0, event.name.size() - std::strlen("_end"));
  return event.name;
}

}  // namespace

EventWatch::Source::Source(const Session& of) : session(&of), events(of) {
  rings.reserve(of.ring_count());
  for (std::uint32_t i = 0; i < of.ring_count(); ++i) rings.emplace_back(of.ring(i), of.geometry(i));
}

Result<EventWatch> EventWatch::create(const base::RuntimeDir& folder, const SessionOptions& like, std::vector<EventCondition> conditions) {
  EventWatch out;
  out.conditions_ = std::move(conditions);
  const auto groups = share_sessions(out.conditions_);
  if (groups.size() > kMostSessions)
    return errorf(E2BIG, "triggers: %zu sessions would be needed, want at most %zu (hint: conditions of different events, without patterns, share one)",
                  groups.size(), kMostSessions);
  const double ticks_a_ns = measure_ticks_a_ns(like.clock);
  out.sessions_.reserve(groups.size());
  for (const std::vector<std::size_t>& group : groups) {
    const bool has_spans = std::any_of(group.begin(), group.end(), [&](std::size_t i) { return out.conditions_[i].longer.count() > 0; });
    SessionOptions options = small_session(like, out.sessions_.size(), has_spans);
    for (const std::size_t i : group) {
      const EventCondition& condition = out.conditions_[i];
      Rule& rule = options.rules.emplace_back();
      rule.name = condition.event;
      rule.filter = condition.filter;
      rule.code = condition.code;
      if (condition.longer.count() > 0) rule.longer = std::max<std::uint64_t>(static_cast<std::uint64_t>(static_cast<double>(condition.longer.count()) * ticks_a_ns), 1);
    }
    Result<Session> session = Session::create(folder, options);
    if (!session) return session.error();
    out.sessions_.push_back(std::move(*session));
    out.sources_.push_back(std::make_unique<Source>(out.sessions_.back()));
    out.sources_.back()->conditions = group;
    out.sources_.back()->ticks_a_ns = ticks_a_ns;
  }
  return out;
}

const EventWatch::Known* EventWatch::know(Source& source, std::uint32_t id) const {
  const auto& events = source.events.events();
  const auto find = [&] { return source.known.find(id); };
  if (find() == source.known.end()) {
    source.events.update();
    for (; source.taken < events.size(); ++source.taken) {
      const auto& [of, event] = events[source.taken];
      Known& known = source.known[of];
      known = {source.taken, base_name(event), conditions_.size()};
      for (const std::size_t i : source.conditions)
        if (known.condition == conditions_.size() && base::glob_match(conditions_[i].event.c_str(), known.name.c_str())) known.condition = i;
    }
  }
  const auto found = find();
  return found != source.known.end() ? &found->second : nullptr;
}

// Of a span's end: its context (ouro/abi/context_layout.hpp). The fields may have been cut: those that are whole are taken.
void EventWatch::read_span(Source& source, std::span<const std::byte> bytes, WatchedEvent& out) const {
  abi::SpanHead head;
  if (bytes.size() < sizeof head) return;
  std::memcpy(&head, bytes.data(), sizeof head);
  bytes = bytes.subspan(sizeof head);
  out.span_ns = static_cast<std::int64_t>(std::min(static_cast<double>(head.ticks) / source.ticks_a_ns, 9e18));
  const Known* const begin = head.begin_id != abi::kNoSpanBegin ? know(source, head.begin_id) : nullptr;
  if (begin == nullptr) return;
  for (const format::Field& field : source.class_of(*begin).fields) {
    std::optional<std::string> text = take_field(bytes, field);
    if (!text) return;
    out.fields.emplace_back(field.name, std::move(*text));
  }
}

void EventWatch::read(Source& source, std::size_t ring, const ring::Packet& packet, const clock::Pair& now, const std::function<void(const WatchedEvent&)>& see) {
  const std::span<const std::byte> records = packet.bytes;
  const bool has_spans = (source.session->options().contexts & abi::bit(abi::Context::span)) != 0;
  std::uint64_t stamp = packet.begin_stamp;
  for (std::size_t at = 0;;) {
    ring::skip_dead(records, at);
    std::uint32_t id = 0, head[2], span_size = 0;  // thread and process
    if (at == records.size() || !ring::parse_head(records, at, stamp, id) || !ring::take_bytes(records, at, head, sizeof head)) return;
    if (has_spans && (!ring::take_bytes(records, at, &span_size, sizeof span_size) || span_size > records.size() - at)) return;
    const Known* const known = know(source, id);
    if (known == nullptr) return;
    WatchedEvent out;
    out.name = known->name;
    out.condition = known->condition;
    out.stamp = stamp;
    out.time_ns = now.ns - static_cast<std::int64_t>(static_cast<double>(static_cast<std::int64_t>(now.ticks - stamp)) / source.ticks_a_ns);
    out.cpu = source.session->geometry(static_cast<std::uint32_t>(ring)).cpu;
    out.tid = head[0];
    out.pid = head[1];
    read_span(source, records.subspan(at, span_size), out);
    std::span<const std::byte> rest = records.subspan(at + span_size);
    for (const format::Field& field : source.class_of(*known).fields) {
      std::optional<std::string> text = take_field(rest, field);
      if (!text) return;
      out.fields.emplace_back(field.name, std::move(*text));
    }
    at = records.size() - rest.size();
    if (out.condition < conditions_.size()) see(out);
  }
}

void EventWatch::take(const std::function<void(const WatchedEvent&)>& see) {
  for (const auto& source : sources_) {
    clock::Pair now = clock::read_pair(source->session->options().clock);
    now.ns += clock::read_realtime_offset().ns;
    for (std::size_t i = 0; i < source->rings.size(); ++i) {
      ring::Reader& ring = source->rings[i];
      // Ends also if somebody goes on writing: after a lap.
      for (std::uint32_t n = 0; n <= kSubbufs; ++n) {
        ring::Packet packet;
        if (ring.next(packet, true) != ring::Reader::Answer::packet) break;
        read(*source, i, packet, now, see);
        ring.release();
      }
    }
  }
}

bool EventWatch::wait(std::chrono::nanoseconds patience) {
  heard_.resize(sessions_.size());
  std::vector<ring::Sleep> bells;
  for (std::size_t i = 0; i < sessions_.size(); ++i) bells.push_back({&sessions_[i].header().bell, &sessions_[i].header().sleepers, heard_[i]});
  ring::sleep_on_any(bells, static_cast<std::uint64_t>(patience.count()));
  bool rang = false;
  for (std::size_t i = 0; i < sessions_.size(); ++i) {
    const std::uint32_t count = sessions_[i].header().bell.load(std::memory_order_acquire);
    rang |= std::exchange(heard_[i], count) != count;
  }
  return rang;
}

std::uint64_t EventWatch::lost() const {
  std::uint64_t out = 0;
  for (const auto& source : sources_)
    for (const ring::Reader& ring : source->rings) out += ring.lost_total();
  return out;
}

}  // namespace ouro::record
