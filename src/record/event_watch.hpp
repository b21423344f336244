// record/event_watch.hpp -- events that somebody waits for: small sessions of their own, whose programs judge each event where it happens
// (filter, length of a span), write those that match, and ring the session's bell.
//
//   condition  --> rule of a session that is watched --> program: matches? writes it, bell += 1, futex(2) wakes --> take()
//
// Conditions of one event each, all of them different, share a session; others have their own: of one session's rules one decides.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ouro/ring/reader.hpp>

#include "base/runtime_dir.hpp"
#include "record/event_table.hpp"
#include "record/session.hpp"

namespace ouro::record {

struct EventCondition {
  std::string event;                    // a glob
  std::string filter = {};              // an expression; empty: none
  std::vector<std::byte> code = {};     // compiled
  std::chrono::nanoseconds longer{0};   // spans that took so long; 0: any event
};

struct WatchedEvent {
  std::size_t condition = 0;            // its place in the list
  std::string name;
  std::int64_t time_ns = 0;             // CLOCK_REALTIME
  std::uint64_t stamp = 0;              // of the session's clock
  std::uint32_t cpu = 0, pid = 0, tid = 0;
  std::int64_t span_ns = -1;            // of a span: how long it took; -1: it is none
  std::vector<std::pair<std::string, std::string>> fields;  // of a span: with which it began, as far as the program kept them
};

class EventWatch {
 public:
  // `like`: clock and owner are the watched program's session's; its name begins theirs. Error: more than kMostSessions would be needed.
  static constexpr std::size_t kMostSessions = 6;  // of 16 that a program can have
  static Result<EventWatch> create(const base::RuntimeDir& folder, const SessionOptions& like, std::vector<EventCondition> conditions);

  // The programs are to be attached to these (record/attachment.hpp).
  const std::vector<Session>& sessions() const { return sessions_; }

  // Calls see(event) for all that came since the last call, of each session the oldest first on each CPU.
  void take(const std::function<void(const WatchedEvent&)>& see);
  // Has a bell rung since this was last asked? Sleeps until one does, for so long at most. In one thread, which need not be take()'s.
  bool wait(std::chrono::nanoseconds patience);

  // Events that matched and found no room: nobody took the ones before in time.
  std::uint64_t lost() const;

 private:
  struct Known {
    std::size_t event = 0;      // in its source's table
    std::string name;           // of a span's halves: the span's
    std::size_t condition = 0;  // conditions_.size(): none
  };
  struct Source {  // a session's
    explicit Source(const Session& session);
    const Session* session;
    EventTable events;
    std::vector<ring::Reader> rings;
    std::vector<std::size_t> conditions;
    double ticks_a_ns = 1;
    std::unordered_map<std::uint32_t, Known> known;  // by the event's id
    std::size_t taken = 0;                           // so many of `events` are there
    const format::EventClass& class_of(const Known& of) const { return events.events()[of.event].second; }
  };
  EventWatch() = default;
  void read(Source& source, std::size_t ring, const ring::Packet& packet, const clock::Pair& now, const std::function<void(const WatchedEvent&)>& see);
  void read_span(Source& source, std::span<const std::byte> bytes, WatchedEvent& out) const;
  // Null: the session has no event with this id.
  const Known* know(Source& source, std::uint32_t id) const;

  std::vector<EventCondition> conditions_;
  std::vector<Session> sessions_;
  std::vector<std::unique_ptr<Source>> sources_;
  std::vector<std::uint32_t> heard_;  // of each session's bell
};

}  // namespace ouro::record
