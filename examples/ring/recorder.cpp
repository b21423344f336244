// The newest are kept, and looked at when something went wrong: flight_recorder.
#include <cstdio>
#include <cstring>

#include <ouro/ring/clients.hpp>

struct Step {
  int number;
  double position;
};

int main() {
  auto recorder = ouro::ring::flight_recorder::create({.subbuf_count = 4, .subbuf_size = 4096});
  if (!recorder) return std::fprintf(stderr, "recorder: error: %s\n", recorder.error().text.c_str()), 1;

  double position = 0;
  for (int number = 0; position < 1000; ++number) {
    position += 0.001 * number;
    recorder->write(1, Step{number, position});
  }

  ouro::ring::Records records(recorder->channel());
  records.writers_are_done();
  Step last{}, first{};
  std::uint64_t kept = 0;
  for (ouro::ring::Record r; records.next(r); ++kept) {
    std::memcpy(&last, r.bytes.data(), sizeof last);
    if (kept == 0) first = last;
  }
  std::printf("recorder: the last %llu steps, from %d to %d at %.3f; %llu before them are gone\n", static_cast<unsigned long long>(kept),
              first.number, last.number, last.position, static_cast<unsigned long long>(records.lost()));
}
