// checker -- runs scenarios of a tiny ring through all that may happen in them. README.md says what and why.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "litmus.hpp"
#include "scenarios.hpp"
#if defined(OURO_CHECKER_TWINS)
#include "twins.hpp"
#endif

namespace ouro::checker {
namespace {

// drawn: so many executions, at random; 0: all.
bool run_scenario(const Scenario& s, Bounds bounds, std::uint64_t drawn) {
  const auto begun = std::chrono::steady_clock::now();
  world.forget_reached();
  const Outcome r = drawn != 0 ? run(experiment_of(s), bounds, drawn, true) : run(experiment_of(s), bounds);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  std::printf("%-36s %d switches, %d stale, %d interruptions: %10llu executions, %6.1f s\n", s.name.c_str(), bounds.switches, bounds.stale, bounds.interruptions,
              static_cast<unsigned long long>(r.executions), seconds);
  std::fflush(stdout);
  if (!r.failure.empty()) {
    std::printf("%sfailed: %s\n", r.trace.c_str(), r.failure.c_str());
    return false;
  }
  if (const unsigned not_reached = s.must_reach & ~world.reached(); not_reached != 0 && drawn == 0) {
    std::printf("vacuous: no execution reached %#x\n", not_reached);
    return false;
  }
  return true;
}

}  // namespace
}  // namespace ouro::checker

constexpr char kHelp[] =
    "checker [--full] [--bounds SWITCHES STALE INTERRUPTIONS] [NAME]   runs the scenarios whose names contain NAME\n"
    "        --drawn N                   N executions of each, at random\n"
    "checker --litmus                    the memory by itself, on the classic shapes\n"
    "checker_twins --caught PART PARTS   twins that README.md says are caught\n"
    "checker_twins --complete            is README.md's table of them complete?\n"
    "checker_twins --bounds ... --try ROW NAME    rows that contain ROW, in scenarios whose names contain NAME\n"
    "checker_twins --find PART PARTS LIMIT [LETTERS]    looks for all that the table does not have, or not but with these letters, and prints its rows;\n"
    "                            LIMIT executions a scenario\n";

int main(int argc, char** argv) {
  using namespace ouro::checker;
  std::string_view only;
  bool full = false;
  Bounds bounds{-1, -1, -1};
  std::uint64_t drawn = 0;
  const auto number = [&](int i) { return i < argc ? std::atoi(argv[i]) : 1; };
  for (int i = 1; i < argc; ++i) {
    const std::string_view a = argv[i];
    if (a == "--full") full = true;
    else if (a == "--bounds") bounds = {number(i + 1), number(i + 2), number(i + 3)}, i += 3;
    else if (a == "--drawn") drawn = static_cast<std::uint64_t>(number(++i));
    else if (a == "--litmus") return run_litmus() ? 0 : 1;
#if defined(OURO_CHECKER_TWINS)
    else if (a == "--caught") return twins_are_caught(number(i + 1), number(i + 2)) ? 0 : 1;
    else if (a == "--complete") return table_is_complete() ? 0 : 1;
    else if (a == "--find") return find_twins(number(i + 1), number(i + 2), static_cast<std::uint64_t>(number(i + 3)), i + 4 < argc ? argv[i + 4] : ""), 0;
    else if (a == "--try" && i + 2 < argc) return try_twins(argv[i + 1], argv[i + 2], bounds), 0;
#endif
    else if (a.starts_with("--")) return std::fputs(kHelp, stdout), a == "--help" ? 0 : 2;
    else only = a;
  }
  int run = 0, failed = 0;
  for (const Scenario& s : scenarios()) {
    if (s.name.find(only) == std::string::npos) continue;
    ++run;
    failed += run_scenario(s, bounds.switches >= 0 ? bounds : full ? s.full : s.quick, drawn) ? 0 : 1;
  }
  std::printf("%d scenarios, %d failed\n", run, failed);
  return run != 0 && failed == 0 ? 0 : 1;
}
