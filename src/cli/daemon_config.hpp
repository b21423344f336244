// cli/daemon_config.hpp -- the file of `ouro daemon`: TOML, docs/daemon.md says what may stand in it.
//
//   key of a [[session]]  -->  option of `ouro record`, which judges its value: a mistake is the same here and there, and has a line here
//
// Keys that are not known, values of other types, and values that make no sense are mistakes; all of a file are found at once.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ouro/result.hpp>

namespace ouro::cli {

struct DaemonConfig {
  // Whose programs, and with whose rights.
  struct User {
    std::string name, home;
    uid_t uid = 0;
    gid_t gid = 0;
    friend bool operator==(const User&, const User&) = default;
  };
  struct Session {
    std::string name;
    std::optional<User> user;            // none: the daemon's own
    std::string runtime_dir;             // empty: as that user's programs find it
    std::vector<std::string> arguments;  // of `ouro record`
    std::vector<std::string> resumes;    // its arguments after its recorder was killed; empty: a flight recorder, which was not
    std::uint32_t line = 0;

    bool is_flight() const { return resumes.empty(); }

    // The same one, with other arguments perhaps.
    bool is(const Session& other) const { return name == other.name && user == other.user && runtime_dir == other.runtime_dir; }
  };
  struct Retention {
    std::string folder;
    std::optional<std::uint64_t> keep;         // bytes
    std::optional<std::chrono::seconds> age;
  };
  std::vector<Session> sessions;
  std::optional<Retention> retention;
  std::string listen;  // "HOST:PORT" or "unix:/PATH"; empty: nowhere
};

// `file`: its name, for the mistakes. Each of these is a line "FILE:LINE: what is seen, what is wanted"; there are none if all is well.
DaemonConfig parse_daemon_config(std::string_view text, const std::string& file, std::vector<std::string>& mistakes);

// Reads it. Error: it cannot be read, or somebody else could write what root, or we, then run.
Result<std::string> read_daemon_config(const std::string& file);

// Where it is if nobody says.
std::string default_daemon_config();

}  // namespace ouro::cli
