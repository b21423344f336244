// One process writes and exports, another reads in place: View and MappedReader. Descriptors travel over a socket (SCM_RIGHTS).
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <thread>

#include <ouro/ring/clients.hpp>
#include <ouro/ring/mapped_reader.hpp>
#include <ouro/ring/view.hpp>

namespace ring = ouro::ring;

namespace {

constexpr std::uint64_t kCount = 500'000;

// What one process says to the other: two descriptors.
union Rights {
  cmsghdr header;
  std::array<char, CMSG_SPACE(2 * sizeof(int))> bytes;
};
bool pass(int socket, bool give, std::array<int, 2>& fds) {
  Rights rights{};
  char c = 0;
  iovec byte{&c, 1};
  msghdr message{};
  message.msg_iov = &byte;
  message.msg_iovlen = 1;
  message.msg_control = rights.bytes.data();
  message.msg_controllen = rights.bytes.size();
  if (!give) {
    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 || message.msg_controllen < CMSG_LEN(sizeof fds)) return false;
    std::memcpy(fds.data(), CMSG_DATA(&rights.header), sizeof fds);
    return true;
  }
  rights.header = {CMSG_LEN(sizeof fds), SOL_SOCKET, SCM_RIGHTS};
  std::memcpy(CMSG_DATA(&rights.header), fds.data(), sizeof fds);
  return sendmsg(socket, &message, 0) == 1;
}

// The other process. It knows two descriptors, and adds up what it finds.
int read_along(int socket) {
  std::array<int, 2> fds{};
  if (!pass(socket, false, fds)) return 1;
  auto reader = ring::MappedReader::attach(fds[0], fds[1]);
  if (!reader) return std::fprintf(stderr, "mapped: error: %s\n", reader.error().text.c_str()), 1;
  std::uint64_t sum = 0, count = 0;
  std::array<std::uint64_t, 1024> lost{};  // of each ring
  for (ring::MappedPacket packet;;) {
    const auto answer = reader->next(packet);
    if (answer == ring::MappedReader::Answer::nothing) reader->sleep(1'000'000'000);
    if (answer == ring::MappedReader::Answer::corrupt) return 1;
    if (answer == ring::MappedReader::Answer::ended) break;
    if (answer != ring::MappedReader::Answer::packet) continue;
    ring::MappedRecord r;
    for (std::size_t at = 0; ring::MappedReader::next_record(packet, at, r); ++count) {
      std::uint64_t value = 0;
      std::memcpy(&value, r.bytes.data(), sizeof value);
      sum += value;
    }
    lost[packet.ring % lost.size()] = packet.lost;
    reader->release();
  }
  std::uint64_t lost_in_all = 0;
  for (const std::uint64_t n : lost) lost_in_all += n;
  std::printf("mapped: %llu read, %llu lost, sum %llu\n", static_cast<unsigned long long>(count), static_cast<unsigned long long>(lost_in_all),
              static_cast<unsigned long long>(sum));
  return lost_in_all == 0 && count == kCount && sum == kCount * (kCount - 1) / 2 ? 0 : 1;
}

// Writers wait for room, so nothing is lost.
using Stream = ring::Buffer<ring::Policy{.full = ring::Full::block, .patience_ns = 20'000'000'000}>;

int write_and_export(int socket) {
  auto stream = Stream::create({.subbuf_count = 8, .subbuf_size = 16 * 1024, .memory = ring::Memory::memfd});
  if (!stream) return std::fprintf(stderr, "mapped: error: %s\n", stream.error().text.c_str()), 1;
  auto view = ring::View::create(stream->channel());
  if (!view) return std::fprintf(stderr, "mapped: error: %s\n", view.error().text.c_str()), 1;
  auto data = view->open_data();
  if (!data) return std::fprintf(stderr, "mapped: error: %s\n", data.error().text.c_str()), 1;
  std::array<int, 2> fds{view->fd(), *data};
  if (!pass(socket, true, fds)) return 1;

  std::atomic<bool> written = false;
  std::jthread writer([&] {
    for (std::uint64_t i = 0; i < kCount; ++i) stream->write(1, i);
    written = true;
  });
  for (bool last = false; !last || view->consumed() < view->produced();) {
    last = written;  // asked first: what was written before is published below
    if (const auto published = view->update(last); !published) return std::fprintf(stderr, "mapped: error: %s\n", published.error().text.c_str()), 1;
    view->sleep(1'000'000);
  }
  view->end();
  return 0;
}

}  // namespace

int main() {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0) return 1;
  const pid_t child = fork();
  if (child == 0) {
    close(sockets[1]);
    const int status = read_along(sockets[0]);
    std::fflush(stdout);
    _exit(status);
  }
  close(sockets[0]);
  const int exported = write_and_export(sockets[1]);
  int status = 1;
  waitpid(child, &status, 0);
  return exported == 0 && status == 0 ? 0 : 1;
}
