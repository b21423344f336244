// The registry: a file PID.N in the runtime folder that says what this program can be asked to trace
// (ouro/abi/registry_layout.hpp). Made at the first module's start, and again in each forked child.
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/calls.hpp"
#include "base/proc.hpp"
#include "base/runtime_dir.hpp"
#include "trace/context_cache.hpp"
#include "trace/flight.hpp"
#include "trace/text.hpp"
#include "trace/tracer.hpp"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace ouro::trace {

constinit Tracer tracer{};
namespace calls = base::calls;

bool allows_file_of(std::uint64_t size) noexcept {
  struct rlimit limit;
  return calls::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur >= size;
}

namespace {

constexpr std::uint32_t kRetired = 3;  // a row's state: its module was unloaded, or the program is ending
constexpr std::uint64_t kPage = 4096;
constexpr unsigned kMostNames = 1024;    // PID.N: of instances of the tracer in a process, and of processes of other PID namespaces

constinit abi::Word never{0};            // enabled word of sites that have no row

std::uint64_t page_up(std::uint64_t n) { return (n + kPage - 1) & ~(kPage - 1); }

// No store of ours may meet a page that tmpfs cannot give (SIGBUS): it is asked for first.
bool have_memory(std::uint64_t begin, std::uint64_t end) noexcept {
  std::byte* from = tracer.registry + (begin & ~(kPage - 1));
  return madvise(from, page_up(end) - (begin & ~(kPage - 1)), MADV_POPULATE_WRITE) == 0;
}

bool lock(int fd, short kind) noexcept {
  struct flock lock {};
  lock.l_type = kind;
  lock.l_whence = SEEK_SET;
  lock.l_len = 1;
  return calls::set_lock(fd, &lock) == 0;
}

// Do locks there last as long as a mapping? Not where what is mapped is another file underneath, as in overlayfs.
bool keeps_locks(int fd) noexcept {
  struct statfs status;
  if (calls::fstatfs(fd, &status) != 0) return false;
  const auto type = static_cast<std::uint32_t>(status.f_type);
  return type == TMPFS_MAGIC || type == EXT4_SUPER_MAGIC || type == XFS_SUPER_MAGIC || type == BTRFS_SUPER_MAGIC;
}

std::uint32_t own_seccomp_filters() noexcept {
  return base::seccomp_filters_of(&detail::ouro_thread == tracer.main_thread ? base::kMainThread : base::kThisThread);
}

// Makes room for a file of ours under this name. False: it is in use, by this very program image (another instance of the tracer in it) or
// by somebody who lives in another PID namespace; or it cannot be removed.
bool clear_name(const char* path, const std::uint64_t image_id[2]) noexcept {
  const int fd = calls::open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return errno == ENOENT || unlink(path) == 0;  // a link, a socket
  abi::RegistryHeader header;
  struct stat status {};
  bool in_use = false, is_gone = false;
  if (calls::fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
    const bool is_whole = pread(fd, static_cast<void*>(&header), sizeof header, 0) == static_cast<ssize_t>(sizeof header) &&
                          header.magic.load(std::memory_order_relaxed) == abi::kRegistryMagic;
    if (is_whole && header.pid_namespace == base::own_namespace("pid")) {  // there, our number is ours
      in_use = header.pid == calls::getpid() && header.image_id[0] == image_id[0] && header.image_id[1] == image_id[1];
    } else {
      in_use = (is_whole && header.is_locked == 0) || !lock(fd, F_WRLCK);
      is_gone = calls::fstat(fd, &status) != 0 || status.st_nlink == 0;  // before we had the lock
    }
  }
  const bool cleared = !in_use && (is_gone || unlink(path) == 0);
  calls::close(fd);  // and the lock goes
  return cleared;
}

// A registry of this very process, in that place.
enum class Name { own, others, free };  // free: or just made by us, who say nothing
Name read_own(unsigned n, abi::RegistryHeader& header) noexcept {
  char file[sizeof tracer.file], path[sizeof tracer.directory + sizeof tracer.file + 1];
  Text(file).number(static_cast<std::uint64_t>(calls::getpid())).add(".").number(n);
  if (std::strcmp(file, tracer.file) == 0 && tracer.registry != nullptr) return Name::free;
  Text(path).add(tracer.directory).add("/").add(file);
  const int fd = calls::open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return errno == ENOENT ? Name::free : Name::others;
  const bool is_whole = pread(fd, static_cast<void*>(&header), sizeof header, 0) == static_cast<ssize_t>(sizeof header);
  calls::close(fd);
  const bool is_own = is_whole && header.magic.load(std::memory_order_relaxed) == abi::kRegistryMagic && header.version == abi::kRegistryVersion &&
                      header.pid == calls::getpid() && header.pid_namespace == base::own_namespace("pid") && header.start_time == base::start_time_of(header.pid);
  return is_own ? Name::own : Name::others;
}

// Sessions that were offered to this process in other registries: those of its other libraries with a tracer of their own, and of what it
// was before an exec.
struct Offers {
  char file[abi::kSessionSlots][sizeof(abi::SessionSlot::file)];
  std::uint32_t generation[abi::kSessionSlots], count;
};

void add_offers(const abi::RegistryHeader& header, Offers& offers) noexcept {
  for (const abi::SessionSlot& slot : header.slot) {
    const std::uint32_t generation = slot.generation.load(std::memory_order_relaxed);
    if (slot.state.load(std::memory_order_acquire) != static_cast<std::uint32_t>(abi::SlotState::offered) || generation == 0) continue;
    const bool is_known = std::find(offers.generation, offers.generation + offers.count, generation) != offers.generation + offers.count;
    if (is_known || offers.count == abi::kSessionSlots || std::memchr(slot.file, '\0', sizeof slot.file) == nullptr) continue;
    std::memcpy(offers.file[offers.count], slot.file, sizeof slot.file);
    offers.generation[offers.count++] = generation;
  }
}

void find_offers(Offers& offers) noexcept {
  abi::RegistryHeader header;
  for (unsigned n = 0, in_vain = 0; in_vain < 2 && n < kMostNames; ++n) {
    const Name name = read_own(n, header);
    if (name == Name::own) add_offers(header, offers);
    if (name == Name::free) ++in_vain;
  }
}

// A new file, with its lock and its name in tracer.file. -1: none. `offers`, if not null, are found before a file goes that may have some.
int create_file(const std::uint64_t image_id[2], Offers* offers) noexcept {
  char path[sizeof tracer.directory + sizeof tracer.file + 1];
  int tries = 0;
  for (unsigned n = 0; n < kMostNames && tries < 16; ++n) {
    Text(tracer.file).number(static_cast<std::uint64_t>(calls::getpid())).add(".").number(n);
    Text(path).add(tracer.directory).add("/").add(tracer.file);
    const int fd = calls::open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
      struct stat status;
      tracer.is_locked = lock(fd, F_RDLCK) && keeps_locks(fd);
      if (calls::fstat(fd, &status) == 0 && status.st_nlink != 0) return fd;
      calls::close(fd);  // somebody took it for one that was left over, before we had the lock
    } else if (errno != EEXIST) {
      return -1;
    } else {
      if (offers != nullptr && n == 0 && tries == 0) find_offers(*offers);
      if (!clear_name(path, image_id)) continue;
    }
    ++tries;
    --n;
  }
  return -1;
}

// Not kept for longer than it takes to make a registry: daemons close all they find, and a number used again would be somebody else's file.
// The mapping holds the lock.
struct Descriptor {
  int fd = -1;
  Descriptor() = default;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) calls::close(fd);
  }
};

// Makes the file and maps it, at `at` if that is not null. Null: no registry.
std::byte* create(void* at, const std::uint64_t image_id[2], std::uint64_t reserve_rows, std::uint64_t reserve_blobs, Offers* offers, Descriptor& made) noexcept {
  if (!allows_file_of(abi::kRegistrySize)) return nullptr;
  const int fd = made.fd = create_file(image_id, offers);
  if (fd < 0) return nullptr;
  char path[sizeof tracer.directory + sizeof tracer.file + 1];
  Text(path).add(tracer.directory).add("/").add(tracer.file);
  void* base = MAP_FAILED;
  if (calls::ftruncate(fd, static_cast<off_t>(abi::kRegistrySize)) == 0 &&
      (calls::fallocate(fd, 0, 0, static_cast<off_t>(page_up(abi::kRegistryRowsOffset + reserve_rows))) == 0 || errno == EOPNOTSUPP) &&
      (reserve_blobs == 0 ||
       calls::fallocate(fd, 0, static_cast<off_t>(abi::kRegistryBlobsOffset), static_cast<off_t>(page_up(reserve_blobs))) == 0 ||
       errno == EOPNOTSUPP)) {
    const int flags = MAP_SHARED | MAP_NORESERVE | (at != nullptr ? MAP_FIXED : 0);
    if (at != nullptr) {  // contents first: other threads of a forked child there are none, but its handlers
      const auto* old = static_cast<const std::byte*>(at);
      constexpr std::size_t magic = sizeof(abi::Word);  // not yet: who is in the header is our parent
      if (pwrite(fd, old + magic, abi::kRegistryRowsOffset + reserve_rows - magic, magic) < 0 ||
          (reserve_blobs != 0 && pwrite(fd, old + abi::kRegistryBlobsOffset, reserve_blobs,
                                        static_cast<off_t>(abi::kRegistryBlobsOffset)) < 0)) {
        unlink(path);
        return nullptr;
      }
    }
    base = calls::mmap(at, abi::kRegistrySize, PROT_READ | PROT_WRITE, flags, fd, 0);
  }
  if (base != MAP_FAILED) return static_cast<std::byte*>(base);
  unlink(path);
  return nullptr;
}

// Its magic makes it a registry to others: all but the rows must be there.
void fill_header(abi::RegistryHeader& header, const std::uint64_t image_id[2]) noexcept {
  header.pid_namespace = base::own_namespace("pid");
  header.is_locked = tracer.is_locked ? 1 : 0;
  header.version = abi::kRegistryVersion;
  header.pid = tracer.pid = calls::getpid();
  header.start_time = base::start_time_of(header.pid, header.name);
  header.image_id[0] = image_id[0];
  header.image_id[1] = image_id[1];
  if (header.start_time == 0) prctl(PR_GET_NAME, header.name);
}
void publish() noexcept { tracer.header().magic.store(abi::kRegistryMagic, std::memory_order_seq_cst); }

void get_image_id(std::uint64_t id[2]) noexcept {
  const auto* random = reinterpret_cast<const void*>(getauxval(AT_RANDOM));
  id[0] = id[1] = 0;
  if (random != nullptr) std::memcpy(id, random, 16);
}

bool map_filter_from(int fd, void* page) noexcept {
  return calls::mmap(page, abi::kRegistryFilterSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, static_cast<off_t>(abi::kRegistryFilterOffset)) != MAP_FAILED;
}

// The registry's filter words, at an address that the module's code contains: the same memory, mapped twice. `made`: the registry has just been.
bool map_filter(void* page, const Descriptor& made) noexcept {
  if (made.fd >= 0) return map_filter_from(made.fd, page);
  if (mremap(tracer.registry + abi::kRegistryFilterOffset, 0, abi::kRegistryFilterSize, MREMAP_MAYMOVE | MREMAP_FIXED, page) !=
      MAP_FAILED)
    return true;
  // valgrind and old versions of qemu-user know no mremap() that copies.
  char path[sizeof tracer.directory + sizeof tracer.file + 1];
  Text(path).add(tracer.directory).add("/").add(tracer.file);
  Descriptor file;
  file.fd = calls::open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  return file.fd >= 0 && map_filter_from(file.fd, page);
}

// A forked child is a process of its own to those who list and attach: its registry replaces its parent's at the
// same address, so that all pointers into it stay good.
void in_forked_child() noexcept {
  // The route's ring and rseq area stay what they are: a handler may be in an event at any of these stores.
  detail::ThreadState& thread = detail::ouro_thread;
  *const_cast<volatile std::uint64_t*>(&thread.known.contexts) = 0;
  thread.tid = static_cast<std::uint32_t>(syscall(SYS_gettid));
  thread.pid = static_cast<std::uint32_t>(calls::getpid());
  thread.announced = 0;
  thread.epoch = 0;
  *const_cast<volatile std::uint32_t*>(&thread.route.tag) = 0;
  tracer.visitors.store(0, std::memory_order_relaxed);  // threads that are not here
  if (tracer.registry == nullptr) return;
  // A filter that came since the start may kill who calls what it does not allow. Then the parent's registry, which is mapped here as well,
  // is good enough.
  if (own_seccomp_filters() != tracer.seccomp_filters) return;
  const int saved = errno;
  std::uint64_t id[2];
  get_image_id(id);
  const abi::RegistryHeader& header = tracer.header();
  const std::uint64_t rows = header.row_count.load(std::memory_order_relaxed) * sizeof(abi::RegistryRow);
  Descriptor made;
  if (create(tracer.registry, id, rows, header.blobs_used.load(std::memory_order_relaxed), nullptr, made) != nullptr) {
    fill_header(tracer.header(), id);
    for (std::uint32_t i = 0, n = tracer.module_count.load(std::memory_order_relaxed); i < n; ++i)
      if (tracer.module[i].filter != nullptr) map_filter(tracer.module[i].filter, made);
    publish();
    // What left while this was made has looked for our registry in vain.
    for (std::uint32_t k = 0; k < abi::kSessionSlots; ++k) leave_if_closed(k);
  }
  errno = saved;
}

// exit() runs on_exit() before any destructor, dlclose() among those of the library that it unloads, and behind on_unload().
void on_exit() { tracer.is_exiting = !tracer.is_unloading; }
[[gnu::destructor]] void on_unload() { tracer.is_unloading = true; }

struct Need {
  std::uint64_t rows, blobs;
};

Need needed(const detail::Module& module) noexcept {
  Need need{};
  for (const detail::Site* const* p = module.begin; p != module.end; ++p) {
    ++need.rows;
    need.blobs += (*p)->schema_size;
  }
  return need;
}

// In slots of the program's own, before anybody else looks at them.
void offer(std::uint32_t slot, const char* file, std::uint32_t generation) noexcept {
  abi::SessionSlot& entry = tracer.header().slot[slot];
  std::strcpy(entry.file, file);
  entry.generation.store(generation, std::memory_order_relaxed);  // 0: whichever it has, which we see when we map it
  entry.use.store(1, std::memory_order_relaxed);
  entry.state.store(static_cast<std::uint32_t>(abi::SlotState::offered), std::memory_order_release);
}

// Is it in one of the first slots? They are the environment's.
bool has_slot(const char* file, std::uint32_t slots) noexcept {
  for (std::uint32_t k = 0; k < slots; ++k)
    if (tracer.header().slot[k].generation.load(std::memory_order_relaxed) == 0 && std::strcmp(tracer.header().slot[k].file, file) == 0) return true;
  return false;
}

// The sessions that `ouro record` runs this program in, with blanks between their names.
std::uint32_t take_sessions_from_environment() noexcept {
  std::uint32_t slot = 0;
  const char* names = secure_getenv("OURO_SESSION");
  while (names != nullptr && *names != '\0' && slot < abi::kSessionSlots) {
    const std::size_t length = std::strcspn(names, " ");
    char file[sizeof abi::SessionSlot::file] = {};
    if (length < sizeof file) std::memcpy(file, names, length);
    if (is_session_name(file) && !has_slot(file, slot)) offer(slot++, file, 0);
    names += length + (names[length] == ' ' ? 1 : 0);
  }
  return slot;
}

// The one that no tool needs to make.
std::uint32_t take_flight_recorder(std::uint32_t slot) noexcept {
  const char* const file = flight_recorder_from_environment();
  if (file == nullptr) return slot;
  if (slot < abi::kSessionSlots && !has_slot(file, slot)) offer(slot++, file, 0);
  return slot;
}

// Those that are open to all programs.
std::uint32_t take_sessions_for_everyone(std::uint32_t slot) noexcept {
  char path[sizeof tracer.directory + 16];
  Text(path).add(tracer.directory).add("/everyone");
  const int fd = calls::open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return slot;
  abi::Everyone all;
  struct stat status;
  const bool good = calls::fstat(fd, &status) == 0 && (status.st_uid == calls::geteuid() || status.st_uid == 0) &&
                    pread(fd, static_cast<void*>(&all), sizeof all, 0) == static_cast<ssize_t>(sizeof all) && all.magic == abi::kEveryoneMagic;
  calls::close(fd);
  const std::uint32_t of_environment = slot;
  for (std::uint32_t k = 0; good && k < abi::kSessionSlots && slot < abi::kSessionSlots; ++k) {
    abi::SessionSlot& entry = all.slot[k];
    const std::uint32_t generation = entry.generation.load(std::memory_order_relaxed);
    if (entry.state.load(std::memory_order_relaxed) != static_cast<std::uint32_t>(abi::SlotState::offered) || generation == 0) continue;
    entry.file[sizeof entry.file - 1] = '\0';
    if (!is_session_name(entry.file) || has_slot(entry.file, of_environment)) continue;
    offer(slot++, entry.file, generation);
  }
  return slot;
}

void take_over(const Offers& offers, std::uint32_t slot) noexcept {
  const auto has = [&](const char* file, std::uint32_t generation) {
    return std::any_of(tracer.header().slot, tracer.header().slot + slot, [&](const abi::SessionSlot& s) {
      const std::uint32_t its = s.generation.load(std::memory_order_relaxed);
      return std::strcmp(s.file, file) == 0 && (its == generation || its == 0);
    });
  };
  for (std::uint32_t i = 0; i < offers.count && slot < abi::kSessionSlots; ++i)
    if (is_session_name(offers.file[i]) && !has(offers.file[i], offers.generation[i])) offer(slot++, offers.file[i], offers.generation[i]);
}

// Programs that have privileges which their caller lacks, but not another user: the folder, and with it what they would write to, is the
// caller's, who could make them write anywhere.
bool is_privileged() noexcept { return getauxval(AT_SECURE) != 0 && calls::geteuid() != 0; }

bool begin(const Need& need, Descriptor& made) noexcept {
  if (tracer.registry != nullptr) return true;
  if (const char* attach = secure_getenv("OURO_ATTACH"); attach != nullptr && std::strcmp(attach, "0") == 0) return false;
  if (is_privileged()) return false;
  base::RuntimeDir directory;
  if (base::find_runtime_dir(directory, true) != 0) return false;
  Text(tracer.directory).add(directory.path);
  std::uint64_t id[2];
  get_image_id(id);
  Offers offers;
  offers.count = 0;
  std::byte* base = create(nullptr, id, need.rows * sizeof(abi::RegistryRow), need.blobs, &offers, made);
  if (base == nullptr) return false;
  tracer.registry = base;
  fill_header(tracer.header(), id);
  if (calls::gettid() == calls::getpid()) tracer.main_thread = &detail::ouro_thread;
  tracer.header().seccomp_filters = tracer.seccomp_filters = own_seccomp_filters();
  pthread_atfork(nullptr, nullptr, in_forked_child);
  std::atexit(on_exit);
  // The file is there, so whoever opens a session to all of us from now on finds it.
  const std::uint32_t slot = take_flight_recorder(take_sessions_for_everyone(take_sessions_from_environment()));
  find_offers(offers);
  take_over(offers, slot);
  publish();
  return true;
}

// The row with this schema, in use or of a module that was unloaded. 0: none; else its index plus 1. `shares`: another has its filter word.
std::uint32_t find_row(const detail::Site& site, bool& shares) noexcept {
  std::uint32_t i = tracer.first_row[site.filter_index % kRowLists];
  for (; i != 0; i = tracer.row[i - 1].next) {
    const abi::RegistryRow& row = tracer.rows()[i - 1];
    if (row.filter_index != site.filter_index) continue;
    shares = true;
    if (row.blob_size == site.schema_size &&
        std::memcmp(tracer.registry + abi::kRegistryBlobsOffset + row.blob_offset, site.schema, site.schema_size) == 0)
      break;
  }
  return i;
}

std::uint32_t add_row(const detail::Site& site) noexcept {
  abi::RegistryHeader& header = tracer.header();
  const std::uint32_t index = header.row_count.load(std::memory_order_relaxed);
  const std::uint64_t offset = header.blobs_used.load(std::memory_order_relaxed);
  if (index >= abi::kRegistryRows || site.schema_size > abi::kRegistryBlobs - offset) return 0;
  abi::RegistryRow& row = tracer.rows()[index];
  std::memcpy(tracer.registry + abi::kRegistryBlobsOffset + offset, site.schema, site.schema_size);
  row.filter_index = site.filter_index;
  row.blob_offset = static_cast<std::uint32_t>(offset);
  row.blob_size = site.schema_size;
  header.blobs_used.store(offset + site.schema_size, std::memory_order_relaxed);
  header.row_count.store(index + 1, std::memory_order_release);
  std::uint16_t& first = tracer.first_row[site.filter_index % kRowLists];
  tracer.row[index].next = first;
  first = static_cast<std::uint16_t>(index + 1);
  return index + 1;
}

// An event that a session already asks for is on from its first moment.
void join_sessions(abi::RegistryRow& row, const detail::Site& site) noexcept {
  for (std::uint32_t k = 0; k < abi::kSessionSlots; ++k) {
    if (tracer.header().slot[k].state.load(std::memory_order_acquire) != static_cast<std::uint32_t>(abi::SlotState::offered)) continue;  // as view_of() asks, at once
    // Again if the session left meanwhile, or its rules changed: then a tool may have looked here before we wrote.
    for (int tries = 0; tries < 10; ++tries) {
      SessionView* const view = view_of(k);
      if (view == nullptr || !wants(*view, site)) break;
      switch_on(row, k, view->generation);
      if (view_of(k) == view && wants(*view, site)) break;
      switch_off(row, k, view->generation);
    }
  }
}

void add_site(detail::Site& site) noexcept {
  if (site.enabled.load(std::memory_order_relaxed) != nullptr) return;  // listed more than once: inlined copies
  bool shares = false;
  std::uint32_t i = find_row(site, shares);
  if (i == 0) {
    i = add_row(site);
    if (i != 0 && shares) tracer.is_shared[site.filter_index].store(true, std::memory_order_relaxed);
  }
  if (i == 0) {
    tracer.header().rows_refused.fetch_add(1, std::memory_order_relaxed);
    return site.enabled.store(&never, std::memory_order_release);
  }
  abi::RegistryRow& row = tracer.rows()[--i];
  site.row.store(i, std::memory_order_relaxed);
  site.enabled.store(&row.enabled, std::memory_order_release);
  site.counted = true;
  if (tracer.row[i].users++ != 0) return;
  row.state.store(abi::row_ready, std::memory_order_release);
  // Fence; pairs with a tool's between its offer of a session and its look at our rows: it finds the row, or we find the session.
  abi::fence(std::memory_order_seq_cst);
  join_sessions(row, site);
}

// Null: none. `filter` null: a free place.
LoadedModule* find_module(const void* filter) noexcept {
  for (std::uint32_t i = 0, n = tracer.module_count.load(std::memory_order_relaxed); i < n; ++i)
    if (tracer.module[i].filter == filter) return &tracer.module[i];
  return nullptr;
}

void leave_rows(const detail::Module& module) noexcept {
  for (const detail::Site* const* p = module.begin; p != module.end; ++p) {
    auto& site = const_cast<detail::Site&>(**p);
    if (!site.counted) continue;  // listed more than once
    site.counted = false;         // its events may still come, from destructors and other threads, and are written
    const std::uint32_t i = site.row.load(std::memory_order_relaxed);
    if (--tracer.row[i].users == 0) tracer.rows()[i].state.store(kRetired, std::memory_order_relaxed);
  }
}

LoadedModule* remember(const detail::Module& module) noexcept {
  LoadedModule* place = find_module(nullptr);
  const std::uint32_t count = tracer.module_count.load(std::memory_order_relaxed);
  if (place == nullptr && count < kMaxModules) place = &tracer.module[count];
  if (place == nullptr) return nullptr;
  place->end = module.end;
  place->filter = module.filter;
  place->has_left = false;
  place->begin.store(module.begin, std::memory_order_release);
  if (place == &tracer.module[count]) tracer.module_count.store(count + 1, std::memory_order_release);
  return place;
}

// Its sites' memory goes away as we return.
void forget(LoadedModule& module) noexcept {
  module.begin.store(nullptr, std::memory_order_seq_cst);
  // Visits take microseconds, and are as rare as sessions that end. Not for ever: a thread may be held in one by a debugger, and a child
  // that was forked behind the C library's back has no thread that would end it.
  for (int i = 0; i < 1000 && tracer.visitors.load(std::memory_order_seq_cst) != 0; ++i) i < 100 ? sched_yield() : usleep(1000);
  module.filter = nullptr;
}

bool is_own_registry() noexcept { return tracer.registry != nullptr && tracer.pid == calls::getpid(); }

// The code that runs here goes away: dlclose() of the library that has the tracer in it.
void release_memory() noexcept {
  if (tracer.registry == nullptr) return;
  // What else this library ends with finds its events off.
  calls::mmap(&detail::filter, sizeof detail::filter, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  drop_views();
  release_caches();
  munmap(tracer.registry, abi::kRegistrySize);
  tracer.registry = nullptr;
}

}  // namespace
}  // namespace ouro::trace

namespace ouro::detail {

using namespace trace;

// The loader runs modules' constructors one at a time.
void ouro_module_begin(const Module* module) noexcept {
  if (module->begin == module->end) return;
  tracer.is_in_use.store(true, std::memory_order_relaxed);
  if (find_module(module->filter) != nullptr) return;
  if (getauxval(AT_PAGESZ) != kPage) return;
  const int saved = errno;
  const Need need = needed(*module);
  const bool first = tracer.registry == nullptr;
  Descriptor made;
  if (begin(need, made)) {
    const std::uint64_t rows_end = abi::kRegistryRowsOffset +
                                   (tracer.header().row_count.load(std::memory_order_relaxed) + need.rows) * sizeof(abi::RegistryRow);
    const std::uint64_t blobs = abi::kRegistryBlobsOffset + tracer.header().blobs_used.load(std::memory_order_relaxed);
    if (first || (have_memory(abi::kRegistryRowsOffset, rows_end) && have_memory(blobs, blobs + need.blobs))) {
      // The sites first: once the filter is there, events go and look.
      for (const Site* const* p = module->begin; p != module->end; ++p) add_site(const_cast<Site&>(**p));
      // Without room or memory for it the filter stays zero, and its events off.
      LoadedModule* const place = remember(*module);
      if (place == nullptr || !map_filter(module->filter, made)) {
        leave_rows(*module);
        if (place != nullptr) forget(*place);
      }
    }
  }
  errno = saved;
}

void ouro_module_end(const Module* module) noexcept {
  LoadedModule* const known = find_module(module->filter);
  if (tracer.registry == nullptr || module->filter == nullptr || known == nullptr) return;
  const int saved = errno;
  if (!known->has_left && is_own_registry()) {  // not where it is a parent's, who has no such module to take out
    leave_rows(*module);
    known->has_left = true;  // each file of it comes by here
  }
  if (!tracer.is_exiting) forget(*known);
  errno = saved;
}

}  // namespace ouro::detail

namespace ouro::trace {
namespace {

// The last of all: of a program as it exits, where other threads may still write, so the mappings stay; of a library that is unloaded.
[[gnu::destructor(101)]] void end() {
  const detail::Module own{detail::__start_ouro_sites, detail::__stop_ouro_sites, &detail::filter};
  detail::ouro_module_end(&own);
  const int saved = errno;
  // Under a filter that may kill for it, whoever next looks into the folder removes the file.
  if (is_own_registry() && own_seccomp_filters() == tracer.seccomp_filters) {
    char path[sizeof tracer.directory + sizeof tracer.file + 1];
    Text(path).add(tracer.directory).add("/").add(tracer.file);
    unlink(path);
  }
  if (!tracer.is_exiting) release_memory();
  errno = saved;
}

}  // namespace
}  // namespace ouro::trace
