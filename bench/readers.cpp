// bench/readers.cpp -- how fast readers are: sub-buffers full of records, in place, copied, exchanged, from another process, and passed on
// to a file, a pipe and sockets, beside plain memory that goes the same way.
//
//   readers         one JSON object a line; "ratio" is floor time / time per byte, both measured in the same round just after the
//                   bytes were written; "of_memcpy" the same with memcpy as the floor; medians
//
// Writers run on CPU 0, whatever reads at the other end of something on CPU 1. Run it on an idle machine.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <ouro/ring/buffer.hpp>
#include <ouro/ring/mapped_reader.hpp>
#include <ouro/ring/splice.hpp>
#include <ouro/ring/view.hpp>

#include "measure.hpp"

namespace {

using namespace ouro::bench;
using namespace ouro::ring;

constexpr int kRounds = 40;
constexpr std::uint32_t kSubbufs = 8;
double tick_ns;

struct Pass {
  double ticks = 0;
  std::uint64_t bytes = 0;
  double per_byte() const { return bytes != 0 ? ticks / static_cast<double>(bytes) : 0; }
};

struct Series {
  std::vector<double> per_byte, ratio, of_memcpy;
  void add(const Pass& pass, const Pass& floor, const Pass& copy) {
    per_byte.push_back(pass.per_byte());
    ratio.push_back(floor.per_byte() / pass.per_byte());
    of_memcpy.push_back(copy.per_byte() / pass.per_byte());
  }
  void print(const char* what, std::uint64_t subbuf, const char* floor) {
    if (ratio.empty()) return;
    std::printf("{\"what\": \"%s\", \"subbuf_kib\": %llu, \"gib_per_s\": %.2f, \"ratio\": %.3f, \"floor\": \"%s\", \"of_memcpy\": %.3f}\n", what,
                static_cast<unsigned long long>(subbuf >> 10), 1e9 / (median(per_byte) * tick_ns) / (1 << 30), median(ratio), floor, median(of_memcpy));
    std::fflush(stdout);
  }
};

std::uint64_t walk(std::span<const std::byte> bytes) {
  std::uint64_t sum = 0, word = 0;
  for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
    std::memcpy(&word, bytes.data() + at, 8);
    sum += word;
  }
  asm volatile("" : : "r"(sum));
  return sum;
}

template <class Body>
Pass timed(Body body) {
  Pass pass;
  const auto begin = now();
  pass.bytes = body();
  pass.ticks = static_cast<double>(now() - begin);
  return pass;
}

// A ring that is filled again and again with records of 60 bytes.
template <Full kFull = Full::discard>
struct Source {
  using B = Buffer<Policy{.sync = Sync::exclusive, .full = kFull}>;
  Source(std::uint64_t subbuf, Memory memory)
      : buffer(std::move(*B::create({.subbuf_count = kSubbufs, .subbuf_size = subbuf, .memory = memory, .prefault = true}))), records(kSubbufs * subbuf / 68) {}
  void fill() {
    std::array<std::byte, 60> body{};
    std::memcpy(body.data(), &records, sizeof records);
    for (std::uint64_t i = 0; i < records; ++i)
      if (buffer.write(7, body) == Written::lost) break;
  }
  B buffer;
  std::uint64_t records;
};

// The same amount of plain memory, just written, in pieces of a sub-buffer.
struct Plain {
  explicit Plain(std::uint64_t subbuf) : piece(subbuf), bytes(kSubbufs * subbuf), copy(subbuf) { fill(); }
  void fill() { std::memset(bytes.data(), ++value, bytes.size()); }
  template <class Use>
  Pass each(Use use) {
    fill();
    return timed([&] {
      for (std::size_t at = 0; at < bytes.size(); at += piece) use(std::span<const std::byte>(bytes).subspan(at, piece));
      return bytes.size();
    });
  }
  Pass memcpy_pass() {
    return each([&](auto b) { copy_out(b); });
  }
  void copy_out(std::span<const std::byte> b) {
    std::memcpy(copy.data(), b.data(), b.size());
    asm volatile("" : : "r"(copy.data()) : "memory");
  }
  // To as much memory, as a file has.
  Pass far_memcpy_pass() {
    far.resize(bytes.size());
    return each([&](auto b) {
      std::memcpy(far.data() + (b.data() - bytes.data()), b.data(), b.size());
      asm volatile("" : : "r"(far.data()) : "memory");
    });
  }
  std::uint64_t piece;
  std::vector<std::byte> bytes, copy, far;
  unsigned char value = 0;
};

template <Full kFull>
void in_this_process(const char* what, std::uint64_t subbuf, bool copied) {
  Source<kFull> source(subbuf, Memory::anonymous);
  Plain plain(subbuf);
  Reader reader = source.buffer.channel().reader(0);
  Series series;
  for (int round = 0; round < kRounds; ++round) {
    const auto use = [&](std::span<const std::byte> b) { copied ? plain.copy_out(b) : void(walk(b)); };
    source.fill();
    const Pass pass = timed([&] {
      std::uint64_t bytes = 0;
      for (Packet packet; reader.next(packet, kFull == Full::discard) == Reader::Answer::packet; reader.release()) {
        use(packet.bytes);
        bytes += packet.bytes.size();
      }
      return bytes;
    });
    series.add(pass, plain.each(use), plain.memcpy_pass());
  }
  series.print(what, subbuf, copied ? "memcpy" : "walk");
}

// The other process copies what it sees to memory of its own, and times it: the view's packets, and plain memory that we wrote too.
void mapped(std::uint64_t subbuf) {
  Source<> source(subbuf, Memory::memfd);
  auto view = View::create(source.buffer.channel());
  auto data = view->open_data();
  const std::size_t size = kSubbufs * subbuf;
  void* shared = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int go[2], answer[2];
  if (!view || !data || shared == MAP_FAILED || pipe(go) != 0 || pipe(answer) != 0) return;
  const pid_t child = fork();
  if (child == 0) {
    pin(1);
    close(go[1]);
    auto reader = MappedReader::attach(view->fd(), *data);
    std::vector<std::byte> copy(subbuf);
    const auto copy_out = [&](std::span<const std::byte> b) {
      std::memcpy(copy.data(), b.data(), b.size());
      asm volatile("" : : "r"(copy.data()) : "memory");
      return b.size();
    };
    for (char c; reader && read(go[0], &c, 1) == 1;) {
      const Pass pass = timed([&] {
        std::uint64_t bytes = 0;
        if (c == 'p')
          for (std::size_t at = 0; at < size; at += subbuf) bytes += copy_out({static_cast<const std::byte*>(shared) + at, subbuf});
        else
          for (MappedPacket packet; reader->next(packet) == MappedReader::Answer::packet; reader->release()) bytes += copy_out(packet.bytes);
        return bytes;
      });
      if (write(answer[1], &pass, sizeof pass) != sizeof pass) break;
    }
    _exit(0);
  }
  const auto ask = [&](char c) {
    Pass pass;
    if (write(go[1], &c, 1) != 1 || read(answer[0], &pass, sizeof pass) != sizeof pass) std::exit(1);
    return pass;
  };
  Series series;
  for (int round = 0; round <= kRounds; ++round) {
    source.fill();
    if (!view->update(true)) break;
    const Pass pass = ask('v');
    (void)view->update(true);
    std::memset(shared, round, size);
    const Pass floor = ask('p');
    if (round != 0) series.add(pass, floor, floor);  // the first meets unmapped pages
  }
  close(go[1]);
  waitpid(child, nullptr, 0);
  for (const int fd : {go[0], answer[0], answer[1], *data}) close(fd);
  munmap(shared, size);
  series.print("mapped_copied", subbuf, "memcpy there");
}

struct Ends {
  int in = -1, out = -1;  // out -1: nobody reads (a file)
  ~Ends() {
    if (in >= 0) close(in);
    if (out >= 0) close(out);
  }
};

void open_file(Ends& e) { e.in = memfd_create("target", MFD_CLOEXEC); }
void open_pipe(Ends& e) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) std::exit(1);
  e.in = fds[1];
  e.out = fds[0];
  fcntl(e.in, F_SETPIPE_SZ, 1 << 20);
}
void open_unix(Ends& e) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) std::exit(1);
  e.in = fds[0];
  e.out = fds[1];
}
void open_tcp(Ends& e) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof a;
  e.in = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, reinterpret_cast<sockaddr*>(&a), size) != 0 || getsockname(listener, reinterpret_cast<sockaddr*>(&a), &size) != 0 ||
      listen(listener, 1) != 0 || connect(e.in, reinterpret_cast<sockaddr*>(&a), size) != 0)
    std::exit(1);
  e.out = accept(listener, nullptr, nullptr);
  close(listener);
}

// Reads at the other end, into a buffer or to nowhere, and counts.
class Sink {
 public:
  Sink(int fd, bool to_null) {
    if (fd < 0) return;
    thread_ = std::thread([this, fd, to_null] {
      pin(1);
      std::vector<char> buffer(256 << 10);
      const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
      for (;;) {
        const ssize_t n = to_null ? splice(fd, nullptr, null, nullptr, 1 << 20, 0) : read(fd, buffer.data(), buffer.size());
        if (n <= 0) break;
        got_.fetch_add(static_cast<std::uint64_t>(n), std::memory_order_release);
      }
      close(null);
    });
  }
  ~Sink() {
    if (thread_.joinable()) thread_.join();
  }
  bool reads() const { return thread_.joinable(); }
  std::uint64_t got() const { return got_.load(std::memory_order_acquire); }

 private:
  std::atomic<std::uint64_t> got_{0};
  std::thread thread_;
};

// Sends until `some` says that there is no more, and waits for the other end. some(): bytes sent; 0: no more; -1: no room.
template <class Some>
Pass through(const Ends& ends, const Sink& sink, Some some) {
  const std::uint64_t before = sink.got();
  return timed([&] {
    std::uint64_t sent = 0;
    for (std::int64_t n; (n = some()) != 0;) {
      if (n > 0) sent += static_cast<std::uint64_t>(n);
      pollfd room{ends.in, POLLOUT, 0};
      if (n < 0) poll(&room, 1, 1);
    }
    while (sink.reads() && sink.got() - before < sent) {
    }
    return sent;
  });
}

void spliced(const char* what, std::uint64_t subbuf, Memory memory, void (*open_ends)(Ends&), bool to_null) {
  Source<> source(subbuf, memory);
  Plain plain(subbuf);
  Ends ends;
  open_ends(ends);
  if (ends.out >= 0) fcntl(ends.in, F_SETFL, O_NONBLOCK);
  auto splice = SpliceReader::create(source.buffer.channel(), 0, ends.in);
  if (!splice) return;
  Series series;
  {
    const Sink sink(ends.out, to_null);
    for (int round = 0; round <= kRounds; ++round) {
      lseek(ends.in, 0, SEEK_SET);
      source.fill();
      const Pass pass = through(ends, sink, [&]() -> std::int64_t {
        const auto moved = splice->move(true);
        if (!moved) std::exit(1);
        return *moved != 0 ? static_cast<std::int64_t>(*moved) : splice->is_full() || splice->held() != 0 ? -1 : 0;
      });
      lseek(ends.in, 0, SEEK_SET);
      plain.fill();
      std::size_t at = 0;
      const Pass floor = through(ends, sink, [&]() -> std::int64_t {
        if (at == plain.bytes.size()) return 0;
        const ssize_t n = write(ends.in, plain.bytes.data() + at, std::min<std::size_t>(plain.piece, plain.bytes.size() - at));
        if (n > 0) at += static_cast<std::size_t>(n);
        return n;
      });
      if (round != 0) series.add(pass, floor, plain.far_memcpy_pass());
    }
    close(ends.in);  // the sink ends
    ends.in = -1;
  }
  series.print(what, subbuf, "write");
}

// What SpliceReader does not do: sendfile of the memory as it is, to a file.
void by_sendfile(std::uint64_t subbuf) {
  Source<> source(subbuf, Memory::memfd);
  Plain plain(subbuf);
  Ends ends;
  open_file(ends);
  Series series;
  const Sink nobody(-1, false);
  for (int round = 0; round <= kRounds; ++round) {
    source.fill();
    Reader reader = source.buffer.channel().reader(0);
    for (Packet packet; reader.next(packet, true) == Reader::Answer::packet;) reader.release();
    const auto whole = [&](auto send) {
      lseek(ends.in, 0, SEEK_SET);
      std::size_t at = 0;
      return through(ends, nobody, [&, send]() -> std::int64_t {
        const ssize_t n = at < plain.bytes.size() ? send(at) : 0;
        at += static_cast<std::size_t>(std::max<ssize_t>(n, 0));
        return n;
      });
    };
    const Pass pass = whole([&](std::size_t at) {
      auto offset = static_cast<off_t>(4096 + ouro::abi::kRingDataOffset + at);
      return sendfile(ends.in, source.buffer.channel().fd(), &offset, subbuf);
    });
    plain.fill();
    const Pass floor = whole([&](std::size_t at) { return write(ends.in, plain.bytes.data() + at, subbuf); });
    if (round != 0) series.add(pass, floor, plain.far_memcpy_pass());
  }
  series.print("sendfile_to_tmpfs", subbuf, "write");
}

}  // namespace

int main() {
  pin(0);
  tick_ns = measure_ns_per_tick();
  for (const std::uint64_t subbuf : {std::uint64_t{128} << 10, std::uint64_t{512} << 10}) {
    in_this_process<Full::discard>("in_place_walked", subbuf, false);
    in_this_process<Full::discard>("in_place_copied", subbuf, true);
    in_this_process<Full::overwrite>("exchanged_walked", subbuf, false);
    in_this_process<Full::overwrite>("exchanged_copied", subbuf, true);
    if (std::thread::hardware_concurrency() >= 2) mapped(subbuf);
    spliced("spliced_to_tmpfs", subbuf, Memory::memfd, open_file, false);
    by_sendfile(subbuf);
    if (std::thread::hardware_concurrency() < 2) continue;
    spliced("splice_to_pipe_read", subbuf, Memory::memfd, open_pipe, false);
    spliced("splice_to_pipe_dropped", subbuf, Memory::memfd, open_pipe, true);
    spliced("vmsplice_to_pipe_read", subbuf, Memory::anonymous, open_pipe, false);
    spliced("sendfile_to_unix", subbuf, Memory::memfd, open_unix, false);
    spliced("send_to_unix", subbuf, Memory::anonymous, open_unix, false);
    spliced("send_to_tcp", subbuf, Memory::memfd, open_tcp, false);
  }
}
