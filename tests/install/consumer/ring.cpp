// The ring library alone: a geometry, checked, and the memory that it wants.
#include <cstdio>

#include <ouro/ring/reader.hpp>

int main() {
  ouro::ring::Geometry wanted;
  wanted.kind = ouro::abi::RingKind::shared;
  wanted.mode = ouro::abi::FullMode::discard;
  wanted.subbuf_count = 4;
  wanted.subbuf_size = ouro::abi::kMinSubbufSize;
  const auto checked = ouro::ring::check(wanted);
  if (!checked) {
    std::puts(checked.error().text.c_str());
    return 1;
  }
  return checked->data_size() == 5 * wanted.subbuf_size ? 0 : 1;
}
