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
 * Before it is included: kLocs, kThreads, kPool (messages in all), as small as the model allows.
 */
#include <stdlib.h>
#include <string.h>

enum { RLX, ACQ, REL, ACQ_REL };

typedef struct { unsigned char at[kLocs]; } View;
struct Mem {
  unsigned char n[kLocs]; /* messages of each location */
  unsigned char asleep[kThreads]; /* it will know what the one knows that hands over to it */
  View cur[kThreads], acq[kThreads], rel[kThreads], sc;
  View view[kPool];       /* of the messages, location by location */
  unsigned short value[kPool];
};

static void mem_fail(const char *what, int loc) {
  extern void (*uerror)(char *);
  static char text[80];
  snprintf(text, sizeof text, "memory: %s, location %d", what, loc);
  uerror(text);
}
static void mem_init(struct Mem *m) {
  memset(m, 0, sizeof *m);
  for (int i = 0; i < kLocs; ++i) m->n[i] = 1;
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
