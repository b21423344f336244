// filter/run.hpp -- a bound filter decides on one event's body. Part of what traced programs link.
#pragma once
#include <cstddef>
#include <cstdint>

#include <ouro/abi/filter_layout.hpp>

namespace ouro::filter {

struct Bound;  // a filter bound to one event class: filter/bind.hpp

// What the filter may ask beside the event's fields; asked for only when a comparison needs it, each time one does.
// Derive from it to add what `fetch` wants to know or to keep.
struct Contexts {
  // The address of a u32; of `thread` and `comm`: of 16 bytes with a NUL among them. They must stay as they are until
  // run() returns. Null: not known, and comparisons with it are false.
  const void* (*fetch)(const Contexts& self, abi::FilterContext which) noexcept;
};

// Contexts that are known beforehand.
struct KnownContexts : Contexts {
  KnownContexts() noexcept : Contexts{get} {}
  std::uint32_t number[5]{};  // tid, pid, cpu, uid, gid
  char thread[16]{};
  char comm[16]{};

 private:
  static const void* get(const Contexts& self, abi::FilterContext which) noexcept {
    const auto& known = static_cast<const KnownContexts&>(self);
    if (which == abi::FilterContext::thread) return known.thread;
    if (which == abi::FilterContext::comm) return known.comm;
    return &known.number[static_cast<std::uint8_t>(which)];
  }
};

// Does the filter accept the event? `payload` is what abi/schema.hpp calls so: no stamp, no thread id. Bytes behind
// `size` are never read, whatever the payload says of lengths; a comparison with a field that ends beyond is false.
// Async-signal-safe, any number of threads at once.
bool run(const Bound& bound, const std::byte* payload, std::size_t size, const Contexts& contexts) noexcept;

}  // namespace ouro::filter
