// CLIENTS clients of the ring library, each with a policy of its own. tests/e2e/client_size.sh: what one more of them costs.
#include <utility>

#include <ouro/ring/buffer.hpp>

using namespace ouro::ring;

template <std::uint64_t kNumber>
[[gnu::noinline]] bool client(std::uint32_t value) {
  constexpr Policy kOwn{.full = kNumber % 2 == 0 ? Full::discard : Full::overwrite, .patience_ns = kNumber};
  auto buffer = Buffer<kOwn>::create();
  if (!buffer) return false;
  return buffer->write(7, value) == Written::yes;
}

int main(int argc, char**) {
  return [&]<std::uint64_t... kNumbers>(std::integer_sequence<std::uint64_t, kNumbers...>) {
    return (client<kNumbers>(static_cast<std::uint32_t>(argc)) + ...) == CLIENTS ? 0 : 1;
  }(std::make_integer_sequence<std::uint64_t, CLIENTS>());
}
