#include "cli/record_join.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <utility>

#include "cli/say.hpp"
#include "record/contexts.hpp"
#include "record/registry_file.hpp"
#include "record/session_file.hpp"
#include "record/session_rules.hpp"

namespace ouro::cli {
namespace {

// What it is, and was to be: each in the words of the options.
std::string differences(const RecordOptions& options, const record::SessionOptions& made, const record::SessionOptions& wanted) {
  std::string out;
  const auto differs = [&](const std::string& what, const std::string& is, const std::string& want) {
    if (is != want) out += (out.empty() ? "" : ", ") + what + " is " + is + ", want " + want;
  };
  if (options.buffer_size) differs("--buffer-size", binary_size(made.subbuf_count * made.subbuf_size), binary_size(std::bit_ceil(*options.buffer_size)));
  if (options.subbuf_count) differs("--subbuf-count", std::to_string(made.subbuf_count), std::to_string(*options.subbuf_count));
  if (!options.clock.empty()) differs("--clock", made.clock == abi::ClockKind::tsc ? "tsc" : "monotonic", wanted.clock == abi::ClockKind::tsc ? "tsc" : "monotonic");
  differs("--context", "'" + record::context_names(made.contexts) + "'", "'" + record::context_names(wanted.contexts) + "'");
  return out;
}

// Programs that have the session look at each of their events again.
Status set_rules(const base::RuntimeDir& folder, const record::Session& session, const std::vector<record::Rule>& rules) {
  const uid_t owner = session.options().owner;
  Result<record::SessionRules> its = record::SessionRules::open(folder.path, session.file(), owner);
  if (!its) return its.error();
  Result<record::SessionRules::Change> change = its->change();
  if (!change) return change.error();
  if (record::encode(change->rules()) && *record::encode(change->rules()) == *record::encode(rules)) return Ok{};
  const Result<std::vector<std::byte>> list = change->set(rules);
  if (!list) return list.error();
  const auto end = std::chrono::steady_clock::now() + record::RegistryFile::kPatience;  // for all
  for (const std::string& path : record::find_registries(folder.path)) {
    Result<record::RegistryFile> program = record::RegistryFile::open(path, record::RegistryFile::Access::read_write, owner);
    if (!program || !program->slot_of(session.session_name())) continue;
    const base::Fd lock = program->lock(std::max(std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()), std::chrono::milliseconds(0)));
    if (!lock) return errorf(EBUSY, "process %d: its registry is locked, want it let go (hint: try again)", program->pid());
    if (const Result<std::uint32_t> on = program->attach(session.session_name(), *list); !on) return on.error();
  }
  return Ok{};
}

}  // namespace

Result<std::optional<record::Session>> join_session(const RecordOptions& options, const record::SessionOptions& wanted, const base::RuntimeDir& folder,
                                                    const std::function<void(const std::string&)>& warn) {
  const std::string file = record::kSessionPrefix + wanted.name;
  Result<record::Session> session = record::Session::adopt(folder.path, file, record::Session::Adopt::look, wanted.owner);
  if (!session && session.error().code == ENOENT) return std::optional<record::Session>();
  if (!session) return session.error();
  const record::SessionOptions& made = session->options();
  if (!made.is_kept || !session->is_open() || made.mode != abi::FullMode::overwrite)
    return errorf(EBUSY, "session '%s' is %s, want a flight recorder (hint: another --name)", wanted.name.c_str(), session->is_open() ? "somebody's recording" : "just ending");
  if (const std::string other = differences(options, made, wanted); !other.empty())
    warn("warning: session " + wanted.name + " goes on as it was made: " + other + " (hint: ouro snapshot " + wanted.name + ", then ouro stop " + wanted.name + ")");
  if (Status set = set_rules(folder, *session, options.rules); !set) return set.error();
  return std::optional<record::Session>(std::move(*session));
}

}  // namespace ouro::cli
