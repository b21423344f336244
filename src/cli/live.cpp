// `ouro live`: serves traces, while they are being written, to viewers of LTTng's live protocol.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/recorded_folder.hpp"
#include "cli/runtime.hpp"
#include "cli/say.hpp"
#include "cli/sessions.hpp"
#include "export/live_server.hpp"
#include "record/program.hpp"

namespace ouro::cli {
namespace {

constexpr const char* kHelp = R"(ouro live serves traces to viewers while they are being written: babeltrace2 prints their events as they come.

Usage: ouro live [OPTIONS] [TRACE|SESSION]...

TRACE is the folder that `ouro record -o` is writing, or one that is complete; SESSION, one that is being recorded. Without: all that are being
recorded now. Viewers of LTTng's live protocol (2.4) find them under these names, a folder's without what leads to it; any number of them may come and
go. A viewer has an event about a second after it happened, and
all that the trace had before, unless --from-now. It ends when the recording has ended, and ouro live ends when all of them have. Of a
recording with --overwrite, events come at its end.

Options:
  -l, --listen ADDRESS:PORT   where viewers connect (127.0.0.1:5344). Port 0: one that is free. There is no password: who may connect may
                              read the traces, on 127.0.0.1 all users of the machine
      --from-now              a viewer has the events from when it came
  -h, --help                  this text

Exit status: 0; 1 if a trace or the address cannot be had, nothing is recorded, or a viewer did not have all; 2 if the command line makes no sense.

Example:
  ouro record -o trace -- ./shop &
  ouro live trace
  babeltrace2 --input-format=lttng-live net://localhost                  in another terminal: the sessions
  babeltrace2 --input-format=lttng-live net://localhost/host/$(hostname)/trace
)";

struct Options {
  std::string listen;
  bool from_now = false;
  std::vector<std::string> sources;
};

void define(CommandLine& line, Options& options) {
  line.add_option("-l,--listen", options.listen, "ADDRESS:PORT");
  line.add_flag("--from-now", options.from_now);
  line.add_argument("sources", options.sources, "TRACE|SESSION");
}

int refuse(const Error& error) {
  say("error: live: %s", error.text.c_str());
  return 1;
}

std::string host_name() {
  char name[256] = "localhost";
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost";
  return std::string(name).substr(0, 63);  // as much as viewers are told
}

// The folder's, also if it is given as "." or with slashes behind it.
std::string name_of(const std::string& trace) {
  char* const full = ::realpath(trace.c_str(), nullptr);
  const std::string path = full != nullptr ? full : trace;
  ::free(full);
  return path.substr(path.rfind('/') + 1).substr(0, 254);
}

struct Source {
  std::string name, folder;
};

Result<std::vector<Source>> find_sources(const std::vector<std::string>& wanted) {
  std::vector<Source> out;
  const Result<base::RuntimeDir> runtime = runtime_dir(false);
  const auto add = [&](const record::SessionFile& session) -> Status {
    const Result<std::string> folder = recorded_folder(session);
    if (!folder) return folder.error();
    out.push_back({session.name(), *folder});
    return Ok{};
  };
  for (const std::string& source : wanted) {
    const bool may_be_session = runtime && source.find('/') == std::string::npos && ::access(source.c_str(), F_OK) != 0;
    const Result<record::SessionFile> session = may_be_session ? record::SessionFile::open(runtime->path, record::kSessionPrefix + source) : Error{};
    if (!session) out.push_back({name_of(source), source});
    else if (Status added = add(*session); !added) return added.error();
  }
  if (!wanted.empty()) return out;
  if (runtime)
    for (const record::SessionFile& session : all_sessions(runtime->path, "live")) {
      if (!is_being_recorded(session)) continue;
      if (Status added = add(session); !added) say("warning: live: %s", added.error().text.c_str());
    }
  if (out.empty()) return errorf(ENOENT, "nothing is being recorded, want a TRACE or a running `ouro record` (hint: ouro status)");
  return out;
}

Result<std::vector<live::LiveSession>> open_all(const std::vector<Source>& sources) {
  std::vector<live::LiveSession> out;
  for (const auto& [name, folder] : sources) {
    Result<live::LiveTrace> trace = live::LiveTrace::open(folder);
    if (!trace) return trace.error();
    if (std::any_of(out.begin(), out.end(), [&name = name](const live::LiveSession& other) { return other.name == name; }))
      return errorf(EEXIST, "trace '%s': another one is named '%s' too, want names that differ", folder.c_str(), name.c_str());
    out.push_back({name, std::move(*trace)});
  }
  return out;
}

int say_end(const live::LiveServer& server, const std::vector<live::LiveSession>& sessions) {
  const live::Served& served = server.served();
  int status = 0;
  for (const live::LiveSession& session : sessions)
    for (const live::LiveTrace::Stream& stream : session.trace.streams())
      if (!stream.damage.empty()) status = refuse(Error{EINVAL, stream.damage + ", and viewers did not have what follows"});
  if (served.late != 0) {
    say("error: live: %llu packets came too late for their viewers, which had printed later events (hint: the trace has them)", static_cast<unsigned long long>(served.late));
    status = 1;
  }
  say("served %llu viewers: %llu packets, %s, %llu left out", static_cast<unsigned long long>(server.viewers()), static_cast<unsigned long long>(served.packets),
      human_bytes(served.bytes).c_str(), static_cast<unsigned long long>(served.late));
  return status;
}

}  // namespace

const char* define_live(CommandLine& line) {
  static Options unread;
  define(line, unread);
  return kHelp;
}

int live_command(int argc, char** argv) {
  CommandLine line;
  Options options;
  define(line, options);
  if (const std::optional<int> status = line.parse(argc, argv, kHelp)) return *status;
  live::Address address;
  if (!options.listen.empty()) {
    Result<live::Address> parsed = live::parse_address(options.listen);
    if (!parsed) return usage_error("live", "-l " + parsed.error().text);
    address = *parsed;
  }
  const record::SignalGuard guard({SIGINT, SIGTERM, SIGHUP});
  const base::Fd signals = guard.descriptor();
  if (!signals) return refuse(error_from_errno("no signalfd"));
  const Result<std::vector<Source>> sources = find_sources(options.sources);
  if (!sources) return refuse(sources.error());
  Result<std::vector<live::LiveSession>> sessions = open_all(*sources);
  if (!sessions) return refuse(sessions.error());
  const std::string host = host_name();
  Result<live::LiveServer> server = live::LiveServer::listen(address, *sessions, {{options.from_now, host}, say_line});
  if (!server) return refuse(server.error());
  if (!address.is_loopback) say("warning: live: %s is not this machine's own address: who reaches it may read the traces", address.host.c_str());
  for (const live::LiveSession& session : *sessions)
    say("serving trace %s%s (hint: babeltrace2 --input-format=lttng-live net://%s:%u/host/%s/%s)", session.name.c_str(), session.trace.is_over() ? ", which is complete," : "",
        address.is_loopback ? "localhost" : host.c_str(), server->port(), host.c_str(), session.name.c_str());
  server->run(signals.get());
  return say_end(*server, *sessions);
}

}  // namespace ouro::cli
