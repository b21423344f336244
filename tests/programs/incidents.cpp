// Does what lines on its stdin say, and answers each with the time (CLOCK_REALTIME, ns) just before it was done:
//
//   event NUMBER TEXT     incident:event
//   counter VALUE         incident:level
//   span US [US...]       incident:span, sleeping so long; more of them inside of it
//   jump US               incident:span that is left by longjmp(), then one that takes US
//   many N                N times incident:event, numbered from 0
//   abort | exit          ends so
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <sstream>
#include <string>
#include <unistd.h>

#include <ouro/trace.hpp>

namespace {

void span(std::istream& arguments) {
  long us = 0;
  if (!(arguments >> us)) return;
  OURO_SPAN("incident:span", "us", us);
  usleep(static_cast<useconds_t>(us));
  span(arguments);
}

std::jmp_buf place;
[[noreturn, gnu::noinline]] void leave() {
  OURO_SPAN("incident:span", "us", -1);
  std::longjmp(place, 1);
}

std::int64_t now() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

void obey(const std::string& line) {
  std::istringstream in(line);
  std::string what;
  in >> what;
  long number = 0;
  if (what == "event") {
    std::string text;
    in >> number >> text;
    OURO_EVENT("incident:event", "number", number, "text", text);
  } else if (what == "counter") {
    in >> number;
    OURO_COUNTER("incident:level", number);
  } else if (what == "span") {
    span(in);
  } else if (what == "jump") {
    if (setjmp(place) == 0) leave();
    span(in);
  } else if (what == "many") {
    in >> number;
    for (long i = 0; i < number; ++i) OURO_EVENT("incident:event", "number", i, "text", "many");
  } else if (what == "abort") {
    std::abort();
  } else if (what == "exit") {
    std::exit(0);
  }
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const std::int64_t time = now();
    obey(line);
    std::printf("%lld\n", static_cast<long long>(time));
    std::fflush(stdout);
  }
}
