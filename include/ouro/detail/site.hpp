// ouro/detail/site.hpp -- an event's place in the program, and the way from there into a ring.
//
//   word = the event's filter word
//     == 0 --------------------------------------------------------------------------> off: one load, test, branch
//     == word of site.target, == tag of this thread's route: write to the route's ring, inline, under target's id
//     == word of *site.choice -------------------------------------------------------> by its filter and contexts (ouro/detail/choice.hpp)
//     *site.enabled == 0 -------------------------------------------------------------> off: another event's word
//     else: ouro_trace_slow()  maps sessions, adds the event and the thread to them   > src/trace/emit.cpp
//
// A filter word with one session's bit names that session. Under that name an event remembers its id (target), and a
// thread the ring where it writes (route): two words to compare. They are looked up once and hold until the word changes
// or, for the route, the thread runs on another CPU.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <ouro/abi/registry_layout.hpp>
#include <ouro/detail/choice.hpp>
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

struct Site {
  const char* schema;
  std::uint32_t schema_size;
  std::uint32_t filter_index;
  // Set by the tracer. Null until the module is registered; then the filter word is 0 as well.
  std::atomic<const abi::Word*> enabled;
  std::atomic<std::uint64_t> target;  // {id:32, filter word under which it is the event's id:32}; 0: none
  std::atomic<std::uint32_t> row;     // in the registry
  bool counted;                       // among the row's users
  std::atomic<const Choice*> choice;  // how its events are written that have a filter, a limit or contexts; null: not known
};
// Tools find these in files (src/record/program_file.cpp).
static_assert(offsetof(Site, schema) == 0 && offsetof(Site, schema_size) == sizeof(void*) && offsetof(Site, filter_index) == sizeof(void*) + 4);

// The statics of one event. Members of a hidden class, not locals: locals of inline functions are exported, and unique
// in the whole process, which keeps a dlopened module from ever being unloaded.
template <const auto& kSchema>
struct __attribute__((visibility("hidden"))) SiteOf {
  static constexpr auto schema = kSchema;
  static constexpr std::uint32_t filter_index = abi::filter_index(schema.bytes, sizeof schema.bytes);
  static constinit Site site;
};
template <const auto& kSchema>
constinit Site SiteOf<kSchema>::site{schema.bytes, sizeof schema.bytes, filter_index, {nullptr}, {0}, {0}, false, {nullptr}};

// Spans that have begun and whose length somebody wants to know (src/trace/spans.hpp).
inline constexpr std::uint32_t kOpenSpans = 8;
struct OpenSpans {
  struct Span {
    std::uint64_t begin;
    std::uint32_t what;  // 0: none
  };
  std::uint32_t begun = 0;
  Span span[kOpenSpans]{};
};

// What a thread knows of itself. Constant-initialised, initial-exec: an access is one instruction, and safe at first
// touch in a signal handler.
struct ThreadState {
  ring::Route route{};          // its tag: a filter word in whose session this thread has made itself known
  std::uint32_t tid = 0, pid = 0;  // 0: not asked yet
  std::uint32_t epoch = 0;         // of `announced`
  std::uint32_t announced = 0;     // session slots
  std::uintptr_t contexts = 0;     // src/trace/context_cache.hpp
  ContextBytes known{};
  OpenSpans open_spans{};
};

// May what the thread knows of these contexts be written by a section to its route's ring, which there is? That writes nothing with a stamp
// from the ring's deadline on: it stands in for the time, which costs more.
[[gnu::always_inline]] inline bool stand(const ThreadState& thread, std::uint64_t contexts) noexcept {
  return thread.known.contexts == contexts && thread.known.pid == thread.pid &&
         thread.route.ring->writer.stamp_deadline.load(std::memory_order_relaxed) <= thread.known.until;
}

// For as long as it lives, the thread's handlers leave what it knows of contexts alone. False: some frame below has it.
class ContextsInUse {
 public:
  [[gnu::always_inline]] explicit ContextsInUse(ThreadState& thread) noexcept
      : word_(*const_cast<volatile std::uintptr_t*>(&thread.contexts)), before_(word_) {
    if (*this) set(before_ | kContextsInUse);
  }
  [[gnu::always_inline]] ~ContextsInUse() {
    if (*this) set(before_);
  }
  ContextsInUse(const ContextsInUse&) = delete;
  ContextsInUse& operator=(const ContextsInUse&) = delete;
  [[gnu::always_inline]] explicit operator bool() const noexcept { return (before_ & kContextsInUse) == 0; }

 private:
  [[gnu::always_inline]] void set(std::uintptr_t word) noexcept {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    word_ = word;
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  volatile std::uintptr_t& word_;
  const std::uintptr_t before_;
};

// What stands goes to `to`, where there is room for all of ContextBytes::bytes. Returns its size; 0: nothing stands.
[[gnu::always_inline]] inline std::size_t copy_standing(ThreadState& thread, std::uint64_t contexts, std::byte* to) noexcept {
  const ContextsInUse use(thread);
  if (!use || !stand(thread, contexts)) return 0;
  std::memcpy(to, thread.known.bytes, sizeof thread.known.bytes);  // all of it, in a few moves
  return thread.known.size;
}

struct Module {  // a program or shared library that has events
  const Site* const* begin;
  const Site* const* end;
  void* filter;
};

struct alignas(4096) Filter {
  std::atomic<std::uint32_t> word[abi::kFilterWords];
};
static_assert(sizeof(Filter) == abi::kRegistryFilterSize);
// One per module: a tool's bits arrive here because the registry's pages are mapped over it.
__attribute__((visibility("hidden"))) inline constinit Filter filter{};

extern "C" {
OURO_TRACE_API extern __thread ThreadState ouro_thread OURO_TLS_MODEL;
// Called by each module at its start and end. Idempotent.
OURO_TRACE_API void ouro_module_begin(const Module* module) noexcept;
OURO_TRACE_API void ouro_module_end(const Module* module) noexcept;
// Writes one event, whose body begins with four bytes for the thread id, to all sessions it is enabled for. `body`
// has size <= kMaxSingleShotBody. `frame`: the frame pointer of the function that the event's code called. `accepted`: the event's choice
// under this filter word was to write it; 0: it was not asked. Async-signal-safe, leaves errno alone.
OURO_TRACE_API __attribute__((cold)) void ouro_trace_slow(const Site* site, void* body, std::size_t size, const void* frame,
                                                          std::uint32_t accepted) noexcept;
// For larger events: calls put(context, place) with the place of the payload, once per session.
OURO_TRACE_API void ouro_trace_large(const Site* site, std::size_t size, void (*put)(const void* context, std::byte* place),
                                     const void* context, const void* frame) noexcept;
__attribute__((visibility("hidden"))) extern const Site* const __start_ouro_sites[] __attribute__((weak));
__attribute__((visibility("hidden"))) extern const Site* const __stop_ouro_sites[] __attribute__((weak));
}

// Every file that includes this registers its module; the first call does it.
namespace {
__attribute__((constructor(101), used)) void ouro_begin() {
  const Module module{__start_ouro_sites, __stop_ouro_sites, &filter};
  ouro_module_begin(&module);
}
__attribute__((destructor(101), used)) void ouro_end() {
  const Module module{__start_ouro_sites, __stop_ouro_sites, &filter};
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

// Scalars one behind the other from kOffset on; those behind a string, which is not packed, from kBehind on.
template <class P>
inline constexpr bool kIsText = std::is_same_v<P, StringValue>;
template <std::size_t kOffset, std::size_t kBehind, std::size_t kWords>
[[gnu::always_inline]] inline void pack(WordPacker<kWords>&) noexcept {}
template <std::size_t kOffset, std::size_t kBehind, std::size_t kWords, class P, class... Rest>
[[gnu::always_inline]] inline void pack(WordPacker<kWords>& packer, const P& first, const Rest&... rest) noexcept {
  if constexpr (kIsText<P>) {
    pack<kBehind, kBehind>(packer, rest...);
  } else {
    packer.template put<kOffset, P::kSize>(first.bits());
    pack<kOffset + P::kSize, kBehind>(packer, rest...);
  }
}

template <class... P>
inline constexpr bool kFixed = (true && ... && (P::kSize != 0)) && (kTidSize + ... + P::kSize) <= 64;

// What an event finds when its filter word is not 0.
struct Way {
  std::uint32_t word;
  std::uint32_t id;
  bool is_inline;  // `id` is the event's in the session that `word` names
};

[[gnu::always_inline]] inline Way way_of(const Site& site, std::uint32_t word) noexcept {
  // Relaxed: a target holds all that it speaks of, and the route is the thread's own.
  const std::uint64_t target = site.target.load(std::memory_order_relaxed);
  return {word, static_cast<std::uint32_t>(target >> 32), static_cast<std::uint32_t>(target) == word};
}

// The word is another event's.
[[gnu::always_inline]] inline bool is_off(const Site& site) noexcept {
  return site.enabled.load(std::memory_order_relaxed)->load(std::memory_order_relaxed) == 0;
}

// Null: there is none under this word.
[[gnu::always_inline]] inline const Choice* choice_of(const Site& site, std::uint32_t word) noexcept {
  // Acquire, both; they pair with remember() in src/trace/emit.cpp: what it points to is whole.
  const Choice* const choice = site.choice.load(std::memory_order_acquire);
  return choice != nullptr && choice->word.load(std::memory_order_acquire) == word ? choice : nullptr;
}

template <class... P>
[[gnu::noinline, gnu::visibility("hidden")]] void emit_large(const Site& site, std::size_t size, const void* frame, const P&... values) noexcept {
  const auto put = [&](std::byte* to) { ((to = values.put(to)), ...); };
  using Put = decltype(put);
  if (size <= ring::kMaxSingleShotBody) {
    alignas(16) std::byte body[ring::kMaxSingleShotBody + 16];
    put(body + kTidSize);
    ouro_trace_slow(&site, body, size, frame, 0);
    return;
  }
  ouro_trace_large(&site, size, [](const void* context, std::byte* to) { (*static_cast<const Put*>(context))(to); }, &put, frame);
}

// What an event with fewer fields than registers has in the others' place.
struct NoValue {
  static constexpr std::size_t kSize = 0;
  static constexpr std::uint64_t bits() noexcept { return 0; }
};
inline constexpr std::size_t kRegisterFields = 4;

template <class A, class B, class C, class D, class... None>
[[gnu::always_inline]] inline bool shoot_scalars(Way way, const A& a, const B& b, const C& c, const D& d, const None&...) noexcept {
  return ring::detail::shoot_fields<A::kSize, B::kSize, C::kSize, D::kSize>(ouro_thread.route, way.word, way.id, ouro_thread.tid,
                                                                            a.bits(), b.bits(), c.bits(), d.bits());
}

// A scalar of which only the size is known: events with fields of the same sizes have one function for what is not inline.
template <std::size_t kBytes>
struct Bits {
  static constexpr std::size_t kSize = kBytes;
  std::uint64_t value;
  [[gnu::always_inline]] std::uint64_t bits() const noexcept { return value; }
};

template <std::size_t>
using BitsOf = std::uint64_t;

// Behind what the thread knows of the session's contexts. False: nothing was written.
template <std::size_t... kSizes>
[[gnu::always_inline]] inline bool shoot_behind_contexts(const Choice& choice, std::uint32_t word, BitsOf<kSizes>... values) noexcept {
  constexpr std::size_t kTail = (std::size_t{0} + ... + kSizes);
  ThreadState& thread = ouro_thread;
  const ContextsInUse use(thread);
  if (!use || thread.route.tag != word || !stand(thread, choice.contexts)) [[unlikely]]
    return false;
  WordPacker<1 + (kTail + 7) / 8> packer;
  pack<8, 8>(packer, Bits<kSizes>{values}...);
  return ring::detail::shoot_bytes<kTidSize, kTail, false, true, true>(thread.route, word, choice.id, thread.tid, packer.word,
                                                                       thread.known.bytes, thread.known.size);
}

// Functions below that ask for their frame's address are nothrow, not noexcept: gcc takes that for something that may throw, and programs
// would want a runtime for exceptions.

// By way of a body on the stack. `accepted`: as in ouro_trace_slow.
template <std::size_t... kSizes>
[[gnu::always_inline]] inline void emit_slow(const Site& site, const void* frame, std::uint32_t accepted, BitsOf<kSizes>... values) noexcept {
  std::byte body[kTidSize + 8 * kRegisterFields];
  [[maybe_unused]] std::byte* to = body + kTidSize;
  ((std::memcpy(to, &values, kSizes), to += kSizes), ...);
  ouro_trace_slow(&site, body, (kTidSize + ... + kSizes), frame, accepted);
}

// An event that is to be written without contexts. In case that has changed meanwhile it has a frame.
template <std::size_t... kSizes>
[[gnu::noinline, gnu::visibility("hidden"), gnu::nothrow]] bool emit_accepted(const Site& site, std::uint32_t word, std::uint32_t id,
                                                                              BitsOf<kSizes>... values) {
  constexpr NoValue none;
  if (is_off(site)) [[unlikely]]
    return false;
  if (!shoot_scalars({word, id, true}, Bits<kSizes>{values}..., none, none, none, none)) [[unlikely]]
    emit_slow<kSizes...>(site, __builtin_frame_address(0), word, values...);
  return true;
}

// All that emit_scalars leaves to others: events with contexts, and those for which it has no choice.
template <std::size_t... kSizes>
[[gnu::noinline, gnu::visibility("hidden")]] bool emit_asking(const Site& site, std::uint32_t word, const void* frame, bool accepted,
                                                              BitsOf<kSizes>... values) noexcept {
  if (is_off(site)) [[unlikely]]
    return false;
  if (const Choice* const choice = accepted ? choice_of(site, word) : nullptr;
      choice == nullptr || !shoot_behind_contexts<kSizes...>(*choice, word, values...)) [[unlikely]]
    emit_slow<kSizes...>(site, frame, accepted ? word : 0, values...);
  return true;
}

// An event of few scalars that was not written inline. False: it is off. What is refused takes few registers and no more calls.
template <std::size_t... kSizes>
[[gnu::noinline, gnu::visibility("hidden"), gnu::nothrow]] bool emit_scalars(const Site& site, std::uint32_t word, BitsOf<kSizes>... values) {
  bool accepted = false;
  if (const Choice* const choice = choice_of(site, word); choice != nullptr) [[likely]] {
    constexpr std::size_t kCount = sizeof...(values);
    const std::uint64_t fields[kCount != 0 ? kCount : 1] = {values...};
    if (refuses_at_once<kCount>(*choice, fields)) [[likely]]
      return true;
    const std::uint8_t verdict = decide<kCount>(*choice, fields);
    if (verdict == Choice::kReject) return true;
    if (verdict == Choice::kWrite) return emit_accepted<kSizes...>(site, word, choice->id, values...);
    accepted = verdict == Choice::kWriteBehind;
  }
  const bool is_on = emit_asking<kSizes...>(site, word, __builtin_frame_address(0), accepted, values...);
  asm volatile("");  // not by a jump: the frame stays while its callstack is walked
  return is_on;
}

// One string and some scalars: the string is copied once, from where it is to the ring.
template <class... P>
inline constexpr bool kOneText = (0 + ... + kIsText<P>) == 1 && (true && ... && (P::kSize != 0 || kIsText<P>)) &&
                                 (kTidSize + ... + P::kSize) <= 48;
// Sizes of the scalars before and behind it.
template <class... P>
constexpr std::size_t size_before_text() {
  std::size_t size = 0;
  bool before = true;
  ((before = before && !kIsText<P>, size += before ? P::kSize : 0), ...);
  return size;
}

[[gnu::always_inline]] inline const StringValue& text_of(const StringValue& text, const auto&...) noexcept { return text; }
template <class P, class... Rest>
[[gnu::always_inline]] inline const StringValue& text_of(const P&, const Rest&... rest) noexcept {
  return text_of(rest...);
}

template <class... P>
[[gnu::always_inline]] inline bool shoot_around_text(Way way, const P&... values) noexcept {
  constexpr std::size_t kHead = kTidSize + size_before_text<P...>();
  constexpr std::size_t kTail = (kTidSize + ... + P::kSize) - kHead + 1;  // the string's NUL is its first byte
  constexpr std::size_t kHeadWords = (kHead + 7) / 8;
  WordPacker<kHeadWords + (kTail + 7) / 8> packer;
  pack<kTidSize, 8 * kHeadWords + 1>(packer, values...);
  const StringValue& text = text_of(values...);
  return ring::detail::shoot_bytes<kHead, kTail, true, true, true>(ouro_thread.route, way.word, way.id, ouro_thread.tid, packer.word,
                                                                   text.text, text.length);
}

template <class P>
[[gnu::always_inline]] inline std::uint64_t scalar_bits(const P& value) noexcept {
  if constexpr (P::kSize != 0) return value.bits();
  else return 0;
}

// By way of a body on the stack. `kTried`: the inline path has been. False: the event is off.
template <bool kTried, class... P>
[[gnu::noinline, gnu::visibility("hidden"), gnu::nothrow]] bool emit_body(const Site& site, Way way, std::size_t size, const P&... values) {
  if (size > kInlineBody) [[unlikely]] {
    if (!way.is_inline && is_off(site)) return false;
    emit_large(site, size, __builtin_frame_address(0), values...);
    return true;
  }
  ThreadState& thread = ouro_thread;
  std::uint64_t words[(kInlineBody + sizeof thread.known.bytes) / 8];
  std::byte* body = reinterpret_cast<std::byte*>(words) + kTidSize;  // where the payload begins
  std::uint32_t accepted = 0;
  bool may_shoot = !kTried && way.is_inline;
  if (!way.is_inline) {
    if (const Choice* const choice = choice_of(site, way.word); choice != nullptr) [[likely]] {
      const std::uint64_t fields[] = {scalar_bits(values)...};
      if (refuses_at_once<sizeof...(P)>(*choice, fields)) return true;
      const std::uint8_t verdict = decide<sizeof...(P)>(*choice, fields);
      if (verdict == Choice::kReject) return true;
      if (verdict != Choice::kAsk && !is_off(site)) {
        accepted = way.word;
        way.id = choice->id;
        may_shoot = true;
        if (verdict == Choice::kWriteBehind) {
          const std::size_t known = thread.route.tag == way.word ? copy_standing(thread, choice->contexts, body) : 0;
          body += known;
          may_shoot = known != 0;
        }
      }
    }
  }
  std::byte* to = body;
  ((to = values.put(to)), ...);
  const auto whole = static_cast<std::size_t>(to - reinterpret_cast<std::byte*>(words));
  if (may_shoot && ring::detail::shoot_bytes<kTidSize, 0, false, true, true>(thread.route, way.word, way.id, thread.tid, words,
                                                                             reinterpret_cast<std::byte*>(words) + kTidSize, whole - kTidSize)) [[likely]]
    return true;
  if (is_off(site)) [[unlikely]]
    return false;
  ouro_trace_slow(&site, body - kTidSize, size, __builtin_frame_address(0), accepted);
  return true;
}

// The event is perhaps on. False: it is not.
template <class... P>
[[gnu::always_inline]] inline bool emit_prepared(const Site& site, Way way, const P&... values) noexcept {
  constexpr NoValue none;
  if constexpr (sizeof...(P) <= kRegisterFields && kFixed<P...>) {
    if (way.is_inline && shoot_scalars(way, values..., none, none, none, none)) [[likely]]
      return true;
    return emit_scalars<P::kSize...>(site, way.word, values.bits()...);
  } else if constexpr (kFixed<P...>) {
    constexpr std::size_t kSize = (kTidSize + ... + P::kSize);
    if (way.is_inline) [[likely]] {
      WordPacker<(kSize + 7) / 8> packer;
      pack<kTidSize, 0>(packer, values...);
      if (ring::detail::shoot_fixed<kSize, true>(ouro_thread.route, way.word, way.id, ouro_thread.tid, packer.word)) [[likely]]
        return true;
    }
    return emit_body<true>(site, way, kSize, values...);
  } else {
    const std::size_t size = (kTidSize + ... + values.size());
    if constexpr (kOneText<P...>) {
      if (way.is_inline && size <= kInlineBody && shoot_around_text(way, values...)) [[likely]]
        return true;
    }
    return emit_body<kOneText<P...>>(site, way, size, values...);
  }
}

// Recursion over the list: each step prepares one value and hangs it behind those already prepared.
template <class... Done>
struct Collect {
  [[gnu::always_inline]] static bool emit(const Site& site, Way way, const Done&... done) noexcept {
    return emit_prepared(site, way, done...);
  }
  template <class Name>
  static bool emit(const Site&, Way, const Done&..., const Name&) noexcept { return false; }  // a mistake, reported elsewhere
  template <class Name, class V, class... Rest>
  [[gnu::always_inline]] static bool emit(const Site& site, Way way, const Done&... done, const Name&,
                                          const V& value, const Rest&... rest) noexcept {
    return Collect<Done..., Prepared<V>>::emit(site, way, done..., prepare(value), rest...);
  }
};

[[gnu::always_inline]] inline std::uint32_t filter_word(std::uint32_t filter_index) noexcept {
  return filter.word[filter_index].load(std::memory_order_relaxed);
}

// `word`: the event's filter word, not 0. False: the event is off.
template <class... A>
[[gnu::always_inline]] inline bool emit(const Site& site, std::uint32_t word, const A&... names_and_values) noexcept {
  return Collect<>::emit(site, way_of(site, word), names_and_values...);
}

// The rest of a scope: its end is an event if its beginning was one.
template <class End>
class SpanEnd {
 public:
  [[gnu::always_inline]] explicit SpanEnd(bool begun) noexcept : begun_(begun) {}
  SpanEnd(const SpanEnd&) = delete;
  SpanEnd& operator=(const SpanEnd&) = delete;
  [[gnu::always_inline]] ~SpanEnd() {
    if (begun_) [[unlikely]]
      if (const std::uint32_t word = filter_word(End::filter_index); word != 0) emit(End::site, word);
  }

 private:
  bool begun_;
};

}  // namespace ouro::detail
