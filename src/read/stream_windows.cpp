// read/stream_windows.cpp -- the part of the file that a StreamReader reads at a time: a window, as far as its packet goes and no page of zeros stands there.
//
//   window_begin_                          zeros_        window_end_
//   |---- events ----|---- events ----|----|0000000000|-------|
//                    ^ decoder_.bit()      ^ decoder_.end()
#include <algorithm>
#include <cstring>

#include "read/stream_reader.hpp"

namespace ouro::read {
namespace {

bool is_zero_page(const char* page) {
  std::uint64_t first;
  std::memcpy(&first, page, sizeof first);
  return first == 0 && std::memcmp(page, page + sizeof first, FileWindow::kPage - sizeof first) == 0;
}

}  // namespace

void StreamReader::read_by_windows(const MappedFile* file, std::size_t together) {
  mapped_ = file;
  window_ = FileWindow(FileWindow::size_for(together));
  window_end_ = plain_end_ = 0;
}

void StreamReader::start_decoder(std::uint64_t offset) {
  is_copied_ = window_.holds(offset) && (window_.end() - offset >= kHeaderRoom || window_.end() == file_.size());
  decoder_.start(is_copied_ ? window_.place_of(offset) : file_.data() + offset, (is_copied_ ? window_.end() : file_.size()) - offset);
}

// The next window, from the event at event_bit_ on.
void StreamReader::move_window() {
  const std::uint64_t at = offset_ + event_bit_ / 8;
  is_copied_ = window_.move(*mapped_, at);
  if (is_copied_) see_copy();
  else map_window(at);
  decoder_.set_base(is_copied_ ? window_.place_of(offset_) : file_.data() + offset_);
  sees_all_ = false;
  set_end();
}

void StreamReader::see_copy() {
  window_begin_ = window_.begin();
  window_end_ = window_.end();
  constexpr std::uint64_t kNowAndThen = 8 << 20;
  if (window_begin_ % kNowAndThen < FileWindow::kLargest) mapped_->release(window_begin_);  // who sought this place saw some of its pages
}

void StreamReader::map_window(std::uint64_t at) {
  constexpr std::uint64_t kMapped = 256 << 10;
  window_begin_ = at / kPage * kPage;
  window_end_ = window_begin_ + kMapped;
  if (mapped_ != nullptr) mapped_->move_window(window_begin_, kMapped);
}

// The decoder reads in the file itself, up to the next event.
void StreamReader::see_all() {
  is_copied_ = false;
  sees_all_ = true;
  whole_for_ = decoder_.bit();
  decoder_.set_base(file_.data() + offset_);
  map_window(offset_ + decoder_.bit() / 8);
  set_end();
}

// Where a machine went down, files have pages of zeros. As events these may look sound: of id 0, and at the next time whose low bits are 0.
void StreamReader::find_zeros() {
  const std::uint64_t at = offset_ + decoder_.bit() / 8, limit = std::min<std::uint64_t>(window_end_, file_.size()) & ~(kPage - 1);
  if (zeros_ != kNoZeros && zeros_ + kPage > at) return;
  zeros_ = kNoZeros;
  for (searched_ = std::max(searched_, at & ~(kPage - 1)); searched_ < limit && zeros_ == kNoZeros; searched_ += kPage)
    if (is_zero_page(byte_at(searched_))) zeros_ = searched_;
}

// As far as events may be sought in the packet: to its end, or less.
void StreamReader::set_end() {
  std::uint64_t end = packet_.content_bits;
  if (packet_.stream->clock && packet_.stream->compact.stamp_mask != 0 && decoder_.clock() != 0) {
    find_zeros();
    if (zeros_ != kNoZeros && zeros_ > offset_ && zeros_ < content_end_ && decoder_.bit() < end) end = (zeros_ - offset_) * 8;
  }
  stops_at_window_ = !sees_all_ && window_end_ < offset_ + (end + 7) / 8;
  if (stops_at_window_) end = std::max(window_end_ > offset_ ? (window_end_ - offset_) * 8 : 0, decoder_.bit());
  decoder_.set_end(end);
}

// The event at `bit` does not end where reading stopped before the packet's end. True: it was found; else it is to be tried again.
bool StreamReader::go_on(std::uint64_t bit) {
  if (!stops_at_window_) return find_past_zeros(bit);
  decoder_.go_to(bit);
  decoder_.set_clock(earliest_);
  event_bit_ = bit;
  if ((offset_ + bit / 8) / kPage * kPage != window_begin_) move_window();
  else see_all();
  return false;
}

}  // namespace ouro::read
