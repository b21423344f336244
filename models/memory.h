/* memory.h -- C11's atomics, in the state of a Promela model: relaxed, acquire, release, fences.
 *
 *   location   a history of messages, oldest first: all stores of it, in modification order
 *   message    a value, and the view it was stored with
 *   view       per location, the oldest message that whoever has the view may still read
 *   thread     a *hardware* thread: what runs on one CPU shares a view, a context switch costs nothing
 *              cur: what it knows. acq: what it would know after an acquire fence. rel: what it knew at its last
 *              release fence
 *
 * A load reads any message from cur's on, by choice of the model; an acquire load joins the message's view into cur.
 * A store appends a message, with cur (release) or rel (relaxed). A read-modify-write reads the newest message and passes
 * its view on (the release sequence). Exact where a location has one writer at a time or is changed by read-modify-writes
 * only: a store never goes into the middle of a history. No load reads a store that is yet to come, so what a release
 * orders before it is checked by marks: see mem_mark.
 *
 * Messages that nobody can read any more are dropped: states that differ in them only are one state.
 *
 * A state of the model holds the number of its memory. The memories stand once each in a table beside the search: few of a
 * thousand states differ in them, and pan looks at each byte of a state more than once.
 *
 * Before it is included: kLocs, kThreads, kPool (messages in all), as small as the model allows.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RLX, ACQ, REL, ACQ_REL };

typedef struct { unsigned char at[kLocs]; } View;
struct Mem {
  unsigned char n[kLocs]; /* messages of each location */
  unsigned char asleep[kThreads]; /* it will know what the one knows that hands over to it */
  View cur[kThreads], acq[kThreads], rel[kThreads], sc;
  unsigned short value[kPool]; /* of the messages, location by location */
  View view[kPool];
};

static void mem_fail(const char *what, int loc) {
  extern void (*uerror)(char *);
  static char text[80];
  snprintf(text, sizeof text, "memory: %s, location %d", what, loc);
  uerror(text);
}
static int mem_first(const struct Mem *m, int loc) {
  int at = 0;
  for (int i = 0; i < loc; ++i) at += m->n[i];
  return at;
}
static void mem_initially(struct Mem *m, int loc, int value) { m->value[mem_first(m, loc)] = value; }
static void mem_join(View *to, const View *from) {
  for (int i = 0; i < kLocs; ++i)
    if (from->at[i] > to->at[i]) to->at[i] = from->at[i];
}
static void mem_shift(View *v, int loc, int by) { v->at[loc] = v->at[loc] > by ? v->at[loc] - by : 0; }
static void mem_forget(struct Mem *m) {
  int total = mem_first(m, kLocs), at = 0;
  for (int loc = 0; loc < kLocs; at += m->n[loc++]) {
    int by = m->n[loc] - 1;
    for (int t = 0; t < kThreads; ++t)
      if (!m->asleep[t] && m->cur[t].at[loc] < by) by = m->cur[t].at[loc];
    if (by == 0) continue;
    memmove(m->value + at, m->value + at + by, (total - at - by) * sizeof *m->value);
    memmove(m->view + at, m->view + at + by, (total - at - by) * sizeof *m->view);
    memset(m->value + total - by, 0, by * sizeof *m->value);
    memset(m->view + total - by, 0, by * sizeof *m->view);
    total -= by;
    m->n[loc] -= by;
    for (int i = 0; i < total; ++i) mem_shift(&m->view[i], loc, by);
    for (int t = 0; t < kThreads; ++t) {
      mem_shift(&m->cur[t], loc, by);
      mem_shift(&m->acq[t], loc, by);
      mem_shift(&m->rel[t], loc, by);
    }
    mem_shift(&m->sc, loc, by);
  }
}
static int mem_choices(const struct Mem *m, int t, int loc) { return m->n[loc] - m->cur[t].at[loc]; }
static int mem_newest(const struct Mem *m, int loc) { return m->value[mem_first(m, loc) + m->n[loc] - 1]; }
static int mem_is_acquire(int order) { return order == ACQ || order == ACQ_REL; }
static int mem_is_release(int order) { return order == REL || order == ACQ_REL; }

/* The message `age` before the newest. */
static int mem_load(struct Mem *m, int t, int loc, int order, int age) {
  int at = mem_first(m, loc) + m->n[loc] - 1 - age, value = m->value[at];
  View seen = m->view[at];
  seen.at[loc] = m->n[loc] - 1 - age;
  if (age < 0 || seen.at[loc] < m->cur[t].at[loc]) mem_fail("no such message", loc);
  m->cur[t].at[loc] = seen.at[loc];
  mem_join(&m->acq[t], &seen);
  if (mem_is_acquire(order)) mem_join(&m->cur[t], &seen);
  mem_forget(m);
  return value;
}
/* `passed`: the view that a read-modify-write hands on; or null. */
static void mem_append(struct Mem *m, int t, int loc, int order, int value, const View *passed) {
  int at = mem_first(m, loc) + m->n[loc], total = mem_first(m, kLocs);
  View view = m->rel[t];
  if (total == kPool || m->n[loc] == 255) {
    mem_fail("more messages than POOL", loc);
    return;
  }
  if (passed != NULL) mem_join(&view, passed);
  m->cur[t].at[loc] = m->n[loc];
  if (mem_is_release(order)) mem_join(&view, &m->cur[t]);
  view.at[loc] = m->n[loc];
  mem_join(&m->acq[t], &m->cur[t]);
  memmove(m->value + at + 1, m->value + at, (total - at) * sizeof *m->value);
  memmove(m->view + at + 1, m->view + at, (total - at) * sizeof *m->view);
  m->value[at] = value;
  m->view[at] = view;
  m->n[loc] += 1;
}
static void mem_store(struct Mem *m, int t, int loc, int order, int value) {
  mem_append(m, t, loc, order, value, NULL);
  mem_forget(m);
}
/* Reads the newest message, stores what the caller makes of it. */
static int mem_exchange(struct Mem *m, int t, int loc, int order, int value) {
  int at = mem_first(m, loc) + m->n[loc] - 1, old = m->value[at];
  View seen = m->view[at];
  seen.at[loc] = m->n[loc] - 1;
  mem_join(&m->acq[t], &seen);
  if (mem_is_acquire(order)) mem_join(&m->cur[t], &seen);
  mem_append(m, t, loc, order, value, &seen);
  mem_forget(m);
  return old;
}
static void mem_fence(struct Mem *m, int t, int order) {
  if (mem_is_acquire(order)) mem_join(&m->cur[t], &m->acq[t]);
  if (mem_is_release(order)) m->rel[t] = m->cur[t];
  mem_forget(m);
}
static void mem_fence_sc(struct Mem *m, int t) {
  mem_fence(m, t, ACQ);
  mem_join(&m->cur[t], &m->sc);
  m->sc = m->cur[t];
  mem_fence(m, t, REL);
}
/* Thread `to` begins with what `from` knows: it is created or scheduled by it, or waited for its end. */
static void mem_hand_over(struct Mem *m, int from, int to) {
  m->asleep[to] = 0;
  mem_join(&m->cur[to], &m->cur[from]);
  mem_join(&m->acq[to], &m->cur[from]);
  mem_forget(m);
}

/* Plain data. Its reads and writes race unless whoever comes second knows of the first. A read leaves a mark, a store to a
 * location of its own; a write must know the marks. `mark`: the location for this data, -1: not wanted. */
static int mem_knows(const struct Mem *m, int t, int loc) { return m->cur[t].at[loc] == m->n[loc] - 1; }
static void mem_mark(struct Mem *m, int t, int mark) {
  mem_append(m, t, mark, RLX, 0, NULL);
  mem_forget(m);
}
static int mem_read_plain(struct Mem *m, int t, int loc) {
  if (!mem_knows(m, t, loc)) mem_fail("a read races with a write", loc);
  return mem_newest(m, loc);
}
static void mem_write_plain(struct Mem *m, int t, int loc, int value, int mark) {
  if (!mem_knows(m, t, loc)) mem_fail("a write races with a write", loc);
  if (mark >= 0 && !mem_knows(m, t, mark)) mem_fail("a write races with a read", loc);
  mem_store(m, t, loc, RLX, value);
}

/* The table: each memory once, as many bytes of it as are in use; a hash table of their numbers. */
static struct { unsigned char *bytes; unsigned hash; } *mem_all;
static unsigned *mem_slots, mem_size, mem_count; /* of the slots, a power of two; a slot: a number, 0 free */
static struct Mem mem_work;                      /* the memory `mem_opened`, unpacked */
static unsigned mem_opened;

static int mem_bytes(const struct Mem *m) { return offsetof(struct Mem, view) + mem_first(m, kLocs) * sizeof(View); }
static void mem_grow(void) {
  unsigned size = mem_size ? 2 * mem_size : 1 << 12;
  free(mem_slots);
  mem_slots = calloc(size, sizeof *mem_slots);
  mem_all = realloc(mem_all, (size / 2 + 1) * sizeof *mem_all);
  if (mem_slots == NULL || mem_all == NULL) {
    puts("out of memory");
    exit(1);
  }
  mem_size = size;
  for (unsigned i = 1; i <= mem_count; ++i) {
    unsigned at = mem_all[i].hash & (size - 1);
    while (mem_slots[at] != 0) at = (at + 1) & (size - 1);
    mem_slots[at] = i;
  }
}
/* The number of the memory that is open, after it was changed. */
static unsigned mem_close(void) {
  int bytes = mem_bytes(&mem_work);
  const unsigned char *from = (const unsigned char *)&mem_work;
  unsigned long hash = 14695981039346656037ul;
  if (mem_count >= mem_size / 2) mem_grow();
  for (int i = 0; i + 8 <= bytes; i += 8) {
    unsigned long word;
    memcpy(&word, from + i, 8);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ul;
    hash ^= hash >> 29;
  }
  for (int i = bytes & ~7; i < bytes; ++i) hash = (hash ^ from[i]) * 1099511628211ul;
  hash ^= hash >> 32;
  unsigned at = hash & (mem_size - 1);
  for (; mem_slots[at] != 0; at = (at + 1) & (mem_size - 1)) {
    unsigned i = mem_slots[at];
    if (mem_all[i].hash == (unsigned)hash && memcmp(mem_all[i].bytes, from, offsetof(struct Mem, value)) == 0 &&
        memcmp(mem_all[i].bytes, from, bytes) == 0)
      return mem_opened = i;
  }
  mem_slots[at] = ++mem_count;
  mem_all[mem_count].hash = hash;
  mem_all[mem_count].bytes = malloc(bytes);
  if (mem_all[mem_count].bytes == NULL) {
    puts("out of memory");
    exit(1);
  }
  memcpy(mem_all[mem_count].bytes, from, bytes);
  return mem_opened = mem_count;
}
static struct Mem *mem_open(unsigned number) {
  if (number != mem_opened) {
    const struct Mem *from = (const struct Mem *)mem_all[number].bytes;
    int used = mem_first(&mem_work, kLocs), total = mem_first(from, kLocs), bytes = mem_bytes(from);
    memcpy(&mem_work, from, bytes);
    if (used > total) memset(mem_work.view + total, 0, (used - total) * sizeof(View));
    mem_opened = number;
  }
  return &mem_work;
}
static unsigned mem_begin(void) {
  memset(&mem_work, 0, sizeof mem_work);
  for (int i = 0; i < kLocs; ++i) mem_work.n[i] = 1;
  return mem_close();
}
static unsigned mem_sleep(unsigned number, int t) {
  mem_open(number)->asleep[t] = 1;
  return mem_close();
}
