// ouro/ring/local.hpp -- a channel in memory of one's own, shared with children that fork() makes: for those who use
// the ring without a tracer, and for tests and benchmarks.
#pragma once
#include <cstdint>
#include <memory>

#include <ouro/result.hpp>
#include <ouro/ring/reader.hpp>
#include <ouro/ring/writer.hpp>

namespace ouro::ring {

class LocalChannel {
 public:
  struct Options {
    abi::FullMode mode = abi::FullMode::discard;
    std::uint32_t subbuf_count = 16;
    std::uint64_t subbuf_size = 256 * 1024;
    bool tsc = true;        // else CLOCK_MONOTONIC, which means shared rings
    bool stamped = true;    // else records have no header: see write_unstamped
    bool use_rseq = true;   // as far as there is any
  };
  static Result<LocalChannel> create(const Options& options);
  LocalChannel(LocalChannel&&) noexcept;
  LocalChannel& operator=(LocalChannel&&) noexcept;
  ~LocalChannel();  // unmaps: nobody may be writing any more

  const Channel& channel() const;
  // Readers for ring i: the per-CPU rings first, then the shared ones.
  std::uint32_t ring_count() const;
  abi::RingHead& head(std::uint32_t i);
  Geometry geometry(std::uint32_t i) const;

 private:
  struct State;
  explicit LocalChannel(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ouro::ring
