// ouro/ring/splice.hpp -- whole sub-buffers from a ring to a file, a pipe or a stream socket, without a copy in user space.
//
//   target         how                              the sub-buffer goes back to the writers
//   file           write                            at once: the call copies (so would sendfile, at half the speed: page by page)
//   pipe           splice; anonymous: vmsplice      when FIONREAD says that the bytes were read
//   AF_UNIX        sendfile; anonymous: send        when SIOCOUTQ says so; send: at once
//   TCP            send with MSG_ZEROCOPY           when the kernel's completion says so; where it says that it copied (the peer is on
//                                                   this machine), plain send from then on: at once
//
// What is in a pipe or a socket's queue is a reference to the ring's memory, not a copy. So a packet is held until the other end has
// read it; in discard mode many are, in overwrite one. SIOCOUTQ would not do for TCP: bytes that a peer on this machine has acknowledged, but not
// read, are still ours. The other end must read(), or splice to where bytes end up (a file, /dev/null): if it splices or tees on to another
// pipe or socket, the references live on where nobody can count them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include <ouro/result.hpp>
#include <ouro/ring/local.hpp>

namespace ouro::ring {

class SpliceReader {
 public:
  // Fills in what goes before a packet's bytes, to tell packets apart: returns how many bytes, 1024 at most.
  using Header = std::function<std::size_t(const Packet& packet, std::span<std::byte> room)>;

  // Reads ring `ring` of `channel`, which outlives this, as its only reader. `target` stays the caller's, who lets nobody else write to it
  // meanwhile; pipes and sockets must be O_NONBLOCK.
  static Result<SpliceReader> create(LocalChannel& channel, std::uint32_t ring, int target, Header header = {});
  SpliceReader(SpliceReader&&) noexcept;
  SpliceReader& operator=(SpliceReader&&) noexcept;
  // What is held stays in the ring, and the ring's next reader gets it (again). Whoever goes on with another target after this one failed
  // closes it first.
  ~SpliceReader();

  // Gives back what was read at the other end, and moves what there is and the target takes, without waiting. Returns the bytes it took; 0:
  // nothing there, or no room (is_full()). include_current: also the part of the sub-buffer that is being filled. Errors: the target's
  // (EPIPE and ECONNRESET without a SIGPIPE; ENOSPC), after which a later call goes on at the same byte; EBADMSG: the ring contradicts itself.
  Result<std::uint64_t> move(bool include_current);

  std::uint64_t sent() const;  // bytes the target took, headers included
  std::uint64_t held() const;  // bytes of packets that it took and whose other end has not read them
  bool is_full() const;        // the last move() ended for want of room at the target: poll(2) it for POLLOUT
  const Reader& reader() const;  // for its losses

 private:
  struct State;
  explicit SpliceReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ouro::ring
