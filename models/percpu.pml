// percpu.pml -- one per-CPU ring: N sub-buffers and a spare, of U units each; a record is 1 or 2 units. Written from
// docs/ring-protocol.md and src/ring/writer.cpp, reader.cpp; names and labels are the code's.
//
//   Writer   a thread of CPU 0. Threads interleave at any step, which includes a handler that runs to its end while the
//            other stands still. A section is one step; it may be aborted after any of its groups of stores (ABORTS).
//            It may be moved to CPU 1 (MIGRATE) and may be killed (KILL) between any two steps.
//   Reader   discard or OVERWRITE; also the readable part of the current sub-buffer (CURRENT); buries the two-phase records of the dead
//            (TWOPHASE: whose records are written in two phases, a bit for each writer). It may KEEP a packet while it goes on. It may die
//            behind any of its stores (DEATHS: how often), and another one begins with what it left: the same process, which has forgotten all.
//            What it had in hand then, it had or had not.
//   Snapshot a reader beside it that takes nothing (SNAPSHOT)
//
// The value of a record is its number in the ring's order, so a reader knows what it must find: nothing torn, invented,
// doubled or out of order, and a gap exactly as large as what it counts as lapped.
//
// WEAK_... are the twins: one order, fence, compare or check less.
#ifndef U
#define U 3
#endif
#ifndef SIZE
#define SIZE 1
#endif
#ifndef SEQMASK
#define SEQMASK 15
#endif
#ifndef ABORTS
#define ABORTS 0
#endif
#ifndef WRITES0
#define WRITES0 3
#endif
#ifndef WRITES1
#define WRITES1 2
#endif
#ifndef START2  // the reader begins when so many records are there, or the writers rest
#define START2 0
#endif
#ifndef START1  // writer 1 begins when so many records are there
#define START1 0
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef ENTRIES  // of pending[]
#define ENTRIES 1
#endif
#ifdef MIGRATE
#define SNAPSHOT_AT 3
#else
#define SNAPSHOT_AT 2
#endif
#ifdef SNAPSHOT
#define THREADS (SNAPSHOT_AT + 1)
#else
#define THREADS SNAPSHOT_AT
#endif
#define N 2
#ifdef TWOPHASE
#define STAMPS_AT (18 + 4 * ENTRIES)
#else
#define STAMPS_AT 18
#endif
#ifdef STAMPS
#define DATA_AT (STAMPS_AT + 7)
#else
#define DATA_AT STAMPS_AT
#endif
#define LOCS (DATA_AT + 3 * U)
#ifndef POOL
#ifdef TWOPHASE
#define POOL 100
#else
#define POOL 80
#endif
#endif
#define me hw[id]
#include "memory.pml"

// Locations. Shape: W, slots, images, what the readers have looked at, entries of pending[], stamps, data.
#define L_W 0
#define L_SLOT(i) (1 + (i))
#define L_SEQ(p) (3 + (p))
#define L_BEFORE(p) (6 + (p))
#define L_CLOSE(p) (9 + (p))
#define L_COMMITS(p) (12 + (p))
#define MARK(p) (15 + (p))
#define L_STATE(i) (18 + 4 * (i))
#define L_WHERE(i) (19 + 4 * (i))
#define L_LENGTH(i) (20 + 4 * (i))
#define L_STAMP(i) (21 + 4 * (i))
#define L_LAST STAMPS_AT
#define L_FIRST(p) (STAMPS_AT + 1 + (p))
#define L_CLOSE_STAMP(p) (STAMPS_AT + 4 + (p))
#define DATA(u) (DATA_AT + (u))
// W = sequence | open:2 | records:2 | offset:4. A slot = sequence | taken:1 | physical:2.
#define MAKE_W(s, o) (((s) & SEQMASK) << 8 | (o))
#define OFFSET(w) ((w) & 15)
#define RECORDS(w) ((w) >> 4 & 3)
#define OPEN(w) ((w) >> 6 & 3)
#define LOW(w) ((w) >> 8)
#define PHYS(w) (OFFSET(w) / U)
#define INSIDE(w) (OFFSET(w) % U)
#define MAKE_SLOT(s, t, p) ((s) << 3 | (t) << 2 | (p))
#define SEQUENCE(c) ((c) >> 3)
#define TAKEN(c) ((c) >> 2 & 1)
#define PHYSICAL(c) ((c) & 3)
#define COMMITTING 8
#define JUNK 31
#define BURIED 30  // kDeadHeader
#define BURIER 7   // kBurier
#define STAMP(v) ((v) + 32 * (id + 1))  // a two-phase record's own: as its header, and in its entry

#ifdef WEAK_COMMIT_B
#define COMMIT_B RLX
#else
#define COMMIT_B REL
#endif
#ifdef WEAK_DELIVER_A
#define DELIVER_A RLX
#else
#define DELIVER_A ACQ
#endif
#ifdef WEAK_SWITCH_A
#define SWITCH_A RLX
#define SWITCH_A_CAS REL
#else
#define SWITCH_A ACQ
#define SWITCH_A_CAS ACQ_REL
#endif
#ifdef WEAK_RELEASE_B
#define RELEASE_B RLX
#else
#define RELEASE_B REL
#endif
#ifdef WEAK_EXCHANGE_B
#define EXCHANGE_B ACQ
#else
#define EXCHANGE_B ACQ_REL
#endif
#ifdef WEAK_COMMIT_C
#define COMMIT_C RLX
#else
#define COMMIT_C REL
#endif
#ifdef WEAK_DELIVER_B
#define DELIVER_B RLX
#else
#define DELIVER_B ACQ
#endif
#ifdef WEAK_PENDING_FREE
#define PENDING_FREE RLX
#else
#define PENDING_FREE REL
#endif
#ifdef WEAK_BUSY
#define BUSY_LOAD RLX
#else
#define BUSY_LOAD ACQ
#endif

#ifdef WEAK_STAMP_B
#define STAMP_B RLX
#else
#define STAMP_B REL
#endif
#ifdef WEAK_STAMP_A
#define STAMP_A RLX
#else
#define STAMP_A ACQ
#endif

#ifdef WEAK_CLAIMED_ALREADY
#define CLAIMED_TOO
#else
#define CLAIMED_TOO && SEQUENCE(c) != s + 1
#endif
#ifdef WEAK_INDEX
#define WHEREVER && false
#else
#define WHEREVER
#endif
#ifdef WEAK_EXPECTED
#define WHATEVER_W && false
#else
#define WHATEVER_W
#endif
#ifdef WEAK_SLOT_VALUE
#define WHATEVER_SLOT && false
#else
#define WHATEVER_SLOT
#endif
#ifdef WEAK_ENTRY_FREE
#define WHATEVER_ENTRY && false
#else
#define WHATEVER_ENTRY
#endif

#ifdef WEAK_WHOLE
#define WHOLE_OR_NOT && false
#else
#define WHOLE_OR_NOT
#endif
#ifdef WEAK_COPY_WHOLE
#define SNAPSHOT_WHOLE || true
#else
#define SNAPSHOT_WHOLE
#endif
#ifdef WEAK_CLAIM_OF
#define WHATEVER_CLAIM && false
#else
#define WHATEVER_CLAIM
#endif
#ifdef WEAK_SETTLE
#define SETTLED || true
#else
#define SETTLED
#endif
#if WRITES1 > 0
#define WRITERS 3
#else
#define WRITERS 1
#endif

byte hw[4];                  // the hardware thread of each process: 0 CPU 0, 1 the reader's, 2 CPU 1
byte dead, rests;            // writers, as bits
byte aborts = ABORTS;
byte moved;                  // for each writer, a bit: since its last try, somebody changed W or a slot, or restarted it
// Ghosts: the books that must balance.
byte written, tried, lost_full, lost_busy, elsewhere;
bool read_all;
// Of record v: bit v. gone: its sub-buffer was claimed before it was read. maybe: a reader died with it in hand.
short two_units, cut, got, gone, maybe, passed;
byte deaths = DEATHS;
// ReaderLine, LossLine's dead writers, and what a reader writes into entries: nobody but readers, one after the other, look at these,
// and that one is dead the next is told by the kernel.
byte line_next, line_consumed, line_counted, line_records, line_lapped, line_end, buried;
#ifdef TWOPHASE
byte grave_count[ENTRIES], grave_sequence[ENTRIES], grave_done[ENTRIES];  // Pending::reserved
byte grave[ENTRIES];  // ghost: which record
#endif

inline get(l, o, to) { atomic { load(l, o); to = r; r = 0 } }

#ifdef TWOPHASE
inline free_pending(i) {
  d_step { fence(REL) }  // ord(pending:free)
  d_step { store(L_LENGTH(i), RLX, 0) }
  d_step { store(L_STATE(i), PENDING_FREE, 0) }
}
#endif
inline lapping(p) {
  newest(L_BEFORE(p)); v = r + 1; newest(L_CLOSE(p)); y = RECORDS(r); r = 0;
  do
  :: y > 0 -> gone = gone | 1 << v; v++; y--
  :: else -> break
  od;
  v = 0
}

proctype Writer(byte id; byte left) provided (!(dead >> (_pid - 1) & 1)) {
  short w, c, s, x, y;
  byte size, phase2, v;
#ifdef TWOPHASE
  byte e;
#endif
  id == 0 || written >= START1;
  do
  :: left == 0 -> break
  :: left > 0 ->
    atomic {
      left--; tried++; phase2 = 0; size = SIZE; moved = moved | 1 << id;
#ifdef SIZES
      if
      :: size = 2
      :: skip
      fi;
#endif
#ifdef TWOPHASE
      phase2 = TWOPHASE >> id & 1;
      size = (phase2 -> 2 : SIZE)
#endif
    }
again:
    atomic {
      w = 0; c = 0; s = 0; x = 0; y = 0; v = 0;
      assert(moved >> id & 1); moved = moved & ~(1 << id);  // else nobody's progress made it try again
      if
      :: me != 0 -> elsewhere++; goto next  // another ring
      :: else
      fi
    }
    atomic {
      get(L_W, RLX, w);
      if
      :: INSIDE(w) + size < U -> goto put
      :: else
      fi
    };

    // switch_subbuf
    get(L_SEQ(PHYS(w)), RLX, s);
#ifndef WEAK_LOW_SEQUENCE
    if
    :: (s & SEQMASK) != LOW(w) -> goto again
    :: else
    fi;
#endif
    get(L_SLOT((s + 1) % N), SWITCH_A, c);
    if
#ifndef WEAK_CLAIMED_ALREADY
    :: SEQUENCE(c) == s + 1 ->
#ifndef WEAK_FENCE_OF_OTHERS
       d_step { fence(REL) }
#endif
#endif
    :: SEQUENCE(c) + N < s + 1 || SEQUENCE(c) + N > s + 1 CLAIMED_TOO -> goto again
    :: SEQUENCE(c) + N == s + 1 ->
      if
      :: !TAKEN(c) ->
#ifndef OVERWRITE
#ifndef WEAK_FULL
        atomic { lost_full++; goto next }
#else
        skip
#endif
#else
#ifndef WEAK_BUSY_CHECK
        get(L_CLOSE(PHYSICAL(c)), RLX, x);
        atomic {
          get(L_COMMITS(PHYSICAL(c)), BUSY_LOAD, y);
          if
          :: OPEN(x) != y -> lost_busy++; goto next
          :: else
          fi
        }
#else
        skip
#endif
#endif
      :: else
      fi;
#ifndef WEAK_CLAIM
      d_step { cas(L_SLOT((s + 1) % N), SWITCH_A_CAS, c, MAKE_SLOT(s + 1, 0, PHYSICAL(c))); x = r; r = 0; moved = moved | (x -> 3 : 1 << id);  // if it failed, somebody did
        if
        :: x -> newest(L_W); assert(SEQMASK < 15 || (s & SEQMASK) == LOW(r) && INSIDE(r) + size >= U); r = 0  // not before it is time
        :: else
        fi;
        if
        :: x && !TAKEN(c) -> lapping(PHYSICAL(c))
        :: else
        fi
      }
      if
      :: !x -> goto again
      :: else
      fi;
#else
      d_step { store(L_SLOT((s + 1) % N), SWITCH_A_CAS, MAKE_SLOT(s + 1, 0, PHYSICAL(c))) }
#endif
      c = MAKE_SLOT(s + 1, 0, PHYSICAL(c));
#ifndef WEAK_SWITCH_B
      d_step { fence(REL) }  // ord(switch:B)
#endif
    fi;
    get(L_BEFORE(PHYS(w)), RLX, y);
    atomic {  // exchange(): images and W
      if
      :: me != 0 WHEREVER -> goto again
      :: else
      fi;
      atomic {
        get(L_W, RLX, x);
        if
        :: x != w WHATEVER_W -> goto again
        :: else
        fi
      };
      atomic {
        get(L_SLOT((s + 1) % N), RLX, x);
        if
        :: x != c WHATEVER_SLOT -> goto again
        :: else
        fi
      };
      d_step {
        write_plain(L_CLOSE(PHYS(w)), w, -1);
#ifdef STAMPS
        store(L_CLOSE_STAMP(PHYS(w)), RLX, 2 * written + 1)
#endif
      }
      if
      :: aborts > 0 -> aborts--; moved = 3; goto again
      :: skip
      fi;
      d_step {
        write_plain(L_SEQ(PHYSICAL(c)), s + 1, MARK(PHYSICAL(c)));
        write_plain(L_BEFORE(PHYSICAL(c)), y + RECORDS(w), MARK(PHYSICAL(c)));
        write_plain(L_CLOSE(PHYSICAL(c)), 0, MARK(PHYSICAL(c)));
        write_plain(L_COMMITS(PHYSICAL(c)), 0, MARK(PHYSICAL(c)));
#ifdef STAMPS
        store(L_FIRST(PHYSICAL(c)), RLX, 2 * written + 1); store(L_CLOSE_STAMP(PHYSICAL(c)), RLX, 0);
        store(L_LAST, STAMP_B, 2 * written + 1)
#endif
      }
      if
      :: aborts > 0 -> aborts--; moved = 3; goto again
      :: skip
      fi;
      d_step { moved = 3; store(L_W, COMMIT_B, MAKE_W(s + 1, PHYSICAL(c) * U)) }
      goto again
    }

put:
#ifdef TWOPHASE
    if
    :: phase2 ->
      // find_free_pending
      e = 0;
      do
      :: e == ENTRIES -> atomic { lost_busy++; goto next }
      :: e < ENTRIES ->
        atomic {
          get(L_STATE(e), ACQ, x);
          if
          :: x == 0 -> break
          :: else -> x = 0; e++
          fi
        }
      od
    :: else
    fi;
#endif
    atomic {  // exchange(): the record and W
      if
      :: me != 0 WHEREVER -> goto again
      :: else
      fi;
      atomic {
        get(L_W, RLX, x);
        if
        :: x != w WHATEVER_W -> goto again
        :: else
        fi
      };
#ifdef TWOPHASE
      if
      :: phase2 ->
        atomic {
          get(L_STATE(e), RLX, x);
          if
          :: x != 0 WHATEVER_ENTRY -> goto again
          :: else
          fi
        };
        v = written + 1;
        d_step { store(L_STATE(e), RLX, id + 1) }
        if
        :: aborts > 0 -> aborts--; moved = 3; goto undo
        :: skip
        fi;
        d_step { store(L_WHERE(e), RLX, w); store(L_LENGTH(e), RLX, 2); store(L_STAMP(e), RLX, STAMP(v)) }
        if
        :: aborts > 0 -> aborts--; moved = 3; goto undo
        :: skip
        fi;
        d_step {
          write_plain(DATA(OFFSET(w)), STAMP(v), MARK(PHYS(w)));
          written = v; two_units = two_units | 1 << v;
#ifdef STAMPS
          store(L_LAST, STAMP_B, 2 * v);
#endif
          moved = 3; store(L_W, COMMIT_B, w + 2 + 16 + 64)
        }
        goto fill
      :: else
      fi;
#endif
      if
      :: aborts > 0 ->
        aborts--; moved = 3;
        d_step {
          write_plain(DATA(OFFSET(w)), JUNK, MARK(PHYS(w)));
#ifdef STAMPS
          store(L_LAST, STAMP_B, 2 * written + 1)
#endif
        }
        goto again
      :: skip
      fi;
      d_step {
        written++;
        write_plain(DATA(OFFSET(w)), written, MARK(PHYS(w)));
        if
        :: size == 2 -> write_plain(DATA(OFFSET(w) + 1), written, MARK(PHYS(w))); two_units = two_units | 1 << written
        :: else
        fi;
#ifdef STAMPS
        store(L_LAST, STAMP_B, 2 * written);
#endif
        moved = 3; store(L_W, COMMIT_B, w + size + 16);
      }
      goto next
    }
#ifdef TWOPHASE
undo:  // the entry of an attempt that was aborted is given back
#ifndef WEAK_UNDO
    get(L_STATE(e), RLX, x);
    if
    :: x == id + 1 -> free_pending(e)
    :: else
    fi;
#endif
    goto again;
fill:
    d_step { write_plain(DATA(OFFSET(w) + 1), v, MARK(PHYS(w))) }
    d_step { store(L_LENGTH(e), REL, 2 + COMMITTING) }  // ord(commit:A)
    d_step { fetch_add(L_COMMITS(PHYS(w)), COMMIT_C, 1); r = 0 }
    free_pending(e);
#endif
next:
    atomic {
      w = 0; c = 0; s = 0; x = 0; y = 0; v = 0; size = 0; phase2 = 0;
#ifdef TWOPHASE
      e = 0
#endif
    }
  od;
  rests = rests | 1 << id
}


#ifdef TWOPHASE
#if ENTRIES == 1
#define IS_MINE(v) ((mine & 1) && grave[0] == (v))
#else
#define IS_MINE(v) ((mine & 1) && grave[0] == (v) || (mine & 2) && grave[1] == (v))
#endif
#else
#define IS_MINE(v) false
#endif
#ifdef STAMPS
#define IN_TIME(v) (2 * (v) >= begin_stamp && 2 * (v) <= out_stamp)
#else
#define IN_TIME(v) true
#endif

// deliver(): units from `consumed` to `end` of what was read are these records, in this order. `before` of them were written before `consumed`.
inline unit() {
#ifdef OVERWRITE
  if
  :: is_copy -> r = copy[i] & 31
  :: else -> read_plain(DATA(p * U + i)); r = r & 31
  fi;
#else
  read_plain(DATA(p * U + i)); r = r & 31;
#endif
  i++
}
inline deliver() {
  i = consumed; v = before + 1;
  do
  :: i < end ->
    if
    :: IS_MINE(v) -> assert(two_units >> v & 1); i = i + 2; passed = passed | 1 << v
    :: else ->
      unit();
      assert(r == v && IN_TIME(v));
      if
      :: two_units >> v & 1 -> assert(i < end); unit(); assert(r == v)
      :: else
      fi;
      assert(!(got >> v & 1)); got = got | 1 << v; out = out | 1 << v
    fi;
    v++
  :: else -> break
  od;
  assert(i == end && v == before + 1 + RECORDS(w) - counted);
  i = 0; v = 0; r = 0
}
// What is said of the records before those that are delivered. `how`: may they have been lapped?
inline books(records_before, how) {
  assert(records_before + counted >= before);
  if
  :: how -> lapped = lapped + records_before + counted - before
  :: else
  fi;
  before = records_before + counted
}
#ifdef OVERWRITE
#define MAY_LAP true
#else
#define MAY_LAP false
#endif
inline advance() { next++; consumed = 0; counted = 0 }
// What we buried there is counted as dead writers'.
inline skip_lapped(to) {
#ifdef TWOPHASE
  i = 0;
  do
  :: i < ENTRIES ->
    if
    :: (mine >> i & 1) && grave_sequence[i] < (to) -> 
      newest(L_WHERE(i));
      if
      :: grave_sequence[i] > next || grave_sequence[i] == next && INSIDE(r) >= consumed -> before++
      :: else
      fi;
      r = 0
    :: else
    fi;
    i++
  :: else -> break
  od;
  i = 0;
#endif
  next = to; consumed = 0; counted = 0
}
// finish(): what the books will say.
inline finish() {
  before = before + RECORDS(w) - counted; counted = RECORDS(w); consumed = end;
#ifdef STAMPS
  end_stamp = (out_stamp > end_stamp -> out_stamp : end_stamp)
#endif
}
// A reader's last step, or not.
inline may_die() {
#if DEATHS > 0
  if
  :: deaths > 0 -> deaths--; goto died
  :: skip
  fi
#else
  skip
#endif
}
// give_back(), behind the slot: these books. The ring has two copies of them, and one store says which counts.
inline give_back_books(of_consumed, of_counted, of_records, of_lapped, of_end, of_next) {
#if DEATHS > 0
  d_step {
    line_consumed = of_consumed; line_counted = of_counted; line_records = of_records - of_lapped; line_lapped = of_lapped;
    line_end = of_end; line_next = of_next; out = 0
  }
#endif
  atomic { out = 0; may_die() }
}
#ifdef KEEP
#define OLDEST (keeps && kept_sequence < next -> kept_sequence : next)
#else
#define OLDEST next
#endif
// forget_dead(): entries of records that no reader will meet.
inline forget_dead() {
#ifdef TWOPHASE
  i = 0;
  do
  :: i < ENTRIES ->
    if
    :: (mine >> i & 1) && grave_sequence[i] < OLDEST ->
      d_step { mine = mine & ~(1 << i); fence(REL) }
      atomic { store(L_LENGTH(i), RLX, 0); may_die() }
      atomic { store(L_STATE(i), REL, 0); may_die() }
    :: else
    fi;
    i++
  :: else -> break
  od;
  i = 0
#else
  skip
#endif
}

// What bury_open says of a record that it marked and has not counted.
#ifdef WEAK_MARKED
#define MARKED 0
#else
#define MARKED 2
#endif

#ifdef TWOPHASE
inline mark_and_count(i) {
  d_step { newest(L_WHERE(i)); x = r; r = 0; write_plain(DATA(OFFSET(x)), BURIED, MARK(PHYS(x))); x = 0 }
  atomic { buried = (buried > grave_count[i] -> buried : grave_count[i]); may_die() }
}
// books_of(where): x: is it this use? y: end; z: commits.
inline books_of(where) {
  p = PHYS(where);
  get(L_W, ACQ, w);
  get(L_CLOSE(p), ACQ, y);
  get(L_SEQ(p), ACQ, s);
  atomic {
    if
    :: LOW(w) == LOW(where) && PHYS(w) == p -> y = w
    :: else
    fi;
    w = 0
  }
  get(L_COMMITS(p), ACQ, z);
#ifndef WEAK_BOOKS_SLOT
  get(L_SLOT(s % N), ACQ, w);
#else
  w = MAKE_SLOT(s, 0, 0);
#endif
  atomic { x = LOW(where) == (s & SEQMASK) && s >= next && SEQUENCE(w) == s; w = 0 }
}
inline bury_open() {
  x = 0;
  if
  :: length[who] != 0 -> books_of(place[who])
  :: else
  fi;
  if
  :: x && INSIDE(place[who]) + 2 <= INSIDE(y) -> atomic { get(DATA(OFFSET(place[who])), RLX, v); x = (v == stamp[who] WHATEVER_CLAIM); v = 0 }
  :: else -> x = 0
  fi;
  if
  :: !x ->
    get(L_STATE(who), ACQ, y);
    if
    :: y == owner[who] -> free_pending(who)
    :: else
    fi
  :: else ->
    atomic { grave_count[who] = buried + 1; grave_sequence[who] = s; grave_done[who] = 0; may_die() }
    atomic {
      cas(L_STATE(who), ACQ_REL, owner[who], BURIER); assert(r); r = 0;
      grave[who] = stamp[who] & 31; mine = mine | 1 << who; assert(!(cut >> grave[who] & 1)); cut = cut | 1 << grave[who];
      may_die()
    }
    mark_and_count(who);
    atomic { grave_done[who] = MARKED; may_die() }
    atomic { fetch_add(L_COMMITS(PHYS(place[who])), REL, 1); r = 0; may_die() }
    atomic { grave_done[who] = 1; may_die() }
  fi
}
// Entry i is one of those whose count may be missing, in the use that `place[who]` speaks of.
#define IS_HALF(i) (half >> (i) & 1)
#define SAME_USE(a, b) (LOW(a) == LOW(b) && PHYS(a) == PHYS(b))
// settle(): halves of one use, the first of which is `who`.
inline make_up() {
  books_of(place[who]);
  if
  :: !x -> x = 1
  :: else ->
    x = 0;
#if ENTRIES == 2
    // is_in_use: v
    if
    :: !IS_HALF(1 - who) || !SAME_USE(place[0], place[1]) ->
      get(L_STATE(1 - who), ACQ, c);
      get(L_LENGTH(1 - who), ACQ, i);
      get(L_WHERE(1 - who), ACQ, w);
      atomic { v = c != 0 && i != 0 && !(c == BURIER && grave_done[1 - who] == 1) && SAME_USE(w, place[who]); c = 0; i = 0; w = 0 }
    :: else
    fi;
#ifdef WEAK_IN_USE
    v = 0;
#endif
#endif
    if
    :: v -> v = 0
    :: else ->
      atomic { end = OPEN(y); v = z }
      books_of(place[who]);
      atomic {
#ifdef WEAK_BOOKS_AGAIN
        x = 1;
#else
        x = x && OPEN(y) == end && z == v;
#endif
        c = end - v;
#ifdef WEAK_SETTLE
        c = 1;
#endif
        end = 0; v = 0;
#if ENTRIES == 2
        v = 1 + (IS_HALF(1 - who) && SAME_USE(place[0], place[1]));
        c = (c > v -> v : c)
#else
        c = (c > 1 -> 1 : c)
#endif
      }
      if
      :: x && c > 0 -> atomic { fetch_add(L_COMMITS(PHYS(place[who])), REL, c); r = 0; c = 0; v = 0; may_die() }
      :: else -> atomic { c = 0; v = 0 }
      fi
    fi
  fi
}
inline end_half(i) {
  get(L_STATE(i), ACQ, c);
  if
  :: c == BURIER -> grave_done[i] = 1
  :: else -> free_pending(i)
  fi;
  atomic { half = half & ~(1 << i); c = 0; may_die() }
}
inline forget_steps() { atomic { w = 0; c = 0; x = 0; y = 0; z = 0; s = 0; p = 0; i = 0; v = 0; end = 0 } }
#endif
proctype Reader(byte id) {
  short w, c, x, y, next, out;
#ifdef OVERWRITE
  short copy[U];
  bool is_copy;
#endif
#ifdef KEEP
  bool keeps;
  short kept, kept_sequence, kept_slot;
  byte kept_consumed, kept_counted, kept_records, kept_lapped, kept_end, kept_next;
#endif
  byte s, p, i, v, end, consumed, counted, before, lapped, spare;
  byte begin_stamp, out_stamp, end_stamp;
  bool asked, stuck;
  bool last;  // all writers rest or are dead: what is read now must be everything
#ifdef TWOPHASE
  byte mine, sus, who, half, owner[ENTRIES], length[ENTRIES], stamp[ENTRIES];
  short z, place[ENTRIES];
#endif
  written >= START2 || (rests | dead) == WRITERS;
start:
  get(L_SLOT(0), ACQ, c);
  get(L_SLOT(1), ACQ, x);
  atomic {
    spare = 3 - PHYSICAL(c) - PHYSICAL(x);
#ifdef WEAK_OLDEST
    c = (TAKEN(c) -> 999 : SEQUENCE(c)); x = (TAKEN(x) -> 999 : SEQUENCE(x));
#else
    c = SEQUENCE(c) + (TAKEN(c) -> N : 0); x = SEQUENCE(x) + (TAKEN(x) -> N : 0);
#endif
    next = (c < x -> c : x);
    if
    :: line_next != 0 ->
      lapped = line_lapped;
      before = line_records + line_lapped;
      end_stamp = line_end;
      if
      :: line_next == next -> consumed = line_consumed; counted = line_counted
      :: else
      fi
    :: else
    fi;
    c = 0; x = 0
  }
#ifdef TWOPHASE
#if DEATHS > 0
  // adopt_dead
#ifndef WEAK_ADOPT
  do
  :: who < ENTRIES ->
    get(L_STATE(who), ACQ, c);
    if
    :: c == BURIER && grave_sequence[who] < next -> atomic { c = 0; may_die() }; free_pending(who)
    :: c == BURIER && grave_sequence[who] >= next ->
      atomic { c = 0; mine = mine | 1 << who }
      if
      :: grave_done[who] == 0 -> mark_and_count(who)
#ifndef WEAK_MARKED
        ; atomic { grave_done[who] = MARKED; may_die() }
#endif
      :: else
      fi
    :: else -> c = 0
    fi;
    who++
  :: else -> break
  od;
  who = 0;
#endif
#endif
#endif
poll:
  atomic {
    w = 0; c = 0; x = 0; y = 0; s = 0; p = 0; end = 0; out_stamp = 0; begin_stamp = 0;
    if
    :: (rests | dead) == WRITERS && !last ->
      last = 1; hand_over(0, 1);
#ifdef MIGRATE
      if
      :: hw[0] == 2 -> hand_over(2, 1)
      :: else
      fi
#endif
    :: else
    fi
  }
#ifdef TWOPHASE
  if
  :: dead && !asked -> asked = 1; goto bury
  :: skip
  fi;
#endif
  // find_current
  get(L_W, DELIVER_A, w);
  get(L_SEQ(PHYS(w)), ACQ, s);
  get(L_SLOT(s % N), ACQ, c);
#ifndef WEAK_DELIVER_C
  get(L_W, DELIVER_A, x);
#else
  x = w;
#endif
  if
  :: SEQUENCE(c) != s || PHYSICAL(c) != PHYS(w) || (s & SEQMASK) != LOW(w) || LOW(x) != LOW(w) || PHYS(x) != PHYS(w) ->
    assert(!last);
    goto poll
  :: else
  fi;
  if
#ifdef OVERWRITE
  :: next + N <= s -> d_step { skip_lapped(s - N + 1) }
#else
  :: next + N <= s -> assert(false)
#endif
  :: else
  fi;
  if
  :: next == s -> goto current
#if DEATHS > 0
  :: next > s -> next = s; goto current
#else
  :: next > s -> assert(false)
#endif
  :: else
  fi;

  // take_closed
  get(L_SLOT(next % N), ACQ, c);
  if
  :: SEQUENCE(c) != next ->
#ifdef OVERWRITE
    d_step { skip_lapped(next + 1) }; goto poll
#else
    assert(false)
#endif
  :: SEQUENCE(c) == next && TAKEN(c) -> assert(false)  // but for retired rings
  :: else
  fi;
  p = PHYSICAL(c);
  get(L_CLOSE(p), ACQ, x);
  atomic {
    get(L_COMMITS(p), DELIVER_B, y);
    if
    :: OPEN(x) != y WHOLE_OR_NOT -> goto waiting
    :: else
    fi
  };
#ifdef OVERWRITE
  atomic {
    d_step {
      cas(L_SLOT(next % N), EXCHANGE_B, c, MAKE_SLOT(next, 1, spare)); x = r; r = 0; moved = 3;
#if DEATHS > 0
      if
      :: x ->
        newest(L_BEFORE(p)); v = r + counted + 1; newest(L_CLOSE(p)); i = RECORDS(r) - counted; r = 0;
        do
        :: i > 0 -> out = out | 1 << v; v++; i--
        :: else -> break
        od;
        v = 0
      :: else
      fi
#endif
    }
    may_die()
  }
  if
  :: !x -> d_step { skip_lapped(next + 1) }; goto poll
  :: else
  fi;
#endif
  get(L_CLOSE(p), ACQ, w);
#ifdef STAMPS
  atomic { get(L_FIRST(p), RLX, x); begin_stamp = x; get(L_CLOSE_STAMP(p), RLX, x); out_stamp = x; x = 0 }
#endif
  get(L_SEQ(p), RLX, x);
  get(L_BEFORE(p), RLX, y);
  assert(PHYS(w) == p && x == next);
  atomic {
    d_step {
#ifdef STAMPS
      begin_stamp = (consumed != 0 || begin_stamp > out_stamp || begin_stamp < end_stamp -> end_stamp : begin_stamp);
#endif
      books(y, MAY_LAP);
      end = INSIDE(w);
      deliver();
      mark(MARK(p))
    }
    may_die()
  }
#ifdef OVERWRITE
  d_step { finish(); spare = p; advance() }
#else
#ifdef KEEP
  if
  :: !keeps && !last ->  // keep()
    d_step {
      finish();
      kept_slot = c; kept_sequence = next; kept = out; out = 0; keeps = 1; advance();
      kept_consumed = consumed; kept_counted = counted; kept_records = before; kept_lapped = lapped; kept_end = end_stamp; kept_next = next
    }
    goto poll
  :: skip
  fi;
#endif
  atomic {
    cas(L_SLOT(next % N), RELEASE_B, c, MAKE_SLOT(next, 1, p)); assert(r); r = 0; moved = 3;
    d_step { finish(); advance() }
    may_die()
  }
#endif
  give_back_books(consumed, counted, before, lapped, end_stamp, next);
  forget_dead();
  goto poll;

current:
#ifndef CURRENT
  if
  :: !last -> goto poll
  :: else
  fi;
#endif
  atomic {
    get(L_W, ACQ, w);
    p = PHYS(w);
    if
    :: LOW(w) != (next & SEQMASK) -> goto poll
    :: else
    fi
  };
  end = INSIDE(w);
  if
  :: end == consumed -> goto nothing
  :: else
  fi;
  atomic {
    get(L_COMMITS(p), DELIVER_B, y);
    if
    :: OPEN(w) != y WHOLE_OR_NOT -> goto waiting
    :: else
    fi
  };
  get(L_BEFORE(p), RLX, y);
#ifdef STAMPS
  get(L_FIRST(p), RLX, x);
  begin_stamp = x;
  get(L_LAST, STAMP_A, x);
  atomic { out_stamp = x; x = 0 }
#endif
#ifndef WEAK_STAMP_W
  atomic {
    get(L_W, RLX, x);
    if
    :: x != w -> goto poll
    :: else -> x = 0
    fi
  };
#endif
#ifdef STAMPS
  begin_stamp = (consumed != 0 || begin_stamp > out_stamp || begin_stamp < end_stamp -> end_stamp : begin_stamp);
#endif
#ifdef OVERWRITE
  i = consumed;
  do
  :: i < end -> atomic { get(DATA(p * U + i), RLX, x); copy[i] = x; i++ }
  :: else -> break
  od;
  atomic { i = 0; x = 0 }
#ifndef WEAK_SNAPSHOT_B
  d_step { fence(ACQ) }  // ord(snapshot:B)
#endif
  atomic {
    get(L_SLOT(next % N), RLX, c);
    if
#ifndef WEAK_SNAPSHOT_SLOT
    :: SEQUENCE(c) != next || PHYSICAL(c) != p -> i = 0; do :: i < U -> copy[i] = 0; i++ :: else -> break od; i = 0; goto poll
#endif
    :: else
    fi
  };
  atomic {
    d_step { books(y, true); is_copy = 1; deliver(); is_copy = 0; do :: i < U -> copy[i] = 0; i++ :: else -> break od; i = 0 }
    may_die()
  }
#else
  atomic {
    d_step { books(y, false); deliver() }
    may_die()
  }
#endif
  finish();
#ifdef KEEP
  if
  :: keeps ->  // it goes back with the one before it
    d_step {
      kept = kept | out; out = 0;
      kept_consumed = consumed; kept_counted = counted; kept_records = before; kept_lapped = lapped; kept_end = end_stamp; kept_next = next
    }
    goto poll
  :: else
  fi;
#endif
  give_back_books(consumed, counted, before, lapped, end_stamp, next);
  forget_dead();
  goto poll;

#if DEATHS > 0
died:  // all that it knew, but for what its CPU has seen, is gone
  skip;
  d_step {
#ifdef KEEP
    out = out | kept; kept = 0; keeps = 0; kept_sequence = 0; kept_slot = 0; kept_consumed = 0; kept_counted = 0; kept_records = 0; kept_lapped = 0;
    kept_end = 0; kept_next = 0;
#endif
    maybe = maybe | out; got = got & ~out; out = 0;
    w = 0; c = 0; x = 0; y = 0; next = 0; s = 0; p = 0; i = 0; v = 0; end = 0; consumed = 0; counted = 0; before = 0; lapped = 0; spare = 0;
    begin_stamp = 0; out_stamp = 0; end_stamp = 0; stuck = 0; asked = 0; r = 0;
#ifdef OVERWRITE
    is_copy = 0;
#endif
#ifdef TWOPHASE
    mine = 0; sus = 0; half = 0; z = 0; who = 0;
    do
    :: who < ENTRIES -> owner[who] = 0; length[who] = 0; stamp[who] = 0; place[who] = 0; who++
    :: else -> break
    od;
    who = 0
#endif
  }
  goto start;
#endif

waiting:
  atomic { assert(!last || dead && !stuck); stuck = last }
#ifdef TWOPHASE
bury:
  forget_steps();
  do
  :: who < ENTRIES ->  // find_dead
    get(L_STATE(who), ACQ, c);
    if
    :: c == 0 || c == BURIER || !(dead >> (c - 1) & 1) -> skip
    :: else ->
      d_step { hand_over(hw[c - 1], 1) }  // its end is seen by way of the kernel
      get(L_LENGTH(who), ACQ, x);
      get(L_WHERE(who), RLX, w);
      get(L_STAMP(who), RLX, y);
      atomic {
        get(L_STATE(who), ACQ, z);
        if
        :: z == c -> sus = sus | 1 << who; owner[who] = c; length[who] = x; place[who] = w; stamp[who] = y
        :: else
        fi
      }
    fi;
    atomic { who++; c = 0; x = 0; w = 0; y = 0; z = 0 }
  :: else -> break
  od;
  who = 0;
  do
  :: who < ENTRIES ->
    if
    :: (sus >> who & 1) && !(length[who] & COMMITTING) -> bury_open()
    :: else
    fi;
    forget_steps();
    who++
  :: else -> break
  od;
  who = 0;
  d_step {
    do
    :: who < ENTRIES ->
      half = half | ((sus >> who & 1) && (length[who] & COMMITTING) || (mine >> who & 1) && grave_done[who] != 1 -> 1 << who : 0);
      if
      :: mine >> who & 1 -> newest(L_WHERE(who)); place[who] = r; r = 0
      :: else
      fi;
      who++
    :: else -> break
    od;
    who = 0
  }
  do
  :: who < ENTRIES ->
    if
    :: IS_HALF(who) ->
      make_up();
      if
      :: x ->
#if ENTRIES == 2
        if
        :: IS_HALF(1 - who) && SAME_USE(place[0], place[1]) -> end_half(1 - who)
        :: else
        fi;
#endif
        end_half(who)
      :: else
      fi
    :: else
    fi;
    forget_steps();
    who++
  :: else -> break
  od;
  who = 0;
  d_step {
    sus = 0; half = 0;
    do
    :: who < ENTRIES -> owner[who] = 0; length[who] = 0; stamp[who] = 0; place[who] = 0; who++
    :: else -> break
    od;
    who = 0
  }
  forget_dead();
  goto poll;
#else
  goto poll;
#endif

nothing:
#ifdef KEEP
  if
  :: keeps ->  // give_back()
    atomic {
      cas(L_SLOT(kept_sequence % N), RELEASE_B, kept_slot, MAKE_SLOT(kept_sequence, 1, PHYSICAL(kept_slot))); assert(r); r = 0; moved = 3;
      may_die()
    }
    give_back_books(kept_consumed, kept_counted, kept_records, kept_lapped, kept_end, kept_next);
    d_step {
      kept = 0; keeps = 0; kept_sequence = 0; kept_slot = 0; kept_consumed = 0; kept_counted = 0; kept_records = 0; kept_lapped = 0;
      kept_end = 0; kept_next = 0
    }
    forget_dead();
    goto poll
  :: else
  fi;
#endif
  if
  :: !last -> goto poll
  :: else
  fi;
  atomic {
    get(L_BEFORE(p), RLX, y);
    d_step {
      books(y, MAY_LAP);
      assert(buried <= 2);
      // x: what was given back, as the books say; y: what surely was; z: what may have been as well, or was buried, then lapped unseen by
      // this reader, and counted by both causes (docs/testing.md).
      x = written - lapped - buried; y = 0; c = 0; v = 1;
      do
      :: v <= written ->
        assert((got | gone | cut | maybe) >> v & 1);
        assert(!((got & cut) >> v & 1));
        y = y + (got >> v & 1);
        c = c + ((maybe & ~got & ~cut) >> v & 1);
#if DEATHS > 0
        if
        :: deaths < DEATHS && ((cut & (gone & ~passed | maybe)) >> v & 1) -> x++; c++
        :: else
        fi;
#endif
        v++
      :: else -> break
      od;
      assert(y <= x && x <= y + c);
      v = 0;
      x = written + lost_full + lost_busy + elsewhere;
      assert(x == tried || dead && x + 1 == tried || dead == 3 && x + 2 == tried)
    }
    read_all = 1
  }
#ifdef TWOPHASE
  // Nobody's but the dead's, and theirs that were buried where no reader came by yet.
  do
  :: who < ENTRIES ->
    atomic { get(L_STATE(who), RLX, c); assert(c == 0 || dead); c = 0; who++ }
  :: else -> break
  od
#endif
}

#ifdef SNAPSHOT
// Takes nothing: looks once at each sub-buffer.
#ifndef START3  // it begins when so many records are there
#define START3 0
#endif
bool snapshot_done;
proctype Snapshot(byte id) {
  short w, c, x, y, copy[U];
  byte s, t, p, i, v, end, before;
  bool is_current, whole;
  written >= START3 || (rests | dead) == WRITERS;
  // find_current
  do
  :: true ->
    get(L_W, ACQ, w);
    get(L_SEQ(PHYS(w)), ACQ, s);
    get(L_SLOT(s % N), ACQ, c);
    get(L_W, ACQ, x);
    if
    :: SEQUENCE(c) != s || PHYSICAL(c) != PHYS(w) || (s & SEQMASK) != LOW(w) || LOW(x) != LOW(w) || PHYS(x) != PHYS(w) -> skip
    :: else -> break
    fi
  od;
  atomic { w = 0; c = 0; x = 0; t = s - N + 1 }
  do
  :: t > s -> break
  :: t <= s ->  // copy_subbuf
    get(L_SLOT(t % N), ACQ, c);
    assert(SEQUENCE(c) >= t);
    if
    :: SEQUENCE(c) != t || TAKEN(c) -> skip
    :: else ->
      p = PHYSICAL(c);
      get(L_W, ACQ, w);
      is_current = t == s && LOW(w) == (t & SEQMASK) && PHYS(w) == p;
      // examine
      if
      :: is_current -> x = w
      :: else -> get(L_CLOSE(p), ACQ, x)
      fi;
      get(L_COMMITS(p), ACQ, y);
      whole = PHYS(x) == p && (OPEN(x) == y SNAPSHOT_WHOLE);
      get(L_BEFORE(p), RLX, y);
      atomic { before = y; y = 0 }
      if
      :: is_current && whole -> atomic { get(L_W, ACQ, y); whole = y == w; y = 0 }
      :: else
      fi;
      if
      :: whole ->
        end = INSIDE(x);
        do
        :: i < end -> atomic { get(DATA(p * U + i), RLX, y); copy[i] = y; y = 0; i++ }
        :: else -> break
        od
      :: else
      fi;
#ifndef WEAK_COPY_FENCE
      d_step { fence(ACQ) }  // ord(snapshot:B)
#endif
      atomic {
        get(L_SLOT(t % N), ACQ, y);
#ifdef WEAK_COPY_WORD
        whole = whole && SEQUENCE(y) == SEQUENCE(c);
#else
        whole = whole && y == c;
#endif
        y = 0; i = 0; v = before + 1
      }
      d_step {
        if
        :: whole ->
          do
          :: i < end ->
            if
            :: copy[i] == BURIED -> assert(cut >> v & 1); i = i + 2
            :: else ->
              assert((copy[i] & 31) == v); i++;
              if
              :: two_units >> v & 1 -> assert(i < end && (copy[i] & 31) == v); i++
              :: else
              fi
            fi;
            v++
          :: else -> break
          od;
          assert(i == end && v == before + 1 + RECORDS(x))
        :: else
        fi;
        i = 0; do :: i < U -> copy[i] = 0; i++ :: else -> break od
      }
    fi;
    atomic { w = 0; c = 0; x = 0; p = 0; i = 0; v = 0; end = 0; before = 0; is_current = 0; whole = 0; t++ }
  od;
  atomic { t = 0; s = 0; snapshot_done = 1 }
}
#endif

// All are done, or dead: nobody waits for anybody.
proctype Watch() {
#ifdef SNAPSHOT
  timeout -> assert((rests | dead) == WRITERS && read_all && snapshot_done || written < START1)
#else
  timeout -> assert((rests | dead) == WRITERS && read_all || written < START1)
#endif
}

#ifdef KILL
#ifndef VICTIMS  // who may die, a bit each; 4: one of them
#define VICTIMS 4
#endif
proctype Killer() {
#if VICTIMS == 4
  atomic {
    if
    :: dead = 1
    :: WRITERS > 1 -> dead = 2
    :: skip  // nobody
    fi
  }
#else
  do
  :: (VICTIMS & 1) && !(dead & 1) -> dead = dead | 1
  :: (VICTIMS & 2) && !(dead & 2) -> dead = dead | 2
  :: break
  od
#endif
}
#endif
#ifdef MIGRATE
// Moves thread 0 to CPU 1, once, between any two of its steps. It stays there.
proctype Mover() {
  atomic { hand_over(0, 2); hw[0] = 2; moved = 3 }
}
#endif

init {
  atomic {
    begin_memory();
#ifdef MIGRATE
    sleeps(2);
#endif
    d_step {
      initially(L_W, MAKE_W(N, 0));
      initially(L_SLOT(0), MAKE_SLOT(N, 0, 0));
      initially(L_SLOT(1), MAKE_SLOT(1, 1, 1));
      initially(L_SEQ(0), N);
      hw[2] = 1; hw[3] = SNAPSHOT_AT
    }
    run Writer(0, WRITES0);
#if WRITES1 > 0
    run Writer(1, WRITES1);
#endif
    run Reader(2);
#ifdef SNAPSHOT
    run Snapshot(3);
#endif
    run Watch();
#ifdef KILL
    run Killer();
#endif
#ifdef MIGRATE
    run Mover();
#endif
  }
}
