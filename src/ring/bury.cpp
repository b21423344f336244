// Two-phase records whose writers died.
//
//   an entry's owner died   what it shows                          then
//   before the reservation  length 0, or no record at its place    the entry is free again
//   while filling           a record at its place                  the record is cut out and counted: bury_open
//   while committing        kCommitting                            the record is whole; its count is made up: settle
//
// A reader may die too, at any store. What it decided about a record stands in the entry, which is kBurier's until no reader can meet
// the record any more: its sub-buffer was given back, or lapped. reserved: {count of dead writers with this one, sequence, how far the
// burial came: kBegun, kMarked, kCounted}. A reader that comes after it does what may be missing.
#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "ring/owner.hpp"
#include "ring/reader_state.hpp"

namespace ouro::ring {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;

// How many of these lengths add up to `sum`, the fewest of the ways there are that a bounded search finds; else a guess.
std::uint64_t how_many(const std::vector<std::uint64_t>& lengths, std::uint64_t sum) {
  constexpr std::size_t kMost = 16;
  std::uint64_t all = 0;
  for (const std::uint64_t length : lengths) all += length;
  std::uint64_t best = all == 0 ? 0 : (sum * lengths.size() + all / 2) / all;
  if (sum == all || lengths.size() > kMost) return best;
  bool found = false;
  for (std::uint32_t set = 0; set < std::uint32_t{1} << lengths.size(); ++set) {
    std::uint64_t of_set = 0;
    for (std::size_t i = 0; i < lengths.size(); ++i) of_set += (set >> i & 1) != 0 ? lengths[i] : 0;
    const auto count = static_cast<std::uint64_t>(std::popcount(set));
    if (of_set == sum && (!found || count < best)) best = count, found = true;
  }
  return best;
}

}  // namespace

struct Reader::State::Suspect {
  abi::Pending* entry;
  std::uint64_t owner, where, length, stamp;
  bool committing;
};

// Whose count may or may not have been added before its owner, or the reader that buried it, died.
struct Reader::State::Half {
  abi::Pending* entry;
  std::uint64_t where, length;
};

std::vector<Reader::State::Suspect> Reader::State::find_dead() {
  std::vector<Suspect> found;
  for (abi::Pending& entry : head->pending) {
    const std::uint64_t owner = entry.state.load(acquire);
    if (owner == 0 || owner == kBurier || !owner_is_dead(owner)) continue;
    const std::uint64_t length = entry.length.load(acquire);  // ord(bury:A) pairs with pending:B, commit:A
    Suspect x{&entry, owner, entry.where.load(relaxed), length & ~abi::kCommitting, entry.stamp.load(relaxed),
              (length & abi::kCommitting) != 0};
    if (x.length < 16 || physical_of(x.where) > g.subbuf_count || crosses(offset_of(x.where), x.length, g.subbuf_size))
      x.length = 0;  // not yet set, or nonsense
    // An owner may end as it should while the kernel is asked, and its entry go to somebody who lives, whose fields these would
    // be. A dead one keeps its entry.
    if (entry.state.load(acquire) == owner) found.push_back(x);
  }
  return found;
}

// Of the sub-buffer's present use, which must be the one that `where` speaks of. False: it is not.
bool Reader::State::books_of(std::uint64_t where, Books& books) {
  const std::uint64_t physical = physical_of(where);
  const abi::SubbufImage& image = head->image[physical];
  if (shared()) {
    books.sequence = shared_sequence_of(where);
    const SharedUse use = shared_use(image);  // before W: what W covers, and is not committed, is missing; others may commit what W does not cover yet
    const std::uint64_t w = write_word(*head), end = shared_sequence_of(w) == books.sequence ? w : image.close_word.load(acquire);
    books.opened = books.end = in_subbuf(end);
    books.committed = use.bytes;
    return use.tag == static_cast<std::uint32_t>(books.sequence) && shared_sequence_of(end) == books.sequence;
  }
  const std::uint64_t w = write_word(*head), close = image.close_word.load(acquire);
  books.sequence = image.sequence.load(acquire);
  const bool is_current = low_sequence_of(w) == low_sequence_of(where) && physical_of(w) == physical;
  books.opened = open_of(is_current ? w : close);
  books.end = in_subbuf(is_current ? w : close);
  books.committed = image.commits.load(acquire);
  // Whoever opens it for its next use begins with no commits. If we saw that, we see his claim (switch:B), whatever else is still the old use's.
  if (look().slot_of(books.sequence).sequence() != books.sequence) return false;
  return low_sequence_of(where) == (books.sequence & 0xff) && books.sequence >= next_sequence;
}

// Was the record of this entry reserved, or did its owner die before? If its header is where it should be, it was:
// nobody else has this stamp there. In a ring of one CPU header and reservation come at once.
Reader::State::Claim Reader::State::claim_of(const Suspect& x, const std::vector<Suspect>& all, const Books& books) {
  if (in_subbuf(x.where) + x.length > books.end) return Claim::none;
  if (shared()) return claim_of_shared(x, all, books);
  return header_at(offset_of(x.where), books.sequence, x) == Header::own ? Claim::reserved : Claim::none;
}

Reader::State::Header Reader::State::header_at(std::uint64_t offset, std::uint64_t sequence, const Suspect& x) {
  const std::byte* const record = data_of(*head) + offset;
  std::uint32_t header = 0;
  std::uint64_t stamp = 0;
  std::memcpy(&header, record, sizeof header);
  std::memcpy(&stamp, record + 8, sizeof stamp);
  abi::copied(&header, record, sizeof header);
  abi::copied(&stamp, record + 8, sizeof stamp);
  const auto entry = static_cast<std::size_t>(x.entry - head->pending);
  const bool is_stamped = shared() ? (header & kExtendedId) == kExtendedId && header >= stamped_mark(0) && header <= stamped_mark(abi::kMaxPending - 1)
                                   : header == kExtendedId;
  if (is_stamped) {
    if (offset == offset_of(x.where) && stamp == x.stamp && (!shared() || header == stamped_mark(entry))) return Header::own;
    return stamp > head->image[offset / g.subbuf_size].first_stamp.load(acquire) ? Header::of_this_use : Header::stale;
  }
  constexpr std::uint32_t kEntry = unstamped_mark(0, abi::kMaxPending - 1) ^ unstamped_mark(0, 0);
  if (offset == offset_of(x.where) && header == unstamped_mark(sequence, entry)) return Header::own;
  return (header & ~kEntry) == unstamped_mark(sequence, 0) ? Header::of_this_use : Header::stale;
}

// In a shared ring the owner may also have died between the exchange of W and the header, or after an exchange that failed because
// somebody else reserved this very place. W has passed it. So somebody has reserved it: whoever's header is there; and if none
// of this use is, one of the dead, for those who live say so in their entries until it is.
Reader::State::Claim Reader::State::claim_of_shared(const Suspect& x, const std::vector<Suspect>& all, const Books& books) {
  for (const Range& r : dead)
    if (r.sequence == books.sequence && r.offset == offset_of(x.where)) return Claim::none;
  const auto fits = [&](const Suspect& y) {
    const std::uint64_t end = in_subbuf(y.where) + y.length;
    return end == books.end || (end < books.end && begins_a_record(offset_of(y.where) + y.length, y, books));
  };
  // Acquire, all three words; pairs with pending:free. Whichever says that an entry does not name this place: if its owner did write here,
  // his header is seen below.
  bool someone_lives = false;
  std::uint64_t fitting = fits(x) ? 1 : 0, rivals = 0;
  for (abi::Pending& entry : head->pending) {
    const std::uint64_t owner = entry.state.load(acquire);
    if (&entry == x.entry || owner == 0 || owner == kBurier || entry.length.load(acquire) == 0 || entry.where.load(acquire) != x.where) continue;
    const auto y = std::find_if(all.begin(), all.end(), [&](const Suspect& s) { return s.entry == &entry && s.owner == owner; });
    if (y == all.end()) {
      someone_lives = true;
    } else if (y->length != 0) {
      ++rivals;
      fitting += fits(*y) ? 1 : 0;
    }
  }
  switch (header_at(offset_of(x.where), books.sequence, x)) {
    case Header::own: return Claim::reserved;
    case Header::of_this_use: return Claim::none;
    case Header::stale: break;
  }
  // A header of this use looks stale as well once somebody claims the sub-buffer for the next one, and has not opened its books yet. Whoever
  // claims has found it whole; a reservation whose header is missing leaves bytes missing. (Behind first_stamp: who sees it raised sees that.)
  Books again{};
  if (!books_of(x.where, again) || again.opened - std::min(again.opened, again.committed) < x.length) return Claim::none;
  if (someone_lives) return Claim::unknown;
  // Of several whose records would end where another begins, any is as good: each is a record that nobody will read.
  if (rivals == 0 || fits(x)) return Claim::reserved;
  return fitting != 0 ? Claim::none : Claim::unknown;
}

bool Reader::State::begins_a_record(std::uint64_t offset, const Suspect& x, const Books& books) {
  if (offset % g.subbuf_size + kExtendedHeader <= g.subbuf_size && header_at(offset, books.sequence, x) != Header::stale) return true;
  for (const Range& r : dead)
    if (r.sequence == books.sequence && r.offset == offset) return true;
  for (const abi::Pending& entry : head->pending)
    if (entry.state.load(acquire) != 0 && entry.length.load(acquire) != 0 && offset_of(entry.where.load(acquire)) == offset) return true;
  return false;
}

bool Reader::State::bury_open(const Suspect& x, const std::vector<Suspect>& all) {
  Books books{};
  const Claim claim = x.length != 0 && books_of(x.where, books) ? claim_of(x, all, books) : Claim::none;
  if (claim == Claim::unknown) return false;  // the next time
  if (claim == Claim::none) {
    if (x.entry->state.load(acquire) == x.owner) free_pending(*x.entry);
    return false;
  }
  x.entry->reserved[0].store(counted_losses(*head, abi::Loss::dead_writer) + 1, relaxed);
  x.entry->reserved[1].store(books.sequence, relaxed);
  x.entry->reserved[2].store(kBegun, relaxed);
  std::uint64_t owner = x.owner;
  if (!x.entry->state.compare_exchange_strong(owner, kBurier, std::memory_order_acq_rel, relaxed)) return false;
  dead.push_back({books.sequence, offset_of(x.where), x.length, x.entry});
  mark_and_count(dead.back());
  head->image[physical_of(x.where)].commits.fetch_add(shared() ? std::uint64_t{1} << 32 | x.length : 1, std::memory_order_release);
  x.entry->reserved[2].store(kCounted, std::memory_order_release);
  return true;
}

// Once or several times: the outcome is the same, until the record's commit is counted: then writers may lap it at any moment, and what
// stands at its place is theirs. Nobody but a ring's reader counts dead writers.
void Reader::State::mark_and_count(const Range& r) {
  mark_dead(data_of(*head) + r.offset, static_cast<std::uint32_t>(r.length));
  abi::Word& count = head->losses.lost[static_cast<std::size_t>(abi::Loss::dead_writer)];
  count.store(std::max(count.load(relaxed), r.entry->reserved[0].load(relaxed)), relaxed);
  r.entry->reserved[2].store(kMarked, relaxed);
}

// What a reader before us had buried.
void Reader::State::adopt_dead() {
  for (const Range& r : dead)  // of the ring before this one
    if (r.entry != nullptr) free_pending(*r.entry);
  dead.clear();
  for (abi::Pending& entry : head->pending) {
    if (entry.state.load(acquire) != kBurier) continue;
    const std::uint64_t where = entry.where.load(relaxed), length = entry.length.load(relaxed) & ~abi::kCommitting;
    const Range r{entry.reserved[1].load(relaxed), offset_of(where), length, &entry};
    const bool makes_sense = length >= kExtendedHeader && physical_of(where) <= g.subbuf_count && !crosses(r.offset, length, g.subbuf_size);
    if (!makes_sense || r.sequence < next_sequence) {
      free_pending(entry);
      continue;
    }
    dead.push_back(r);
    if (entry.reserved[2].load(relaxed) == kBegun) mark_and_count(r);
  }
  std::sort(dead.begin(), dead.end(), [](const Range& a, const Range& b) { return a.sequence < b.sequence; });
}

// Frees the entries of records that no reader will meet, and that the ring's books are beyond; and of the oldest ones, should they become so
// many that writers find none.
void Reader::State::forget_dead() {
  const std::uint64_t oldest = booked;
  std::size_t entries = 0;
  for (Range& r : dead) {
    entries += r.entry != nullptr;
    if (r.entry != nullptr && r.sequence < oldest) free_pending(*std::exchange(r.entry, nullptr)), --entries;
  }
  std::erase_if(dead, [&](const Range& r) { return r.sequence < oldest; });
  for (Range& r : dead)
    if (entries > abi::kMaxPending / 2 && r.entry != nullptr && r.entry->reserved[2].load(relaxed) == kCounted)
      free_pending(*std::exchange(r.entry, nullptr)), --entries;
}

bool Reader::State::same_use(std::uint64_t a, std::uint64_t b) const {
  return physical_of(a) == physical_of(b) && (shared() ? shared_sequence_of(a) == shared_sequence_of(b) : low_sequence_of(a) == low_sequence_of(b));
}

// Does somebody else fill or commit a record in this use of a sub-buffer? Who died but a moment ago counts as well: what he left is
// looked at the next time.
bool Reader::State::is_in_use(std::uint64_t where, const std::vector<Half>& except) const {
  for (const abi::Pending& entry : head->pending) {
    const std::uint64_t owner = entry.state.load(acquire);
    if (owner == 0 || entry.length.load(acquire) == 0) continue;
    if (owner == kBurier && entry.reserved[2].load(relaxed) == kCounted) continue;
    if (same_use(entry.where.load(acquire), where) && std::none_of(except.begin(), except.end(), [&](const Half& h) { return h.entry == &entry; })) return true;
  }
  return false;
}

// All of one use of a sub-buffer. An entry cannot tell whether it was counted; the books can, once nobody else is about to change
// them. False: not yet.
bool Reader::State::make_up(const std::vector<Half>& halves) {
  const std::uint64_t where = halves.front().where;
  Books books{}, again{};
  if (!books_of(where, books)) return true;
  if (is_in_use(where, halves)) return false;
  // Whoever committed or reserved meanwhile and is gone from the table already has changed these.
  if (!books_of(where, again) || again.opened != books.opened || again.committed != books.committed) return false;
  // Books that a writer has begun to overwrite for the next use are of neither. Each was loaded by acquire, and behind the claim stands
  // switch:B: whichever is of the next use brings the claim. Whoever claimed the sub-buffer, or took it out, had found it whole. Where
  // something is missing, nobody claims it until it is made up here.
  const abi::Slot slot{slot_of(books.sequence).load(relaxed)};
  if (slot.sequence() != books.sequence || slot.physical() != physical_of(where)) return true;
  const std::uint64_t missing = books.opened - std::min(books.opened, books.committed);
  abi::Word& commits = head->image[physical_of(where)].commits;
  if (missing == 0) return true;
  if (!shared()) {
    commits.fetch_add(std::min<std::uint64_t>(missing, halves.size()), std::memory_order_release);
    return true;
  }
  std::vector<std::uint64_t> lengths;
  for (const Half& h : halves) lengths.push_back(h.length);
  commits.fetch_add(how_many(lengths, missing) << 32 | missing, std::memory_order_release);
  return true;
}

void Reader::State::settle(const std::vector<Suspect>& suspects) {
  std::vector<Half> halves;
  for (const Suspect& x : suspects) {
    if (!x.committing) continue;
    if (x.length != 0) halves.push_back({x.entry, x.where, x.length});
    else free_pending(*x.entry);
  }
  for (const Range& r : dead)
    if (r.entry != nullptr && r.entry->reserved[2].load(relaxed) != kCounted) halves.push_back({r.entry, r.entry->where.load(relaxed), r.length});
  while (!halves.empty()) {
    const std::uint64_t first = halves.front().where;
    const auto others = std::stable_partition(halves.begin(), halves.end(), [&](const Half& h) { return same_use(h.where, first); });
    const std::vector<Half> here(halves.begin(), others);
    halves.erase(halves.begin(), others);
    if (!make_up(here)) continue;
    for (const Half& h : here) {
      if (h.entry->state.load(acquire) == kBurier) h.entry->reserved[2].store(kCounted, std::memory_order_release);
      else free_pending(*h.entry);
    }
  }
}

std::uint64_t Reader::bury_dead() {
  const std::vector<State::Suspect> suspects = state_->find_dead();
  std::uint64_t buried = 0;
  for (const State::Suspect& x : suspects)
    if (!x.committing) buried += state_->bury_open(x, suspects) ? 1 : 0;
  state_->settle(suspects);  // only now are commits the only ones that can be missing
  state_->forget_dead();
  return buried;
}

Reader::Answer Reader::next_past_dead(Packet& packet, bool include_current) {
  const Answer answer = next(packet, include_current);
  if (answer != Answer::waiting) return answer;
  bury_dead();
  return next(packet, include_current);
}

}  // namespace ouro::ring
