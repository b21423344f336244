#include <ouro/ring/splice.hpp>

#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <deque>
#include <vector>

#include <ouro/abi/channel_layout.hpp>

#include "ring/numbers.hpp"

namespace ouro::ring {
namespace {

constexpr std::size_t kMaxHeader = 1024;

// Writing to what nobody reads any more raises SIGPIPE, and splice() and sendfile() know no flag against it. Within this, it does
// not: what arises stays with this thread, and is taken off again.
class NoSigpipe {
 public:
  explicit NoSigpipe(bool is_possible) : is_possible_(is_possible) {
    if (!is_possible) return;
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoSigpipe() {
    if (!is_possible_) return;
    const int saved = errno;
    const timespec now{0, 0};
    if (!was_pending_) sigtimedwait(&pipe_, nullptr, &now);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = saved;
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

 private:
  sigset_t pipe_, before_;
  bool is_possible_, was_pending_ = false;
};

enum class How : std::uint8_t {
  copy,      // write() or send(): nothing is held
  sendfile,  // to AF_UNIX
  splice,
  vmsplice,
  zerocopy,
};

struct Target {
  int fd = -1;
  How how = How::copy;
  bool is_pipe = false, is_socket = false;
};

Result<Target> look_at(int fd, bool memory_has_descriptor) {
  struct stat status{};
  const int flags = fcntl(fd, F_GETFL);
  if (fstat(fd, &status) != 0 || flags < 0) return error_from_errno("splice: descriptor %d", fd);
  Target t;
  t.fd = fd;
  t.is_pipe = S_ISFIFO(status.st_mode);
  t.is_socket = S_ISSOCK(status.st_mode);
  if (!S_ISREG(status.st_mode) && !t.is_pipe && !t.is_socket)
    return errorf(EINVAL, "splice: descriptor %d has file type %#o, want a regular file, a pipe or a stream socket", fd, status.st_mode & S_IFMT);
  if (!S_ISREG(status.st_mode) && (flags & O_NONBLOCK) == 0)
    return errorf(EINVAL, "splice: descriptor %d is blocking, want O_NONBLOCK (hint: fcntl F_SETFL)", fd);
  if (t.is_pipe) t.how = memory_has_descriptor ? How::splice : How::vmsplice;
  if (!t.is_socket) return t;
  int domain = 0, type = 0, one = 1;
  socklen_t size = sizeof domain;
  getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
  size = sizeof type;
  getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
  if (type != SOCK_STREAM) return errorf(EINVAL, "splice: descriptor %d is a socket of type %d, want %d (stream)", fd, type, SOCK_STREAM);
  if (domain == AF_UNIX && memory_has_descriptor) t.how = How::sendfile;
  // Its sends have numbers, from 0. Where somebody was here before us, we do not know how far he came.
  int before = 0;
  size = sizeof before;
  getsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &before, &size);
  if ((domain == AF_INET || domain == AF_INET6) && before == 0 && setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof one) == 0) t.how = How::zerocopy;
  return t;
}

// What the kernel says of our sends with MSG_ZEROCOPY.
struct Completions : Numbers {
  std::uint64_t next = 0;  // sends so far
  bool copied = false;     // the kernel made copies after all
  void read(int fd) {
    if (done == next) return;
    alignas(cmsghdr) std::array<char, 512> control;
    for (;;) {
      msghdr message{};
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return;
      for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (!(c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) && !(c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR)) continue;
        sock_extended_err e;
        std::copy_n(CMSG_DATA(c), sizeof e, reinterpret_cast<unsigned char*>(&e));
        if (e.ee_origin != SO_EE_ORIGIN_ZEROCOPY || e.ee_errno != 0) continue;
        if ((e.ee_code & SO_EE_CODE_ZEROCOPY_COPIED) != 0) copied = true;
        add(e.ee_info, e.ee_data);
      }
    }
  }
};

}  // namespace

struct SpliceReader::State {
  Reader reader;
  Target target;
  Header header;
  int memory_fd;
  const std::byte* memory;

  Packet packet{};
  bool has_packet = false, waits = false, full = false;  // waits: the packet that is out could not be kept, and is held
  bool referred_to = false;  // the target has references to bytes of the packet
  std::array<std::byte, kMaxHeader> head{};
  std::size_t head_size = 0, at = 0;  // of header and bytes together

  struct Held {
    std::uint64_t end;          // position at the target
    std::uint64_t completions;  // that must be done
    std::uint64_t bytes;
    bool kept;
  };
  std::deque<Held> held{};
  std::uint64_t sent = 0, held_bytes = 0;
  Completions completions{};

  bool take(bool include_current, bool& corrupt);
  ssize_t push();
  ssize_t push_reference(const std::byte* from, std::size_t n);
  ssize_t push_copy(const std::byte* from, std::size_t n, bool more);
  void hold_or_release();
  void collect();
  std::uint64_t unread();
};

SpliceReader::SpliceReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
SpliceReader::SpliceReader(SpliceReader&&) noexcept = default;
SpliceReader& SpliceReader::operator=(SpliceReader&&) noexcept = default;
SpliceReader::~SpliceReader() = default;

std::uint64_t SpliceReader::sent() const { return state_->sent; }
std::uint64_t SpliceReader::held() const { return state_->held_bytes; }
bool SpliceReader::is_full() const { return state_->full; }
const Reader& SpliceReader::reader() const { return state_->reader; }

Result<SpliceReader> SpliceReader::create(LocalChannel& channel, std::uint32_t ring, int target, Header header) {
  if (ring >= channel.ring_count()) return errorf(EINVAL, "splice: ring %u, want less than %u", ring, channel.ring_count());
  Result<Target> t = look_at(target, channel.fd() >= 0);
  if (!t) return t.error();
  const auto* memory = reinterpret_cast<const std::byte*>(&channel.head(0)) - abi::kRingsOffset;
  return SpliceReader(std::unique_ptr<State>(new State{channel.reader(ring), *t, std::move(header), channel.fd(), memory}));
}

// The next packet, with what goes before it. False: there is none.
bool SpliceReader::State::take(bool include_current, bool& corrupt) {
  if (waits) return false;
  const Reader::Answer answer = reader.next_past_dead(packet, include_current);
  if (answer == Reader::Answer::corrupt) corrupt = true;
  if (answer != Reader::Answer::packet) return false;
  head_size = header ? std::min(header(packet, head), kMaxHeader) : 0;
  at = 0;
  referred_to = false;
  return has_packet = true;
}

ssize_t SpliceReader::State::push_copy(const std::byte* from, std::size_t n, bool more) {
  return target.is_socket ? send(target.fd, from, n, MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0)) : write(target.fd, from, n);
}

// EOPNOTSUPP: not this way, or not now.
ssize_t SpliceReader::State::push_reference(const std::byte* from, std::size_t n) {
  loff_t offset = from - memory;
  const iovec piece{const_cast<std::byte*>(from), n};
  ssize_t moved = -1;
  switch (target.how) {
    case How::copy: errno = EOPNOTSUPP; break;
    case How::sendfile: moved = ::sendfile(target.fd, memory_fd, &offset, n); break;
    case How::splice: moved = ::splice(memory_fd, &offset, target.fd, nullptr, n, SPLICE_F_NONBLOCK); break;
    case How::vmsplice: moved = ::vmsplice(target.fd, &piece, 1, SPLICE_F_NONBLOCK); break;
    case How::zerocopy:
      moved = send(target.fd, from, n, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_ZEROCOPY);
      if (moved >= 0) ++completions.next;
      else if (errno == ENOBUFS) errno = EOPNOTSUPP;  // no more memory may be pinned (ulimit -l), or too many are under way
      break;
  }
  return moved;
}

// One call for as much as the target takes of the header, then of the bytes.
ssize_t SpliceReader::State::push() {
  if (at < head_size) return push_copy(head.data() + at, head_size - at, true);
  const std::byte* const from = packet.bytes.data() + (at - head_size);
  const std::size_t n = packet.bytes.size() - (at - head_size);
  if (!packet.in_place) return push_copy(from, n, false);
  const ssize_t moved = push_reference(from, n);
  if (moved > 0) referred_to = true;
  if (moved >= 0 || errno != EOPNOTSUPP) return moved;
  return push_copy(from, n, false);
}

// The target has all of the packet.
void SpliceReader::State::hold_or_release() {
  has_packet = false;
  if (!referred_to) return reader.release();
  const bool kept = reader.keep();
  waits = !kept;
  held.push_back({sent, completions.next, packet.bytes.size(), kept});
  held_bytes += packet.bytes.size();
}

// Bytes in the target that its other end has not read, or more.
std::uint64_t SpliceReader::State::unread() {
  int n = 0;
  // SIOCOUTQ counts what the kernel's buffers take, which is never less than the bytes in them.
  if (ioctl(target.fd, target.is_pipe ? FIONREAD : SIOCOUTQ, &n) != 0 || n < 0) return sent;
  // A socket that goes drops what it did not read; it hangs up first. What it read and what not nobody knows then.
  pollfd hung{target.fd, 0, 0};
  if (target.is_socket && (poll(&hung, 1, 0) != 0)) return sent;
  return std::min(sent, static_cast<std::uint64_t>(n));
}

void SpliceReader::State::collect() {
  if (target.how == How::zerocopy || completions.done != completions.next) {
    completions.read(target.fd);
    if (completions.copied) target.how = How::copy;
  }
  if (held.empty()) return;
  const bool by_number = completions.next != 0;
  const std::uint64_t read = by_number ? 0 : sent - unread();
  while (!held.empty()) {
    const Held& h = held.front();
    if (by_number ? h.completions > completions.done : h.end > read) return;
    held_bytes -= h.bytes;
    if (h.kept) reader.give_back();
    else reader.release();
    if (!h.kept) waits = false;
    held.pop_front();
  }
}

Result<std::uint64_t> SpliceReader::move(bool include_current) {
  State& s = *state_;
  const NoSigpipe no_sigpipe(s.target.is_pipe || s.target.is_socket);
  const std::uint64_t before = s.sent;
  bool corrupt = false;
  s.full = false;
  s.collect();
  while (s.has_packet || s.take(include_current, corrupt)) {
    const ssize_t n = s.push();
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      s.full = true;
      break;
    }
    if (n < 0) return error_from_errno("splice: descriptor %d, after %llu bytes", s.target.fd, static_cast<unsigned long long>(s.sent));
    if (n == 0) return errorf(EIO, "splice: the ring's memory ends early (hint: somebody cut its file)");
    s.sent += static_cast<std::uint64_t>(n);
    s.at += static_cast<std::size_t>(n);
    if (s.at < s.head_size + s.packet.bytes.size()) continue;
    const bool current = s.packet.current;
    s.hold_or_release();
    if (current) break;  // else writers could keep us here for ever
  }
  s.collect();
  if (corrupt) return errorf(EBADMSG, "splice: the ring's memory contradicts itself (hint: somebody else wrote to it)");
  return s.sent - before;
}

}  // namespace ouro::ring
