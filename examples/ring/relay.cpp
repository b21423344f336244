// Bytes in, bytes out: relay, with a header and a footer of this program's own around every sub-buffer, full time stamps in them,
// as relayfs let the first Linux Trace Toolkit do. Here the bytes are lines of text; one file for each ring.
#include <time.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <ouro/ring/relay.hpp>

namespace {

std::uint64_t wall_clock() {  // async-signal-safe, as callbacks must be
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

struct Begin {
  std::uint64_t magic, sequence, time_ns;
};
struct End {
  std::uint64_t time_ns, bytes, lost;
};
constexpr std::uint64_t kMagic = 0x31594c4552;  // "RELY1"

struct Ends {
  static constexpr std::size_t begin_size = sizeof(Begin), end_size = sizeof(End);
  static void begin(const ouro::ring::SubbufEnds::Info& info, std::byte* to) noexcept {
    const Begin begin{kMagic, info.sequence, wall_clock()};
    std::memcpy(to, &begin, sizeof begin);
  }
  static void end(const ouro::ring::SubbufEnds::Info& info, std::byte* to) noexcept {
    const End end{wall_clock(), info.bytes, info.lost};
    std::memcpy(to, &end, sizeof end);
  }
};

using Relay = ouro::ring::relay<Ends>;

// Returns how many lines the sub-buffer holds; -1: it is not what its ends say.
int check(const std::string& subbuf, std::uint64_t sequence) {
  Begin begin{};
  End end{};
  if (subbuf.size() < sizeof begin + sizeof end) return -1;
  std::memcpy(&begin, subbuf.data(), sizeof begin);
  std::memcpy(&end, subbuf.data() + subbuf.size() - sizeof end, sizeof end);
  if (begin.magic != kMagic || begin.sequence != sequence || end.bytes != subbuf.size() - sizeof begin - sizeof end || end.time_ns < begin.time_ns) return -1;
  int lines = 0;
  for (std::size_t i = sizeof begin; i < subbuf.size() - sizeof end; ++i) lines += subbuf[i] == '\n';
  return lines;
}

}  // namespace

int main() {
  auto relay = Relay::create({.subbuf_count = 8, .subbuf_size = 64 * 1024});
  if (!relay) return std::fprintf(stderr, "relay: error: %s\n", relay.error().text.c_str()), 1;

  std::vector<std::thread> writers;
  for (int t = 0; t < 4; ++t)
    writers.emplace_back([&, t] {
      for (int i = 0; i < 5000; ++i) {
        const std::string line = "thread " + std::to_string(t) + ", line " + std::to_string(i) + "\n";
        relay->write(line.data(), line.size());
      }
    });
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::string> subbufs;  // by ring and sequence
  ouro::ring::RelayReader reader(relay->channel());
  const auto read = [&] {
    for (ouro::ring::Chunk c; reader.next(c);)
      subbufs[{c.ring, c.sequence}].append(reinterpret_cast<const char*>(c.bytes.data()), c.bytes.size());
  };
  for (std::thread& writer : writers) {
    read();
    writer.join();
  }
  read();

  std::uint64_t lines = 0;
  for (auto it = subbufs.begin(); it != subbufs.end(); ++it) {
    const auto [ring, sequence] = it->first;
    if (std::next(it) == subbufs.end() || std::next(it)->first.first != ring) {  // still being filled: no end yet
      const End end{~std::uint64_t{0}, it->second.size() - sizeof(Begin), 0};
      it->second.append(reinterpret_cast<const char*>(&end), sizeof end);
    }
    const int here = check(it->second, sequence);
    if (here < 0) return std::fprintf(stderr, "relay: error: sub-buffer %" PRIu64 " of ring %u is not what its ends say\n", sequence, ring), 1;
    lines += static_cast<std::uint64_t>(here);
  }
  std::printf("relay: %" PRIu64 " lines in %zu sub-buffers, %" PRIu64 " lost\n", lines, subbufs.size(), reader.lost());
  return lines + reader.lost() == 20'000 ? 0 : 1;
}
