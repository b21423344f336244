#include "cli/sessions.hpp"

#include <algorithm>
#include <cerrno>

#include "cli/say.hpp"
#include "record/registry_file.hpp"

namespace ouro::cli {

namespace {

// One that is being made has no header for some milliseconds.
Result<record::SessionFile> open_made(const std::string& folder, const std::string& file) {
  for (int tries = 0;; ++tries) {
    Result<record::SessionFile> session = record::SessionFile::open(folder, file);
    if (session || session.error().code != EAGAIN || tries == 40) return session;
    ::usleep(5'000);
  }
}

}  // namespace

Sessions all_sessions(const std::string& folder, const char* command, bool* is_all) {
  Sessions out;
  for (const std::string& file : record::find_sessions(folder)) {
    Result<record::SessionFile> session = open_made(folder, file);
    if (session) {
      out.push_back(std::move(*session));
    } else if (session.error().code != ENOENT) {
      say("warning: %s: %s", command, session.error().text.c_str());
      if (is_all != nullptr) *is_all = false;
    }
  }
  return out;
}

Result<Sessions> named_sessions(Sessions all, const std::vector<std::string>& names, const std::string& folder) {
  Sessions out;
  for (const std::string& name : names) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const record::SessionFile& s) { return s.name() == name; });
    if (found == all.end()) {
      std::string there;
      for (const record::SessionFile& s : all) there += (there.empty() ? "" : ", ") + s.name();
      return errorf(ENOENT, "session '%s' is not there, want one of the runtime folder %s%s%s", name.c_str(), folder.c_str(), there.empty() ? ", which has none" : ": ",
                    there.c_str());
    }
    out.push_back(std::move(*found));
    all.erase(found);
  }
  return out;
}

std::uint64_t count_processes(const std::string& folder, const record::SessionName& session, uid_t owner) {
  std::uint64_t out = 0;
  for (const std::string& path : record::find_registries(folder)) {
    const Result<record::RegistryFile> registry = record::RegistryFile::open(path, record::RegistryFile::Access::read_only, owner);
    out += registry && registry->is_of_living_process() && registry->slot_of(session);
  }
  return out;
}

}  // namespace ouro::cli
