#include "record/rotation.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <thread>
#include <utility>

#include "format/live_mark.hpp"
#include "format/pieces.hpp"
#include "record/journal.hpp"

namespace ouro::record {
namespace {

constexpr std::uint64_t kTracesKept = 8;  // where nobody says how large one is to be
constexpr auto kTryAgain = std::chrono::seconds(1);

std::string part(const std::string& name) { return name + std::string(format::kPartSuffix); }

}  // namespace

Result<std::unique_ptr<Rotation>> Rotation::create(const std::string& path, RotationOptions options) {
  const bool made = ::mkdir(path.c_str(), 0777) == 0;
  if (!made && errno != EEXIST) return error_from_errno("folder '%s': cannot be made", path.c_str());
  Result<std::unique_ptr<Rotation>> out = open(path, std::move(options));
  if (!out) return out;
  Rotation& rotation = **out;
  rotation.made_ = made;
  Result<TraceFolder> first = rotation.make_next();
  if (!first) return first.error();
  rotation.current_ = std::make_unique<TraceFolder>(std::move(*first));
  rotation.keep_within(rotation.options_.size.value_or(0));
  return out;
}

Result<std::unique_ptr<Rotation>> Rotation::resume(const std::string& path, RotationOptions options) {
  Result<std::unique_ptr<Rotation>> out = open(path, std::move(options));
  if (!out) return out;
  if (Status taken = (*out)->take_up(); !taken) return taken.error();
  return out;
}

// Of the traces that are not whole, the newest with a journal is gone on with. One behind it was just begun and has nothing; one before it was just being
// ended: all its events are there.
Status Rotation::take_up() {
  for (auto it = whole_.rbegin(); it != whole_.rend(); ++it) {
    const std::optional<format::PieceName> parsed = format::parse_piece_name(it->name);
    if (!parsed || !parsed->is_part) continue;
    const std::string name = it->name.substr(0, it->name.size() - format::kPartSuffix.size());
    const std::string path = path_ + "/" + it->name;
    if (!current_) {
      if (::access((path + "/" + kJournalFile).c_str(), F_OK) != 0) {
        if (const base::Fd begun{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)}) remove_journal(begun.get());
        if (::unlinkat(fd_.get(), it->name.c_str(), AT_REMOVEDIR) == 0) it->name.clear();
        continue;
      }
      Result<TraceFolder> reopened = TraceFolder::reopen(path);
      if (!reopened) return reopened.error();
      current_ = std::make_unique<TraceFolder>(std::move(*reopened));
      current_name_ = name;
      ++traces_;
      whole_bytes_ -= it->bytes;
      it->name.clear();
    } else {
      if (const Result<TraceFolder> before = TraceFolder::reopen(path); before) {
        ::unlinkat(before->fd(), format::kLiveMarkName, 0);
        remove_journal(before->fd());
      }
      if (::renameat(fd_.get(), it->name.c_str(), fd_.get(), name.c_str()) == 0) it->name = name;
    }
  }
  std::erase_if(whole_, [](const Whole& whole) { return whole.name.empty(); });
  if (!current_) return errorf(ENOENT, "folder '%s': has no trace whose recorder was killed", path_.c_str());
  return Ok{};
}

Result<std::unique_ptr<Rotation>> Rotation::open(const std::string& path, RotationOptions options) {
  std::unique_ptr<Rotation> out(new Rotation);
  out->path_ = path;
  out->options_ = std::move(options);
  if (out->options_.keep && !out->options_.size) out->options_.size = *out->options_.keep / kTracesKept;
  out->fd_ = base::Fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!out->fd_) return error_from_errno("folder '%s'", path.c_str());
  if (::flock(out->fd_.get(), LOCK_EX | LOCK_NB) != 0)
    return errorf(EBUSY, "folder '%s': another recording writes its traces there, want one at a time (hint: another -o DIR)", path.c_str());
  if (Status looked = out->look_around(); !looked) return looked.error();
  out->housekeeper_ = std::make_unique<Housekeeper>(path);
  return out;
}

// What earlier recordings left.
Status Rotation::look_around() {
  for (const std::string& name : entries_of(fd_.get())) {
    const std::optional<format::PieceName> parsed = format::parse_piece_name(name);
    if (!parsed || !is_trace_of_ours(fd_.get(), name))
      return errorf(EEXIST, "folder '%s': holds '%s', want a new folder, an empty one, or one with nothing but traces of ouro record --rotate (hint: another -o DIR)",
                    path_.c_str(), name.c_str());
    next_number_ = std::max(next_number_, parsed->number + 1);
    whole_.push_back({name, bytes_of_trace(fd_.get(), name), 0});
    whole_bytes_ += whole_.back().bytes;
  }
  return Ok{};
}

Result<TraceFolder> Rotation::make_next() {
  const std::string name = format::piece_name(std::time(nullptr), next_number_);
  Result<TraceFolder> made = TraceFolder::create(path_ + "/" + part(name));
  if (!made) return made;
  ++next_number_;
  ++traces_;
  current_name_ = name;
  return made;
}

void Rotation::discard() {
  current_->discard();
  housekeeper_->finish();
  if (made_) ::rmdir(path_.c_str());
}

bool Rotation::is_due(const Recorder& recorder) const {
  const auto now = std::chrono::steady_clock::now();
  if (recorder.is_stuck() || now < next_try_) return false;
  const Recorder::Piece piece = recorder.piece();
  if (piece.events == 0) return false;
  // A trace is not made of descriptions and names alone, however small it is to be.
  if (options_.size && piece.bytes >= *options_.size && piece.event_bytes >= piece.bytes / 2) return true;
  return options_.time && now - piece.begun >= *options_.time;
}

void Rotation::step(Recorder& recorder) {
  take_done();
  if (is_due(recorder)) {
    if (Status rotated = rotate(recorder); rotated) return;
    else options_.warn("warning: " + rotated.error().text + "; the trace before it goes on");
    next_try_ = std::chrono::steady_clock::now() + kTryAgain;
  }
  keep_within(recorder.piece().bytes);
}

Status Rotation::rotate(Recorder& recorder) {
  const std::string old = current_name_;
  Result<TraceFolder> made = make_next();
  if (!made) return made.error();
  auto next = std::make_unique<TraceFolder>(std::move(*made));
  const Recorder::Piece piece = recorder.rotate(*next);
  current_ = std::move(next);
  become_whole(old, piece);
  keep_within(options_.size.value_or(0));
  return Ok{};
}

void Rotation::become_whole(const std::string& name, const Recorder::Piece& piece) {
  const bool renamed = ::renameat(fd_.get(), part(name).c_str(), fd_.get(), name.c_str()) == 0;
  if (!renamed) options_.warn("warning: " + error_from_errno("trace '%s/%s': is whole, but cannot be renamed", path_.c_str(), part(name).c_str()).text);
  whole_.push_back({renamed ? name : part(name), piece.bytes, piece.events});
  whole_bytes_ += piece.bytes;
  if (options_.compress && renamed) housekeeper_->compress(name);
}

void Rotation::finish(const Recorder& recorder, const std::function<bool()>& is_enough) {
  become_whole(current_name_, recorder.piece());
  keep_within(0, 1);
  for (bool stopped = false; !housekeeper_->is_idle(); std::this_thread::sleep_for(std::chrono::milliseconds(5)))
    if (!stopped && (stopped = is_enough())) housekeeper_->stop_compressing();
  housekeeper_->finish();
  take_done();
}

// What is whole and what is not take no more than what is to be kept, as far as there is anything whole.
void Rotation::keep_within(std::uint64_t current_bytes, std::size_t least) {
  while (options_.keep && whole_bytes_ + current_bytes > *options_.keep && whole_.size() > least) {
    const Whole oldest = std::move(whole_.front());
    whole_.pop_front();
    whole_bytes_ -= oldest.bytes;
    if (!is_trace_of_ours(fd_.get(), oldest.name)) {
      options_.warn("warning: trace '" + path_ + "/" + oldest.name + "': stays, for it holds what ouro did not write, or was moved away");
      continue;
    }
    housekeeper_->remove(oldest.name);
    ++removed_.traces;
    removed_.bytes += oldest.bytes;
    removed_.events += oldest.events;
  }
}

void Rotation::take_done() {
  for (const Housekeeper::Done& done : housekeeper_->take_done()) {
    if (!done.trouble.empty()) options_.warn("warning: " + done.trouble);
    const auto it = std::find_if(whole_.begin(), whole_.end(), [&](const Whole& whole) { return whole.name == done.trace; });
    if (it == whole_.end()) continue;
    whole_bytes_ -= it->bytes;
    if (it->bytes > done.bytes) saved_bytes_ += it->bytes - done.bytes;
    whole_bytes_ += it->bytes = done.bytes;
  }
}

}  // namespace ouro::record
