// A reader of traces: what is no trace is refused with a reason.
#include <cstdio>

#include <ouro/read.hpp>

int main() {
  const auto trace = ouro::read::Trace::open("/nowhere");
  if (trace) return 1;
  std::puts(trace.error().text.c_str());
  return trace.error().text.find("/nowhere") == std::string::npos ? 1 : 0;
}
