// The registry: a file PID.N in the runtime folder that says what this program can be asked to trace
// (ouro/abi/registry_layout.hpp). Made at the first module's start, and again in each forked child.
#include <fcntl.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/glob.hpp"
#include "base/proc.hpp"
#include "base/runtime_dir.hpp"
#include "trace/text.hpp"
#include "trace/tracer.hpp"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace ouro::trace {

constinit Tracer tracer{};

namespace {

constexpr std::uint32_t kRetired = 3;  // a row's state: its module was unloaded, or the program is ending
constexpr std::uint64_t kPage = 4096;

constinit abi::Word never{0};                                // enabled word of sites that have no row
constinit detail::Binding no_binding{{~std::uint64_t{0}}, nullptr, 0};

std::uint64_t page_up(std::uint64_t n) { return (n + kPage - 1) & ~(kPage - 1); }

// No store of ours may meet a page that tmpfs cannot give (SIGBUS): it is asked for first.
bool have_memory(std::uint64_t begin, std::uint64_t end) noexcept {
  std::byte* from = tracer.registry + (begin & ~(kPage - 1));
  return madvise(from, page_up(end) - (begin & ~(kPage - 1)), MADV_POPULATE_WRITE) == 0;
}

// Is the file of this name of this very program image (another instance of the tracer in it), or left over?
bool is_of_this_image(const char* path, const std::uint64_t image_id[2]) noexcept {
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return false;
  abi::RegistryHeader header;
  const bool same = pread(fd, static_cast<void*>(&header), sizeof header, 0) == static_cast<ssize_t>(sizeof header) &&
                    header.magic.load(std::memory_order_relaxed) == abi::kRegistryMagic && header.pid == getpid() &&
                    header.image_id[0] == image_id[0] && header.image_id[1] == image_id[1];
  close(fd);
  return same;
}

// Makes the file and maps it, at `at` if that is not null. Null: no registry.
std::byte* create(void* at, const std::uint64_t image_id[2], std::uint64_t reserve_rows, std::uint64_t reserve_blobs) noexcept {
  char path[sizeof tracer.directory + sizeof tracer.file + 1];
  int fd = -1;
  for (unsigned n = 0; fd < 0 && n < 64; ++n) {
    Text(tracer.file).number(static_cast<std::uint64_t>(getpid())).add(".").number(n);
    Text(path).add(tracer.directory).add("/").add(tracer.file);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) break;
    if (errno != EEXIST) return nullptr;
    if (!is_of_this_image(path, image_id)) {
      unlink(path);  // of the image before an exec, or of a dead process that had our pid
      --n;
      if (access(path, F_OK) == 0) return nullptr;
    }
  }
  if (fd < 0) return nullptr;
  void* base = MAP_FAILED;
  if (ftruncate(fd, static_cast<off_t>(abi::kRegistrySize)) == 0 &&
      (fallocate(fd, 0, 0, static_cast<off_t>(page_up(abi::kRegistryRowsOffset + reserve_rows))) == 0 || errno == EOPNOTSUPP) &&
      (reserve_blobs == 0 ||
       fallocate(fd, 0, static_cast<off_t>(abi::kRegistryBlobsOffset), static_cast<off_t>(page_up(reserve_blobs))) == 0 ||
       errno == EOPNOTSUPP)) {
    const int flags = MAP_SHARED | MAP_NORESERVE | (at != nullptr ? MAP_FIXED : 0);
    if (at != nullptr) {  // contents first: other threads of a forked child there are none, but its handlers
      const auto* old = static_cast<const std::byte*>(at);
      if (pwrite(fd, old, abi::kRegistryRowsOffset + reserve_rows, 0) < 0 ||
          (reserve_blobs != 0 && pwrite(fd, old + abi::kRegistryBlobsOffset, reserve_blobs,
                                        static_cast<off_t>(abi::kRegistryBlobsOffset)) < 0)) {
        unlink(path);
        close(fd);
        return nullptr;
      }
    }
    base = mmap(at, abi::kRegistrySize, PROT_READ | PROT_WRITE, flags, fd, 0);
  }
  if (base == MAP_FAILED) {
    unlink(path);
    close(fd);
    return nullptr;
  }
  // The descriptor is not kept: daemons close all they find, and a number used again would be somebody else's file.
  close(fd);
  return static_cast<std::byte*>(base);
}

void fill_header(abi::RegistryHeader& header, const std::uint64_t image_id[2]) noexcept {
  header.version = abi::kRegistryVersion;
  header.pid = tracer.pid = getpid();
  header.start_time = base::start_time_of(header.pid);
  header.image_id[0] = image_id[0];
  header.image_id[1] = image_id[1];
  prctl(PR_GET_NAME, header.name);
  header.magic.store(abi::kRegistryMagic, std::memory_order_release);
}

void get_image_id(std::uint64_t id[2]) noexcept {
  const auto* random = reinterpret_cast<const void*>(getauxval(AT_RANDOM));
  id[0] = id[1] = 0;
  if (random != nullptr) std::memcpy(id, random, 16);
}

bool map_filter_page(void* page) noexcept {
  // The registry's second page, at an address that the module's code contains: the same memory, mapped twice.
  if (mremap(tracer.registry + abi::kRegistryFilterOffset, 0, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, page) != MAP_FAILED) return true;
  // valgrind and old versions of qemu-user know no mremap() that copies.
  char path[sizeof tracer.directory + sizeof tracer.file + 1];
  Text(path).add(tracer.directory).add("/").add(tracer.file);
  const int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return false;
  const bool mapped = mmap(page, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
                           static_cast<off_t>(abi::kRegistryFilterOffset)) != MAP_FAILED;
  close(fd);
  return mapped;
}

// A forked child is a process of its own to those who list and attach: its registry replaces its parent's at the
// same address, so that all pointers into it stay good.
void in_forked_child() noexcept {
  detail::ThreadState& thread = detail::ouro_thread;
  thread = {};
  if (tracer.registry == nullptr) return;
  const int saved = errno;
  std::uint64_t id[2];
  get_image_id(id);
  const abi::RegistryHeader& header = tracer.header();
  const std::uint64_t rows = header.row_count.load(std::memory_order_relaxed) * sizeof(abi::RegistryRow);
  if (create(tracer.registry, id, rows, header.blobs_used.load(std::memory_order_relaxed)) != nullptr) {
    fill_header(tracer.header(), id);
    for (std::uint32_t i = 0; i < tracer.module_count; ++i)
      if (tracer.filter_page[i] != nullptr) map_filter_page(tracer.filter_page[i]);
  }
  errno = saved;
}

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

// The session that `ouro record` runs this program in.
void take_session_from_environment() noexcept {
  const char* name = secure_getenv("OURO_SESSION");
  if (name == nullptr || *name == '\0' || std::strchr(name, '/') != nullptr) return;
  abi::SessionSlot& slot = tracer.header().slot[0];
  if (std::strlen(name) >= sizeof slot.file) return;
  std::strcpy(slot.file, name);
  slot.generation.store(0, std::memory_order_relaxed);  // whichever it has: we see it when we map it
  slot.state.store(static_cast<std::uint32_t>(abi::SlotState::offered), std::memory_order_release);
}

bool begin(const Need& need) noexcept {
  if (tracer.registry != nullptr) return true;
  base::RuntimeDir directory;
  if (base::find_runtime_dir(directory, true) != 0) return false;
  Text(tracer.directory).add(directory.path);
  std::uint64_t id[2];
  get_image_id(id);
  std::byte* base = create(nullptr, id, need.rows * sizeof(abi::RegistryRow), need.blobs);
  if (base == nullptr) return false;
  tracer.registry = base;
  fill_header(tracer.header(), id);
  pthread_atfork(nullptr, nullptr, in_forked_child);
  take_session_from_environment();
  return true;
}

// A row whose schema is the same: of a module that was unloaded and came back.
abi::RegistryRow* find_retired(const detail::Site& site) noexcept {
  const std::uint32_t count = tracer.header().row_count.load(std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < count; ++i) {
    abi::RegistryRow& row = tracer.rows()[i];
    if (row.state.load(std::memory_order_relaxed) == kRetired && row.blob_size == site.schema_size &&
        std::memcmp(tracer.registry + abi::kRegistryBlobsOffset + row.blob_offset, site.schema, site.schema_size) == 0)
      return &row;
  }
  return nullptr;
}

abi::RegistryRow* add_row(const detail::Site& site) noexcept {
  abi::RegistryHeader& header = tracer.header();
  const std::uint32_t index = header.row_count.load(std::memory_order_relaxed);
  const std::uint64_t offset = header.blobs_used.load(std::memory_order_relaxed);
  if (index >= abi::kRegistryRows || site.schema_size > abi::kRegistryBlobs - offset) return nullptr;
  abi::RegistryRow& row = tracer.rows()[index];
  std::memcpy(tracer.registry + abi::kRegistryBlobsOffset + offset, site.schema, site.schema_size);
  row.filter_index = site.filter_index;
  row.blob_offset = static_cast<std::uint32_t>(offset);
  row.blob_size = site.schema_size;
  header.blobs_used.store(offset + site.schema_size, std::memory_order_relaxed);
  header.row_count.store(index + 1, std::memory_order_release);
  return &row;
}

// An event that a session already asks for is on from its first moment.
void join_sessions(abi::RegistryRow& row, const char* schema) noexcept {
  abi::SchemaHeader schema_header;
  std::memcpy(&schema_header, schema, sizeof schema_header);
  char name[256];
  const char* full = schema + sizeof schema_header;
  std::size_t length = std::strlen(full);
  if (schema_header.kind == abi::EventKind::span_begin) length -= std::strlen("_begin");
  if (schema_header.kind == abi::EventKind::span_end) length -= std::strlen("_end");
  if (length >= sizeof name) return;
  std::memcpy(name, full, length);
  name[length] = '\0';
  for (std::uint32_t k = 0; k < abi::kSessionSlots; ++k) {
    const SessionView* view = view_of(k);
    if (view == nullptr || !wants(*view, name)) continue;
    std::uint64_t seen = row.enabled.load(std::memory_order_relaxed);
    const std::uint64_t change = enabled_word(view->generation, k);
    while ((seen & std::uint64_t{1} << k) == 0 && !row.enabled.compare_exchange_weak(seen, seen ^ change)) {
    }
    tracer.filter()[row.filter_index].fetch_or(std::uint32_t{1} << k, std::memory_order_relaxed);
  }
}

void add_site(detail::Site& site) noexcept {
  if (site.binding.load(std::memory_order_relaxed) != nullptr) return;  // listed more than once: inlined copies
  abi::RegistryRow* row = find_retired(site);
  if (row == nullptr) row = add_row(site);
  site.enabled.store(row != nullptr ? &row->enabled : &never, std::memory_order_relaxed);
  site.binding.store(&no_binding, std::memory_order_release);
  if (row == nullptr) return;
  site.row.store(static_cast<std::uint32_t>(row - tracer.rows()), std::memory_order_relaxed);
  row->state.store(abi::row_ready, std::memory_order_release);
  join_sessions(*row, site.schema);
}

bool is_known(const void* page) noexcept {
  for (std::uint32_t i = 0; i < tracer.module_count; ++i)
    if (tracer.filter_page[i] == page) return true;
  return false;
}

void remember(void* page) noexcept {
  for (std::uint32_t i = 0; i < kMaxModules; ++i) {
    if (i < tracer.module_count && tracer.filter_page[i] != nullptr) continue;
    tracer.filter_page[i] = page;
    if (i == tracer.module_count) ++tracer.module_count;
    return;
  }
}

}  // namespace
}  // namespace ouro::trace

namespace ouro::detail {

using namespace trace;

// The loader runs modules' constructors one at a time.
void ouro_module_begin(const Module* module) noexcept {
  if (module->begin == module->end || is_known(module->filter_page)) return;
  if (sysconf(_SC_PAGESIZE) != static_cast<long>(kPage)) return;
  const int saved = errno;
  const Need need = needed(*module);
  const bool first = tracer.registry == nullptr;
  if (begin(need)) {
    const std::uint64_t rows_end = abi::kRegistryRowsOffset +
                                   (tracer.header().row_count.load(std::memory_order_relaxed) + need.rows) * sizeof(abi::RegistryRow);
    const std::uint64_t blobs = abi::kRegistryBlobsOffset + tracer.header().blobs_used.load(std::memory_order_relaxed);
    if (first || (have_memory(abi::kRegistryRowsOffset, rows_end) && have_memory(blobs, blobs + need.blobs))) {
      // The schemas first: once the page is there, events go and look.
      for (const Site* const* p = module->begin; p != module->end; ++p) add_site(const_cast<Site&>(**p));
      if (map_filter_page(module->filter_page)) remember(module->filter_page);
    }
  }
  errno = saved;
}

void ouro_module_end(const Module* module) noexcept {
  if (tracer.registry == nullptr || tracer.pid != getpid() || !is_known(module->filter_page)) return;
  const int saved = errno;
  for (const Site* const* p = module->begin; p != module->end; ++p)
    if ((*p)->enabled.load(std::memory_order_relaxed) != &never)
      tracer.rows()[(*p)->row.load(std::memory_order_relaxed)].state.store(kRetired, std::memory_order_relaxed);
  bool left = false;
  for (std::uint32_t i = 0; i < tracer.module_count; ++i) {
    if (tracer.filter_page[i] == module->filter_page) tracer.filter_page[i] = nullptr;
    left = left || tracer.filter_page[i] != nullptr;
  }
  // The mapping stays: other threads may still be writing.
  if (!left) {
    char path[sizeof tracer.directory + sizeof tracer.file + 1];
    trace::Text(path).add(tracer.directory).add("/").add(tracer.file);
    unlink(path);
  }
  errno = saved;
}

}  // namespace ouro::detail
