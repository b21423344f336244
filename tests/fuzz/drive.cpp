// fuzz/drive.cpp -- what runs a fuzz target where libFuzzer does not: its corpus, and changes of it drawn from a seed.
//
//   fuzz_NAME [--turns N] [--seed N] [FILE|FOLDER...]
//
// A child process does it, so that whatever it dies of, the input that it died at is kept (ouro-fuzz-NAME.input), and named.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr std::size_t kMost = 4096;
constexpr unsigned kPatience_s = 20;  // for one input

std::vector<Bytes> corpus;

void add(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(path)) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const auto& file : files) add(file);
    return;
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) std::fprintf(stderr, "fuzz: error: input '%s' cannot be read\n", path.c_str()), std::exit(2);
  corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

void change(Bytes& bytes, std::mt19937_64& random) {
  const auto below = [&](std::size_t n) { return n == 0 ? 0 : random() % n; };
  const auto place = [&](std::size_t n) { return bytes.begin() + static_cast<std::ptrdiff_t>(below(n)); };
  constexpr std::uint8_t kLiked[] = {0, 1, 2, 4, 8, 16, 0x7f, 0x80, 0xff};
  switch (random() % 6) {
    case 0:
      if (!bytes.empty()) *place(bytes.size()) = static_cast<std::uint8_t>(random());
      break;
    case 1:
      if (!bytes.empty()) *place(bytes.size()) = kLiked[below(std::size(kLiked))];
      break;
    case 2: {  // an edit like those that targets take, or a few bytes more
      Bytes more = {static_cast<std::uint8_t>(random()), static_cast<std::uint8_t>(random()), static_cast<std::uint8_t>(random()), static_cast<std::uint8_t>(random() % 17)};
      for (std::size_t n = more[3]; n > 0; --n) more.push_back(random() % 2 == 0 ? kLiked[below(std::size(kLiked))] : static_cast<std::uint8_t>(random()));
      const bool at_end = random() % 2 == 0;
      bytes.insert(at_end ? bytes.end() : place(bytes.size()), more.begin(), more.end());
      break;
    }
    case 3:
      if (!bytes.empty()) bytes.erase(place(bytes.size()));
      break;
    case 4: {
      const Bytes& other = corpus[below(corpus.size())];
      const std::size_t from = below(other.size());
      bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
      break;
    }
    default:
      if (bytes.size() > 1) bytes.resize(1 + below(bytes.size()));
  }
  if (bytes.size() > kMost) bytes.resize(kMost);
}

// The corpus itself, then what comes of it. Depends on nothing else, so that it can be made again.
Bytes input(std::uint64_t turn, std::uint64_t seed) {
  if (turn < corpus.size()) return corpus[turn];
  std::mt19937_64 random(seed * 1'000'003 + turn);
  Bytes out = corpus[random() % corpus.size()];
  for (std::uint64_t n = 1 + random() % 8; n > 0; --n) change(out, random);
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t turns = 0, seed = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if ((argument == "--turns" || argument == "--seed") && i + 1 < argc) (argument == "--turns" ? turns : seed) = std::strtoull(argv[++i], nullptr, 10);
    else add(argument);
  }
  if (corpus.empty()) corpus.emplace_back();
  auto* const now = static_cast<volatile std::uint64_t*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (static_cast<volatile void*>(now) == MAP_FAILED) return 2;
  const pid_t child = ::fork();
  if (child == 0) {
    for (std::uint64_t turn = 0; turn < corpus.size() + turns; ++turn) {
      *now = turn;
      const Bytes bytes = input(turn, seed);
      ::alarm(kPatience_s);
      LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
    std::exit(0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  if (status == 0) {
    std::printf("%zu inputs of the corpus, %llu drawn from it (seed %llu)\n", corpus.size(), static_cast<unsigned long long>(turns), static_cast<unsigned long long>(seed));
    return 0;
  }
  const std::string name = "ouro-" + std::filesystem::path(argv[0]).filename().string() + ".input";
  const Bytes bytes = input(*now, seed);
  std::ofstream(name, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  std::fprintf(stderr, "fuzz: error: turn %llu of seed %llu: %s %d, want none (its input is in %s)\n", static_cast<unsigned long long>(*now), static_cast<unsigned long long>(seed),
               WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), name.c_str());
  return 1;
}
