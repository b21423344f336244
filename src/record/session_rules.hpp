// record/session_rules.hpp -- a session that somebody else made and records: found by its name, its rules looked at and changed.
#pragma once
#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <ouro/abi/session_layout.hpp>
#include <ouro/result.hpp>

#include "base/fd.hpp"
#include "record/rules.hpp"
#include "record/session.hpp"

namespace ouro::record {

class SessionRules {
 public:
  // `name`: with or without "session-". Checks what it uses; the memory is its programs' and not to be trusted.
  static Result<SessionRules> open(const std::string& folder, const std::string& name, uid_t owner = ::geteuid());
  SessionRules(SessionRules&& other) noexcept;
  SessionRules& operator=(SessionRules&&) = delete;
  ~SessionRules();

  SessionName name() const { return {file_, generation_}; }
  bool is_open() const;

  // From here until `change` goes, nobody else changes the rules. Error: somebody did not let go for two seconds.
  class Change {
   public:
    Change(Change&&) = default;
    std::vector<Rule> rules() const;
    // Programs that meet an event from now on find the new ones; those that run are to be told (RegistryFile::attach, with the bytes that
    // this returns). Error: they do not fit.
    Result<std::vector<std::byte>> set(std::span<const Rule> rules);

   private:
    friend class SessionRules;
    explicit Change(SessionRules& session) : session_(&session) {}
    SessionRules* session_;
    base::Fd lock_;
  };
  Result<Change> change();

 private:
  SessionRules() = default;
  abi::SessionHeader& header() const { return *reinterpret_cast<abi::SessionHeader*>(base_); }
  std::byte* area(std::uint64_t version) const { return base_ + rules_offset_ + (version & 1) * rules_size_; }

  std::string file_, path_;
  std::uint32_t generation_ = 0;
  std::byte* base_ = nullptr;
  std::uint64_t mapped_ = 0, rules_offset_ = 0, rules_size_ = 0;
};

}  // namespace ouro::record
