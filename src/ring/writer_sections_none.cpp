#include "ring/writer_sections.hpp"

#if !OURO_HAS_RSEQ

namespace ouro::ring {

bool exchange_in_section(const Exchange&) noexcept { return false; }
void bind_in_section(Route&, std::uint32_t, abi::RingHead*, std::uint32_t) noexcept {}

}  // namespace ouro::ring
#endif
