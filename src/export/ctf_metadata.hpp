// export/ctf_metadata.hpp -- metadata from types: what a trace is made of as text, in one of CTF's two languages.
//
//   StreamClass { context } -- EventClass { context, payload } ...       printed as they become known: what is equal is one class,
//        |                                                               whichever trace it came from
//   whole(): preamble, trace, environment, clocks, stream classes, event classes
//
// A sequence's length and a variant's tag are other fields, which types know by their slots (read/metadata.hpp). Here they get their names
// again: Places remembers where each slot was declared.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ouro/read.hpp>

namespace ouro::ctf {

enum class Version : std::uint8_t { v1_8, v2 };

enum class Scope : std::uint8_t { stream_context, event_context, payload };

struct Step {
  enum class Kind : std::uint8_t { member, option, element };
  Kind kind{};
  std::string name;
  bool operator==(const Step&) const = default;
};

struct Place {
  Scope scope{};
  std::vector<Step> path;
};

class Places {
 public:
  void open(Scope scope) {
    here_.scope = scope;
    here_.path.clear();
  }
  void enter(Step::Kind kind, const std::string& name) { here_.path.push_back({kind, name}); }
  void leave() { here_.path.pop_back(); }
  void keep(const read::Type& type) {
    if (type.plan.store < 0) return;
    slots_[type.plan.store] = here_;
    if (type.kind == read::Kind::boolean) booleans_.insert(type.plan.store);
  }
  const Place& here() const { return here_; }
  const Place* of(std::int32_t slot) const {
    const auto it = slots_.find(slot);
    return it == slots_.end() ? nullptr : &it->second;
  }
  bool is_boolean(std::int32_t slot) const { return booleans_.count(slot) != 0; }
  // Why something could not be printed; "" if all could.
  std::string trouble;

 private:
  Place here_;
  std::map<std::int32_t, Place> slots_;
  std::set<std::int32_t> booleans_;
};

struct MetadataClock {
  read::Clock clock;
  std::string name;  // of its own among the trace's
};

struct MetadataStream {
  std::uint64_t id = 0;
  std::size_t clock = 0;
  bool has_cpu = false;
  std::string context;              // printed
  std::vector<std::string> events;  // printed, but for their ids: their indexes
};

struct MetadataParts {
  std::array<std::uint8_t, 16> uuid{};
  std::vector<std::pair<std::string, std::string>> env;
  std::vector<MetadataClock> clocks;
  std::vector<MetadataStream> streams;
};

class MetadataPrinter {
 public:
  virtual ~MetadataPrinter() = default;
  // A structure of these fields; "" if there are none.
  virtual std::string fields(Places& places, Scope scope, std::span<const read::Field> fields) const = 0;
  virtual std::string event(const read::EventClass& type, const std::string& context, const std::string& payload) const = 0;
  virtual std::string whole(const MetadataParts& parts) const = 0;
};
std::unique_ptr<MetadataPrinter> make_tsdl_printer();
std::unique_ptr<MetadataPrinter> make_json_printer();

// ---- what both have in common

// Events' headers, as our recorder's: u32 {id : 10, low bits of the stamp : 22}; id 1023: a word of no meaning, then {u32 id, u64 stamp}.
inline constexpr std::uint32_t kCompactIds = 1023;
inline constexpr unsigned kIdBits = 10, kStampBits = 22;

std::string uuid_text(const std::array<std::uint8_t, 16>& uuid);
// "src/shop.cpp:42#span_begin"; "" if there is nothing to say.
std::string place_uri(const read::EventClass& type);
// The number, if it is written as every program would write it.
std::optional<std::int64_t> plain_number(const std::string& text);

}  // namespace ouro::ctf
