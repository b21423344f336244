#include "cli/daemon_config.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <span>
#include <sstream>
#include <utility>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "base/fd.hpp"
#include "cli/record_options.hpp"
#include "cli/say.hpp"
#include "cli/units.hpp"

namespace ouro::cli {
namespace {

using Arguments = std::vector<std::string>;

enum class Type { text, texts, number, flag, tables, own };  // own: the reader of the table looks at it itself
struct Key {
  const char* name;
  Type type;
  const char* option = nullptr;  // of ouro record
};

// Before the events: they are for all that have none of their own.
constexpr Key kSessionKeys[] = {{"name", Type::text, "--name"},
                                {"user", Type::own},
                                {"runtime_dir", Type::own},
                                {"filter", Type::text, "--filter"},
                                {"level", Type::text, "--level"},
                                {"file", Type::text, "--file"},
                                {"rate", Type::number, "--rate"},
                                {"sample", Type::number, "--sample"},
                                {"events", Type::own},
                                {"context", Type::texts, "--context"},
                                {"buffer_size", Type::text, "--buffer-size"},
                                {"subbuf_count", Type::number, "--subbuf-count"},
                                {"clock", Type::text, "--clock"},
                                {"seccomp_ok", Type::flag, "--seccomp-ok"},
                                {"output", Type::own},
                                {"rotate", Type::texts, "--rotate"},
                                {"keep", Type::text, "--keep"},
                                {"compress", Type::flag, "--compress"},
                                {"trigger", Type::own}};
constexpr std::size_t kFirstOfRotation = 15;  // rotate, keep, compress: those that --resume takes
static_assert(std::string_view(kSessionKeys[kFirstOfRotation].name) == "rotate");
constexpr Key kEventKeys[] = {{"event", Type::text, "--event"}, {"filter", Type::text, "--filter"}, {"level", Type::text, "--level"},
                              {"file", Type::text, "--file"},   {"rate", Type::number, "--rate"},   {"sample", Type::number, "--sample"}};
constexpr Key kTriggerKeys[] = {{"on", Type::text, "--on"},       {"do", Type::texts, "--do"},            {"times", Type::text, "--times"},
                                {"delay", Type::text, "--delay"}, {"hold_off", Type::text, "--hold-off"}, {"per_day", Type::number, "--per-day"}};
constexpr Key kRetentionKeys[] = {{"folder", Type::own}, {"keep", Type::own}, {"age", Type::own}};
constexpr Key kMetricsKeys[] = {{"listen", Type::own}};
constexpr Key kFileKeys[] = {{"session", Type::tables}, {"retention", Type::own}, {"metrics", Type::own}};

constexpr const char* kTypeNames[] = {"a string", "a string or an array of strings", "a whole number", "true or false", "[[tables]]", ""};

std::string shown(const toml::node& node) {
  std::ostringstream out;
  switch (node.type()) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "an array";
    default: node.visit([&](const auto& value) { out << value; });
  }
  const std::string text = out.str();
  return node.is_string() ? text : text + (node.is_integer() ? ", a whole number" : node.is_boolean() ? ", a truth value" : node.is_floating_point() ? ", a number" : ", a date or time");
}

std::optional<DaemonConfig::User> find_user(const std::string& name) {
  std::vector<char> buffer(16384);
  struct passwd entry, *found = nullptr;
  if (::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return std::nullopt;
  return DaemonConfig::User{name, entry.pw_dir, entry.pw_uid, entry.pw_gid};
}

// As parse_time(), and "30d".
std::optional<std::chrono::seconds> parse_age(const std::string& text) {
  const bool is_days = text.ends_with('d');
  const auto time = parse_time(is_days ? text.substr(0, text.size() - 1) + "h" : text);
  if (!time) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::seconds>(*time * (is_days ? 24 : 1));
}

class Parser {
 public:
  Parser(const std::string& file, std::vector<std::string>& mistakes) : file_(file), mistakes_(mistakes) {}

  DaemonConfig parse(std::string_view text) {
    const toml::parse_result parsed = toml::parse(text, std::string_view(file_));
    if (!parsed) {
      mistake(parsed.error().source(), std::string(parsed.error().description()));
      return {};
    }
    const toml::table& all = parsed.table();
    check_keys(all, "the file", kFileKeys);
    if (const toml::array* sessions = tables(all, "session"))
      for (const toml::node& session : *sessions) read_session(*session.as_table());
    else if (!all.contains("session")) mistake({{1, 1}, {1, 1}, nullptr}, "there is no [[session]], want one at least");
    if (const toml::table* table = table_of(all, "retention", kRetentionKeys)) read_retention(*table);
    if (const toml::table* table = table_of(all, "metrics", kMetricsKeys)) read_metrics(*table);
    return std::move(out_);
  }

 private:
  void mistake(const toml::source_region& where, const std::string& what) { add_mistake(file_ + ":" + std::to_string(where.begin.line) + ": " + what); }
  void add_mistake(const std::string& line) {
    if (std::find(mistakes_.begin(), mistakes_.end(), line) == mistakes_.end()) mistakes_.push_back(line);
  }
  void wrong(const std::string& key, const toml::node& value, const std::string& want) { mistake(value.source(), key + " is " + shown(value) + ", want " + want); }

  void check_keys(const toml::table& table, const std::string& where, std::span<const Key> known) {
    std::string all;
    for (const Key& key : known) all += (all.empty() ? "" : ", ") + std::string(key.name);
    for (const auto& entry : table) {
      const toml::key& name = entry.first;
      if (std::none_of(known.begin(), known.end(), [&](const Key& key) { return key.name == name.str(); }))
        mistake(name.source(), where + " has '" + std::string(name.str()) + "', want one of " + all);
    }
  }
  const toml::array* tables(const toml::table& table, const char* key) {
    const toml::node* value = table.get(key);
    if (value == nullptr) return nullptr;
    if (const toml::array* array = value->as_array(); array != nullptr && array->is_homogeneous(toml::node_type::table)) return array;
    wrong(key, *value, "[[tables]]");
    return nullptr;
  }
  const toml::table* table_of(const toml::table& all, const std::string& key, std::span<const Key> known) {
    const toml::node* value = all.get(key);
    if (value == nullptr) return nullptr;
    const toml::table* table = value->as_table();
    if (table == nullptr) wrong(key, *value, "[" + key + "]");
    else check_keys(*table, "[" + key + "]", known);
    return table;
  }
  // A string, if it is there and is one.
  std::optional<std::string> text(const toml::table& table, const char* key) {
    const toml::node* value = table.get(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) wrong(key, *value, kTypeNames[0]);
    return value->value<std::string>();
  }

  // The option with the key's value. Empty: that is of another type, and was said.
  Arguments option_of(const Key& key, const toml::node& value) {
    // A value that looks like an option is none.
    const auto one = [&](const std::string& text) { return text.starts_with('-') ? Arguments{std::string(key.option) + "=" + text} : Arguments{key.option, text}; };
    const bool takes_text = key.type == Type::text || key.type == Type::texts;
    if (takes_text && value.is_string()) return one(*value.value<std::string>());
    if (key.type == Type::number && value.is_integer()) return one(std::to_string(*value.value<std::int64_t>()));
    if (key.type == Type::flag && value.is_boolean()) return *value.value<bool>() ? Arguments{key.option} : Arguments{};
    if (const toml::array* array = value.as_array(); key.type == Type::texts && array != nullptr && array->is_homogeneous(toml::node_type::string)) {
      Arguments out;
      for (const toml::node& item : *array)
        for (std::string& word : one(*item.value<std::string>())) out.push_back(std::move(word));
      return out;
    }
    wrong(key.name, value, kTypeNames[static_cast<std::size_t>(key.type)]);
    return {};
  }
  // Of a table's keys, in the order in which the line is to have them.
  Arguments options_of(const toml::table& table, std::span<const Key> keys) {
    Arguments out;
    for (const Key& key : keys) {
      const toml::node* value = key.option != nullptr ? table.get(key.name) : nullptr;
      if (value == nullptr) continue;
      const Arguments option = option_of(key, *value);
      out.insert(out.end(), option.begin(), option.end());
    }
    return out;
  }

  // What ouro record says of these options; true: nothing.
  bool check(const Arguments& options, const toml::source_region& where) {
    Arguments line = base_;
    line.insert(line.begin(), "record");
    line.insert(line.end(), options.begin(), options.end());
    std::vector<char*> argv;
    for (std::string& argument : line) argv.push_back(argument.data());
    argv.push_back(nullptr);
    std::string said;
    RecordOptions read;
    {
      const SayTo listener([&](const std::string& text) { said += (said.empty() ? "" : "; ") + text; });
      if (!parse_record_options(static_cast<int>(line.size()), argv.data(), read)) return true;
    }
    for (const std::string_view noise : {"error: record: ", " (hint: ouro record --help)"})
      if (const std::size_t at = said.find(noise); at != std::string::npos) said.erase(at, noise.size());
    mistake(where, said);
    return false;
  }
  void add(Arguments& to, const Arguments& options, const toml::source_region& where) {
    if (!options.empty() && check(options, where)) to.insert(to.end(), options.begin(), options.end());
  }

  void read_session(const toml::table& table) {
    const std::size_t before = mistakes_.size();
    check_keys(table, "[[session]]", kSessionKeys);
    DaemonConfig::Session session;
    session.line = table.source().begin.line;
    const std::optional<std::string> name = text(table, "name");
    if (!table.contains("name")) mistake(table.source(), "[[session]] has no name, want one");
    session.name = name.value_or("");
    read_user(table, session);
    const auto output = text(table, "output");
    base_ = output ? Arguments{"--all", "--output", *output} : Arguments{"--flight", "--join", "--all"};
    session.arguments = base_;
    if (output) check_output(table, session);
    for (const Key& key : kSessionKeys) {
      const toml::node* value = table.get(key.name);
      if (value == nullptr) continue;
      if (key.option != nullptr) add(session.arguments, option_of(key, *value), value->source());
      else if (key.name == std::string_view("events")) read_events(*value, session.arguments);
      else if (key.name == std::string_view("trigger")) read_triggers(table, session);
    }
    // Options that do not go with each other.
    if (mistakes_.size() == before) check(Arguments(session.arguments.begin() + static_cast<std::ptrdiff_t>(base_.size()), session.arguments.end()), table.source());
    const auto same = std::find_if(out_.sessions.begin(), out_.sessions.end(), [&](const auto& other) { return other.name == session.name && other.user == session.user; });
    if (name && same != out_.sessions.end())
      mistake(table.source(), "name is '" + *name + "' as that of the [[session]] in line " + std::to_string(same->line) + ", want another");
    out_.sessions.push_back(std::move(session));
  }

  // A recording: what it is to be called again with, when its recorder was killed.
  void check_output(const toml::table& table, DaemonConfig::Session& session) {
    if (!table.get("output")->value_or(std::string()).starts_with('/')) wrong("output", *table.get("output"), "an absolute path");
    if (!table.contains("rotate") && !table.contains("keep")) mistake(table.source(), "[[session]] has output, but neither rotate nor keep, want one of them: traces of earlier recordings stay in that folder");
    session.resumes = {"--all", "--resume", table.get("output")->value_or(std::string())};
    const Arguments options = options_of(table, std::span(kSessionKeys).subspan(kFirstOfRotation, 3));
    session.resumes.insert(session.resumes.end(), options.begin(), options.end());
  }

  void read_user(const toml::table& table, DaemonConfig::Session& session) {
    if (const auto dir = text(table, "runtime_dir")) {
      session.runtime_dir = *dir;
      if (!dir->starts_with('/')) wrong("runtime_dir", *table.get("runtime_dir"), "an absolute path");
    }
    const auto user = text(table, "user");
    if (!user) return;
    session.user = find_user(*user);
    if (!session.user) return wrong("user", *table.get("user"), "a user of this machine");
    if (session.user->uid == ::geteuid()) return session.user.reset();
    if (::geteuid() != 0) wrong("user", *table.get("user"), "the user who runs the daemon, for that is not root");
  }

  // Each a string, or a table with a filter and limits of its own.
  void read_events(const toml::node& value, Arguments& to) {
    const toml::array* array = value.as_array();
    const bool is_good = value.is_string() || (array != nullptr && std::all_of(array->begin(), array->end(), [](const toml::node& n) { return n.is_string() || n.is_table(); }));
    if (!is_good) return wrong("events", value, "a string, or an array of strings and of { event = ... }");
    const auto one = [&](const toml::node& item) {
      if (item.is_string()) return add(to, option_of(kEventKeys[0], item), item.source());
      const toml::table& table = *item.as_table();
      check_keys(table, "an event", kEventKeys);
      if (!table.contains("event")) return mistake(item.source(), "an event has no key 'event', want a name or a pattern");
      add(to, options_of(table, kEventKeys), item.source());
    };
    if (array == nullptr) return one(value);
    for (const toml::node& item : *array) one(item);
  }

  void read_triggers(const toml::table& of, DaemonConfig::Session& session) {
    const toml::array* triggers = tables(of, "trigger");
    if (triggers == nullptr) return;
    for (const toml::node& node : *triggers) {
      const toml::table& table = *node.as_table();
      check_keys(table, "[[session.trigger]]", kTriggerKeys);
      if (!table.contains("on")) mistake(table.source(), "[[session.trigger]] has no 'on', want a condition");
      else if (const Arguments options = options_of(table, kTriggerKeys); !options.empty() && check(options, table.source())) {
        session.arguments.insert(session.arguments.end(), options.begin(), options.end());
        if (!session.is_flight()) session.resumes.insert(session.resumes.end(), options.begin(), options.end());
      }
    }
  }

  void read_retention(const toml::table& table) {
    DaemonConfig::Retention out;
    out.folder = text(table, "folder").value_or("");
    if (!table.contains("folder")) mistake(table.source(), "[retention] has no folder, want one");
    else if (table.get("folder")->is_string() && !out.folder.starts_with('/')) wrong("folder", *table.get("folder"), "an absolute path");
    if (!table.contains("keep") && !table.contains("age")) mistake(table.source(), "[retention] has neither keep nor age, want one of them");
    if (const auto keep = text(table, "keep"); keep && !(out.keep = parse_size(*keep))) wrong("keep", *table.get("keep"), "a size such as '10G'");
    if (const auto age = text(table, "age"); age && !(out.age = parse_age(*age))) wrong("age", *table.get("age"), "a time such as '30d' or '12h'");
    out_.retention = std::move(out);
  }

  void read_metrics(const toml::table& table) {
    out_.listen = text(table, "listen").value_or("");
    const toml::node* value = table.get("listen");
    if (value == nullptr || !value->is_string()) return;
    const std::size_t colon = out_.listen.rfind(':');
    const bool is_port = colon != std::string::npos && colon != 0 && colon + 1 < out_.listen.size() && out_.listen.size() - colon <= 6 &&
                         out_.listen.find_first_not_of("0123456789", colon + 1) == std::string::npos && std::stoul(out_.listen.substr(colon + 1)) <= 65535;
    const bool is_path = out_.listen.starts_with("unix:/") && out_.listen.size() < 100;
    if (!is_port && !is_path) wrong("listen", *value, "'ADDRESS:PORT', such as '127.0.0.1:9464', or 'unix:/PATH'");
  }

  const std::string& file_;
  std::vector<std::string>& mistakes_;
  DaemonConfig out_;
  Arguments base_;  // of the session that is being read
};

}  // namespace

DaemonConfig parse_daemon_config(std::string_view text, const std::string& file, std::vector<std::string>& mistakes) { return Parser(file, mistakes).parse(text); }

Result<std::string> read_daemon_config(const std::string& file) {
  constexpr off_t kMost = 1 << 20;
  const base::Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status;
  if (!fd || ::fstat(fd.get(), &status) != 0) return error_from_errno("configuration '%s'", file.c_str());
  if (!S_ISREG(status.st_mode) || status.st_size > kMost)
    return errorf(EINVAL, "configuration '%s' has %lld bytes, want a regular file of at most 1 MB", file.c_str(), static_cast<long long>(status.st_size));
  if ((status.st_uid != 0 && status.st_uid != ::geteuid()) || (status.st_mode & 022) != 0)
    return errorf(EPERM, "configuration '%s' is of user %u with mode %04o, want it of root or of user %u, and writable by nobody else: it says what is run (hint: chmod go-w)",
                  file.c_str(), status.st_uid, status.st_mode & 07777, ::geteuid());
  std::string out(static_cast<std::size_t>(status.st_size), '\0');
  for (std::size_t done = 0; done < out.size();) {
    const ssize_t n = ::read(fd.get(), out.data() + done, out.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return error_from_errno("configuration '%s'", file.c_str());
    if (n == 0) out.resize(done);
    done += static_cast<std::size_t>(n);
  }
  return out;
}

std::string default_daemon_config() {
  if (::geteuid() == 0) return "/etc/ouro/ouro.toml";
  if (const char* config = std::getenv("XDG_CONFIG_HOME"); config != nullptr && *config == '/') return std::string(config) + "/ouro/ouro.toml";
  const char* home = std::getenv("HOME");
  return std::string(home != nullptr ? home : "") + "/.config/ouro/ouro.toml";
}

}  // namespace ouro::cli
