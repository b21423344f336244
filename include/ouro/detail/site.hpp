// ouro/detail/site.hpp -- an event's place in the program, and the way from there into a ring.
//
//   filter word == 0 ---------------------------------------------------------------> off: one load, test, branch
//   enabled = *site.enabled
//     == binding.enabled, == this thread's `known`: write to binding.channel, inline  > one session, known
//     == 0 --------------------------------------------------------------------------> off: another event's bit
//     else: trace_slow()  maps sessions, adds the event and the thread to them        > src/trace/emit.cpp
//
// A binding says: while the enabled word has this value, events of this site go to this channel under this id. It is
// made once and then constant; the word's upper half names the session, so a later one in the same slot never
// matches it.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <ouro/abi/registry_layout.hpp>
#include <ouro/detail/codec.hpp>
#include <ouro/detail/schema_builder.hpp>
#include <ouro/ring/writer.hpp>

#if defined(OURO_SHARED_LIBRARY)
#define OURO_TRACE_API __attribute__((visibility("default")))
#else
#define OURO_TRACE_API __attribute__((visibility("hidden")))
#endif

// In an executable that has the tracer in it, the offset stands in the instruction.
#if (defined(__PIC__) && !defined(__PIE__)) || defined(OURO_SHARED_LIBRARY)
#define OURO_TLS_MODEL __attribute__((tls_model("initial-exec")))
#else
#define OURO_TLS_MODEL __attribute__((tls_model("local-exec")))
#endif

namespace ouro::detail {

struct Binding {
  abi::Word enabled;             // stored last (release); ~0 in the binding that fits nothing
  const ring::Channel* channel;
  std::uint32_t id;
};

struct Site {
  const char* schema;
  std::uint32_t schema_size;
  std::uint32_t filter_index;
  // Set by the tracer. Null until the module is registered; then the filter word is 0 as well.
  std::atomic<const abi::Word*> enabled;
  std::atomic<const Binding*> binding;
  std::atomic<std::uint32_t> row;  // in the registry
};

// The statics of one event. Members of a hidden class, not locals: locals of inline functions are exported, and unique
// in the whole process, which keeps a dlopened module from ever being unloaded.
template <const auto& kSchema, std::uint32_t kFilter>
struct __attribute__((visibility("hidden"))) SiteOf {
  static constexpr auto schema = kSchema;
  static constinit Site site;
};
template <const auto& kSchema, std::uint32_t kFilter>
constinit Site SiteOf<kSchema, kFilter>::site{schema.bytes, sizeof schema.bytes, kFilter, {nullptr}, {nullptr}, {0}};

// What a thread knows of itself. Constant-initialised, initial-exec: an access is one instruction, and safe at first
// touch in a signal handler.
struct ThreadState {
  std::uint64_t known;      // the last enabled word in all of whose sessions this thread has made itself known
  std::uint32_t tid, pid;   // 0: not asked yet
  std::uint32_t epoch;      // of `announced`
  std::uint32_t announced;  // session slots
};

struct Module {  // a program or shared library that has events
  const Site* const* begin;
  const Site* const* end;
  void* filter_page;
};

struct alignas(4096) FilterPage {
  std::atomic<std::uint32_t> word[abi::kFilterWords];
};
static_assert(sizeof(FilterPage) == 4096);
// One per module: a tool's bits arrive here because the registry's page is mapped over it.
__attribute__((visibility("hidden"))) inline constinit FilterPage filter_page{};

extern "C" {
OURO_TRACE_API extern __thread ThreadState ouro_thread OURO_TLS_MODEL;
// Called by each module at its start and end. Idempotent.
OURO_TRACE_API void ouro_module_begin(const Module* module) noexcept;
OURO_TRACE_API void ouro_module_end(const Module* module) noexcept;
// Writes one event, whose body begins with four bytes for the thread id, to all sessions it is enabled for. `body`
// has size <= kMaxSingleShotBody. Async-signal-safe, leaves errno alone.
OURO_TRACE_API __attribute__((cold)) void ouro_trace_slow(const Site* site, void* body, std::size_t size) noexcept;
// For larger events: calls put(context, place) with the place of the payload, once per session.
OURO_TRACE_API void ouro_trace_large(const Site* site, std::size_t size, void (*put)(const void* context, std::byte* place),
                                     const void* context) noexcept;
__attribute__((visibility("hidden"))) extern const Site* const __start_ouro_sites[] __attribute__((weak));
__attribute__((visibility("hidden"))) extern const Site* const __stop_ouro_sites[] __attribute__((weak));
}

// Every file that includes this registers its module; the first call does it.
namespace {
__attribute__((constructor(101), used)) void ouro_begin() {
  const Module module{__start_ouro_sites, __stop_ouro_sites, &filter_page};
  ouro_module_begin(&module);
}
__attribute__((destructor(101), used)) void ouro_end() {
  const Module module{__start_ouro_sites, __stop_ouro_sites, &filter_page};
  ouro_module_end(&module);
}
}  // namespace

inline constexpr std::size_t kTidSize = 4;
inline constexpr std::size_t kInlineBody = 256;  // larger ones are written out of line

// Values packed into words, at offsets that are constants: no stores of parts that a load of the whole would wait for.
template <std::size_t kWords>
struct WordPacker {
  std::uint64_t word[kWords]{};
  template <std::size_t kOffset, std::size_t kSize>
  [[gnu::always_inline]] void put(std::uint64_t bits) noexcept {
    constexpr std::size_t first = kOffset / 8, shift = kOffset % 8 * 8;
    word[first] |= bits << shift;
    if constexpr (kOffset % 8 + kSize > 8) word[first + 1] |= bits >> (64 - shift);
  }
};

template <std::size_t kOffset, std::size_t kWords>
[[gnu::always_inline]] inline void pack(WordPacker<kWords>&) noexcept {}
template <std::size_t kOffset, std::size_t kWords, class P, class... Rest>
[[gnu::always_inline]] inline void pack(WordPacker<kWords>& packer, const P& first, const Rest&... rest) noexcept {
  packer.template put<kOffset, P::kSize>(first.bits());
  pack<kOffset + P::kSize>(packer, rest...);
}

template <class... P>
inline constexpr bool kFixed = (true && ... && (P::kSize != 0)) && (kTidSize + ... + P::kSize) <= 64;

// What an event finds when its filter word says that it may be on.
struct Way {
  const Binding* binding;
  bool is_inline;  // the binding and this thread are good for a write right here
  bool is_off;
};

[[gnu::always_inline]] inline Way way_of(const Site& site) noexcept {
  const std::uint64_t enabled = site.enabled.load(std::memory_order_relaxed)->load(std::memory_order_relaxed);
  const Binding* binding = site.binding.load(std::memory_order_relaxed);
#if OURO_HAS_RSEQ
  // binding->enabled == enabled && ouro_thread.known == enabled, in two instructions fewer than compilers make of it,
  // and with the branches away from multiples of 32 (ouro/detail/rseq.hpp).
  // The first load is an acquire; pairs with bind:B. Channel and id are there if the word is.
  asm goto(".p2align 5,,23\n\t"
           "cmpq %[bound], %[enabled]\n\t"
           "jne %l[other]\n\t"
           "cmpq %[known], %[enabled]\n\t"
           "jne %l[other]"
           : : [bound] "m"(binding->enabled), [known] "m"(ouro_thread.known), [enabled] "r"(enabled)
           : "cc", "memory" : other);
  return {binding, true, false};
other:
#endif
  return {binding, false, enabled == 0};
}

template <class... P>
[[gnu::noinline]] void emit_large(const Site& site, std::size_t size, const P&... values) noexcept {
  const auto put = [&](std::byte* to) { ((to = values.put(to)), ...); };
  using Put = decltype(put);
  if (size <= ring::kMaxSingleShotBody) {
    alignas(16) std::byte body[ring::kMaxSingleShotBody + 16];
    put(body + kTidSize);
    ouro_trace_slow(&site, body, size);
    return;
  }
  ouro_trace_large(&site, size, [](const void* context, std::byte* to) { (*static_cast<const Put*>(context))(to); }, &put);
}

// What an event with fewer fields than registers has in the others' place.
struct NoValue {
  static constexpr std::size_t kSize = 0;
  static constexpr std::uint64_t bits() noexcept { return 0; }
};
inline constexpr std::size_t kRegisterFields = 4;

#if OURO_HAS_RSEQ
template <class A, class B, class C, class D, class... None>
[[gnu::always_inline]] inline void write_scalars(const Binding* binding, const A& a, const B& b, const C& c, const D& d,
                                                 const None&...) noexcept {
  ring::write_fields<A::kSize, B::kSize, C::kSize, D::kSize>(binding->channel, binding->id, ouro_thread.tid, a.bits(), b.bits(),
                                                             c.bits(), d.bits());
}
#endif

// The event is perhaps on.
template <class... P>
[[gnu::always_inline]] inline void emit_prepared(const Site& site, Way way, const P&... values) noexcept {
  if constexpr (sizeof...(P) <= kRegisterFields && kFixed<P...>) {
#if OURO_HAS_RSEQ
    if (way.is_inline) [[likely]]
      return write_scalars(way.binding, values..., NoValue{}, NoValue{}, NoValue{}, NoValue{});
#endif
    std::byte body[kTidSize + 8 * kRegisterFields];
    [[maybe_unused]] std::byte* to = body + kTidSize;
    ((to = values.put(to)), ...);
    ouro_trace_slow(&site, body, (kTidSize + ... + P::kSize));
  } else if constexpr (kFixed<P...>) {
    constexpr std::size_t kSize = (kTidSize + ... + P::kSize);
    WordPacker<(kSize + 7) / 8> packer;
    packer.template put<0, kTidSize>(ouro_thread.tid);
    pack<kTidSize>(packer, values...);
#if OURO_HAS_RSEQ
    if (way.is_inline) [[likely]]
      return ring::write_fixed<kSize>(way.binding->channel, way.binding->id, packer.word);
#endif
    ouro_trace_slow(&site, packer.word, kSize);
  } else {
    const std::size_t size = (kTidSize + ... + values.size());
    if (size > kInlineBody) [[unlikely]]
      return emit_large(site, size, values...);
    alignas(16) std::byte body[kInlineBody + 16];
    std::memcpy(body, &ouro_thread.tid, kTidSize);
    std::byte* to = body + kTidSize;
    ((to = values.put(to)), ...);
#if OURO_HAS_RSEQ
    if (way.is_inline) [[likely]]
      return ring::write_sized(way.binding->channel, way.binding->id, body, size);
#endif
    ouro_trace_slow(&site, body, size);
  }
}

// Recursion over the list: each step prepares one value and hangs it behind those already prepared.
template <class... Done>
struct Collect {
  [[gnu::always_inline]] static void emit(const Site& site, Way way, const Done&... done) noexcept {
    emit_prepared(site, way, done...);
  }
  template <class Name>
  static void emit(const Site&, Way, const Done&..., const Name&) noexcept {}  // a mistake, reported elsewhere
  template <class Name, class V, class... Rest>
  [[gnu::always_inline]] static void emit(const Site& site, Way way, const Done&... done, const Name&,
                                          const V& value, const Rest&... rest) noexcept {
    Collect<Done..., Prepared<V>>::emit(site, way, done..., prepare(value), rest...);
  }
};

template <class... A>
[[gnu::always_inline]] inline void emit(const Site& site, const A&... names_and_values) noexcept {
  const Way way = way_of(site);
  if (way.is_off) [[unlikely]]
    return;
  Collect<>::emit(site, way, names_and_values...);
}

// For spans: was the beginning written?
template <class... A>
[[gnu::always_inline]] inline bool emit_begin(const Site& site, const A&... names_and_values) noexcept {
  const Way way = way_of(site);
  if (way.is_off) [[unlikely]]
    return false;
  Collect<>::emit(site, way, names_and_values...);
  return true;
}

template <std::uint32_t kIndex>
inline constexpr std::uint32_t kFilterIndex = kIndex;  // forces the hash of a name to be a constant

[[gnu::always_inline]] inline bool maybe_on(std::uint32_t filter_index) noexcept {
  return filter_page.word[filter_index].load(std::memory_order_relaxed) != 0;
}

// The rest of a scope: its end is an event if its beginning was one.
class SpanEnd {
 public:
  [[gnu::always_inline]] explicit SpanEnd(const Site* end) noexcept : end_(end) {}
  SpanEnd(const SpanEnd&) = delete;
  SpanEnd& operator=(const SpanEnd&) = delete;
  [[gnu::always_inline]] ~SpanEnd() {
    if (end_ != nullptr) [[unlikely]]
      emit(*end_);
  }

 private:
  const Site* end_;
};

}  // namespace ouro::detail
