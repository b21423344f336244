// ouro/ring/view.hpp -- a channel's packets shown to another process, which reads them where they lie (ouro/ring/mapped_reader.hpp).
// The exporter is the channel's one reader; it publishes packets, and gives their memory back to the writers when the other side
// says that it is done with them.
//
//   auto view = View::create(channel);        // the other process gets view->fd() and view->open_data()
//   while (...) { view->update(false); view->sleep(1'000'000); }
//
// discard    as many packets are out as the view has entries and the rings sub-buffers.
// overwrite  one packet a ring is out at a time, for each ring has one spare; its writers go on, and may lap the reader.
//
// Not thread-safe, not for signal handlers.
#pragma once
#include <cstdint>
#include <memory>

#include <ouro/result.hpp>
#include <ouro/ring/local.hpp>

namespace ouro::ring {

class View {
 public:
  // `channel`: of memory memfd or file, without another reader; it stays where it is and outlives the view. `entries`: a power of two, at
  // most 65536; 0: enough for all there can be.
  static Result<View> create(LocalChannel& channel, std::uint32_t entries = 0);
  View(View&&) noexcept;
  View& operator=(View&&) noexcept;
  ~View();  // what was not consumed is not lost: the channel's next reader gets it

  int fd() const;                // of the page, for the other side to map; the view's own
  Result<int> open_data() const;  // a descriptor of the channel's memory that cannot write to it; the caller closes it

  // Takes back what was consumed, and publishes what can be read: how many packets. include_current: also parts of sub-buffers that are
  // still being filled. Error: the page says nonsense; drop_reader().
  Result<std::uint64_t> update(bool include_current);
  // Nothing follows. After the last update().
  void end();
  // Until the other side has consumed something since the last update(), for so long at most. False: it has not.
  bool sleep(std::uint64_t patience_ns);
  // The reader died or is not to be trusted: what it did not consume is published anew, in another page (fd() is another
  // descriptor); what it does to the old one is of no effect.
  Status drop_reader();

  std::uint64_t produced() const;  // packets, since the beginning or drop_reader()
  std::uint64_t consumed() const;
  bool corrupt() const;            // a ring's memory contradicts itself: that ring is read no further

 private:
  struct State;
  explicit View(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ouro::ring
