// shared.pml -- one shared ring: any number of writers, each on a CPU of its own, by compare-exchange on W. From
// src/ring/writer_shared.cpp, reader.cpp, bury.cpp. Commits are running totals; the totals at which a use began stand in its books,
// tagged with the use. Whoever claims or finds claimed counts what that laps, by maximum.
//
// KILL: any writer, or both, may die between any two steps. Each has an entry of pending[] of its own. The reader, if it finds a sub-buffer
// that is not whole, looks for dead owners: bury_open and settle. Headers are those of a ring without stamps: they say use and entry.
// DEATHS: so often the reader may die behind any of its stores, and another one begins with what it left: the same process, which
// has forgotten all.
//
// Ghosts: `first` says with which record, in the ring's order, a sub-buffer begins; a record is its number in that order. `at`: which
// one has reserved this unit last.
#ifndef U
#define U 3
#endif
#ifndef SIZE
#define SIZE 1
#endif
#ifndef SIZE0  // of a record of writer 0
#define SIZE0 SIZE
#endif
#ifndef SIZE1
#define SIZE1 SIZE
#endif
#ifndef WRITES0
#define WRITES0 2
#endif
#ifndef WRITES1
#define WRITES1 2
#endif
#ifndef START2  // the reader begins when so many records are there, or the writers rest
#define START2 0
#endif
// LATE: it begins when the writers rest
#ifndef START1  // writer 1 begins when so many records are there
#define START1 0
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#define N 2
#ifdef SNAPSHOT
#define THREADS 4
#else
#define THREADS 3
#endif
#ifdef OVERWRITE
#define ENTRIES 21
#else
#define ENTRIES 18
#endif
#ifdef KILL
#define DATA_AT (ENTRIES + 4)
#else
#define DATA_AT ENTRIES
#endif
#define LOCS (DATA_AT + 3 * U)
#ifndef POOL
#define POOL 80
#endif
#define me id
#include "memory.pml"

#define L_W 0
#define L_SLOT(i) (1 + (i))
#define L_RECORDS(p) (3 + (p))   // SubbufImage::sequence: {use, records before it}
#define L_BYTES(p) (6 + (p))     // SubbufImage::records_before: {use, bytes before it}
#define L_CLOSE(p) (9 + (p))
#define L_COMMITS(p) (12 + (p))  // {records, bytes}, never reset
#define MARK(p) (15 + (p))
#define L_LAPPED(p) (18 + (p))   // SubbufImage::lapped_before
#define L_WHERE(i) (ENTRIES + (i))
#define L_LENGTH(i) (ENTRIES + 2 + (i))
#define DATA(u) (DATA_AT + (u))
#define COMMITTING 8
#define BURIED 31  // kDeadHeader
// W = sequence | offset:4. Books = use | total:5. Commits = records | bytes:5.
#define MAKE_W(s, o) ((s) << 4 | (o))
#define OFFSET(w) ((w) & 15)
#define OF(w) ((w) >> 4)
#define PHYS(w) (OFFSET(w) / U)
#define INSIDE(w) (OFFSET(w) % U)
#define MAKE_SLOT(s, t, p) ((s) << 3 | (t) << 2 | (p))
#define SEQUENCE(c) ((c) >> 3)
#define TAKEN(c) ((c) >> 2 & 1)
#define PHYSICAL(c) ((c) & 3)
#define TAG(x) ((x) >> 5)
#define TOTAL(x) ((x) & 31)

#ifdef WEAK_COMMIT
#define COMMIT RLX
#else
#define COMMIT REL
#endif
#ifdef WEAK_USE
#define USE RLX
#else
#define USE ACQ
#endif
#ifdef WEAK_RESERVE
#define RESERVE REL
#define RESERVE_LOAD RLX
#elif defined(WEAK_RESERVE_RELEASE)
#define RESERVE ACQ
#define RESERVE_LOAD ACQ
#else
#define RESERVE ACQ_REL
#define RESERVE_LOAD ACQ
#endif
#ifdef WEAK_SWITCH
#define SWITCH ACQ
#else
#define SWITCH ACQ_REL
#endif
#ifdef WEAK_SWITCH_A
#define SWITCH_A RLX
#define SWITCH_A_CAS REL
#else
#define SWITCH_A ACQ
#define SWITCH_A_CAS ACQ_REL
#endif
#ifdef WEAK_BOOKS_LATER
#define TOO_LATE (y == s + 1)
#else
#define TOO_LATE (y >= s + 1)
#endif

#ifdef WEAK_WHERE
#define WHERE RLX
#else
#define WHERE ACQ
#endif
#ifdef WEAK_COPY_WHOLE
#define SNAPSHOT_WHOLE || true
#else
#define SNAPSHOT_WHOLE
#endif
#ifdef WEAK_BURY
#define BURY RLX
#else
#define BURY REL
#endif
#ifdef WEAK_RAISE
#define RAISE_ANYWAY true
#else
#define RAISE_ANYWAY false
#endif
#ifdef WEAK_LAPPED
#define LAPPED RLX
#else
#define LAPPED ACQ
#endif
#ifdef WEAK_LAPPED_RAISE
#define LAPPED_ANYWAY true
#else
#define LAPPED_ANYWAY false
#endif

byte dead, rests, written, tried, lost_full, lost_busy, counted, moved;
byte first[10], at[3 * U];
// Of record v: bit v. gone: its sub-buffer was claimed unread. of_1: by writer 1. maybe: a reader died with it in hand.
short got, gone, cut, maybe, two_units, of_1;
bool read_all;
byte deaths = DEATHS;
// ReaderLine, LossLine's dead writers, and what a reader writes into entries: nobody but readers, one after the other, look at these,
// and that one is dead the next is told by the kernel.
byte line_next, line_consumed, line_taken, line_over, in_hand, in_hand_use, buried;
#ifdef KILL
byte burier;  // entries that are kBurier's, a bit each
byte grave_count[2], grave_sequence[2], grave_done[2], grave[2];  // Pending::reserved; ghost: which record
#define BEGUN 0
#define COUNTED 1
#ifdef WEAK_MARKED
#define MARKED 0
#else
#define MARKED 2
#endif
#endif

inline get(l, o, to) { atomic { load(l, o); to = r; r = 0 } }
inline compare_exchange(l, o, old, new) {
  d_step { cas(l, o, old, new); x = r; r = 0; moved = moved | (x -> 3 : 1 << id) }  // if it failed, somebody did
}
// raise_to(): by maximum, or, in a twin, `anyway`.
inline raise(l, to, anyway) {
  atomic {
    load(l, RLX);
    if
    :: r >= to && !anyway -> skip
    :: else ->
      d_step {
        newest(l);
        if
        :: r < to || anyway -> x = r; cas(l, REL, x, to); x = 0
        :: else -> cas(l, RLX, -1, 0)
        fi
      }
    fi;
    r = 0
  }
}
inline lapping(s) {
  x = first[s];
  do
  :: x < first[(s) + 1] -> gone = gone | 1 << x; x++
  :: else -> break
  od;
  x = 0
}
// shared_use(): `tag` 0 if the books are being opened.
inline shared_use(p) {
  get(L_RECORDS(p), USE, x);
  get(L_BYTES(p), USE, y);
  get(L_COMMITS(p), USE, z);
  atomic {
    tag = (TAG(x) == TAG(y) -> TAG(y) : 0);
    bytes = TOTAL(z) - TOTAL(y);
    records = TAG(z) - TOTAL(x);
    x = 0; y = 0; z = 0
  }
}
// `total` 0: of records; 1: of bytes.
inline open_books(base, total) {
  get(base, ACQ, x);
  y = TAG(x);
  if
  :: TOO_LATE -> skip
  :: else ->
    get(L_COMMITS(PHYSICAL(c)), ACQ, z);
    d_step {
      z = (total -> TOTAL(z) : TAG(z));
#ifdef WEAK_BOOKS_STORE
      store(base, ACQ_REL, (s + 1) << 5 | z)
#else
      cas(base, ACQ_REL, x, (s + 1) << 5 | z); r = 0
#endif
    }
  fi;
  atomic { x = 0; y = 0; z = 0 }
}

proctype Writer(byte id; byte left) provided (!(dead >> (_pid - 1) & 1)) {
  short w, c, s, x, y, z;
  byte tag, bytes, records, v;
#define SIZE_OF (id -> SIZE1 : SIZE0)
  id == 0 || written >= START1;
  do
  :: left == 0 -> break
  :: left > 0 ->
    atomic { left--; tried++; moved = moved | 1 << id }
again:
    atomic {
      c = 0; s = 0; x = 0; y = 0; z = 0; tag = 0; bytes = 0; records = 0; v = 0;
      assert(moved >> id & 1); moved = moved & ~(1 << id);
      get(L_W, RESERVE_LOAD, w)
    }
    if
    :: INSIDE(w) + SIZE_OF < U -> goto put
    :: else
    fi;
    s = OF(w);
    get(L_SLOT((s + 1) % N), SWITCH_A, c);
    if
    :: SEQUENCE(c) == s + 1
    :: SEQUENCE(c) != s + 1 && SEQUENCE(c) + N != s + 1 -> goto stale
    :: SEQUENCE(c) + N == s + 1 ->
      if
      :: !TAKEN(c) ->
#ifdef OVERWRITE
        get(L_CLOSE(PHYSICAL(c)), ACQ, v);
        atomic {
          shared_use(PHYSICAL(c));
          if
#ifndef WEAK_WHOLE_LAPPED
          :: OF(v) != SEQUENCE(c) || tag != SEQUENCE(c) || bytes != INSIDE(v) -> v = 0; lost_busy++; goto next
#endif
          :: else
          fi
        };
        v = 0;
#else
        atomic { lost_full++; goto next }
#endif
      :: else
      fi;
#ifdef WEAK_COUNT_AT_CLAIM
      shared_use(PHYSICAL(c));
#endif
      d_step {
        compare_exchange(L_SLOT((s + 1) % N), SWITCH_A_CAS, c, MAKE_SLOT(s + 1, 0, PHYSICAL(c)));
        if
        :: x && !TAKEN(c) -> lapping(SEQUENCE(c)); x = 1
        :: else
        fi
      }
      if
      :: !x -> goto again
      :: else
      fi;
#ifdef WEAK_COUNT_AT_CLAIM
      d_step {
        if
        :: !TAKEN(c) -> counted = counted + records
        :: else
        fi
      }
#endif
      atomic { c = MAKE_SLOT(s + 1, 0, PHYSICAL(c)); x = 0; tag = 0; bytes = 0; records = 0 }
    fi;
#ifdef WEAK_FENCE_OF_EACH
    d_step { fence(REL) }
#endif
#if defined(OVERWRITE) && !defined(WEAK_COUNT_AT_CLAIM)
    // lapped_up_to
    get(L_LAPPED(PHYS(w)), LAPPED, v);
    shared_use(PHYSICAL(c));
    atomic { v = v + (tag + N == s + 1 -> records : 0); tag = 0; bytes = 0; records = 0 }
#ifndef WEAK_LOOK_AGAIN
    get(L_W, ACQ, x);
    if
    :: x != w -> goto stale
    :: else -> x = 0
    fi;
#endif
#ifdef WEAK_COUNT_LATER
    open_books(L_RECORDS(PHYSICAL(c)), 0);
    open_books(L_BYTES(PHYSICAL(c)), 1);
#endif
    raise(L_LAPPED(PHYSICAL(c)), v, LAPPED_ANYWAY);
    d_step {
      if
      :: counted < v || LAPPED_ANYWAY -> counted = v
      :: else
      fi;
      v = 0
    }
#endif
    open_books(L_RECORDS(PHYSICAL(c)), 0);
    open_books(L_BYTES(PHYSICAL(c)), 1);
    raise(L_CLOSE(PHYS(w)), w, RAISE_ANYWAY);
    d_step {
      cas(L_W, SWITCH, w, MAKE_W(s + 1, PHYSICAL(c) * U));
      if
      :: r -> first[s + 1] = written + 1; moved = 3; r = 0
      :: else -> moved = moved | 1 << id
      fi
    }
    goto again;
stale:  // W has moved since: it was an old message
    atomic { moved = moved | 1 << id; goto again }

put:
#ifdef KILL
    d_step { store(L_LENGTH(id), RLX, 0) }
    d_step { store(L_WHERE(id), REL, w) }
    d_step { store(L_LENGTH(id), REL, SIZE_OF) }  // ord(pending:B)
#endif
    d_step {
      cas(L_W, RESERVE, w, w + SIZE_OF);
      if
      :: r ->
        moved = 3; written++; v = written; at[OFFSET(w)] = v;
        two_units = two_units | (SIZE_OF - 1) << v; of_1 = of_1 | id << v
      :: else -> moved = moved | 1 << id
      fi;
      r = 0
    }
    if
    :: v == 0 -> goto again
    :: else
    fi;
#if !defined(WEAK_SWITCH_B) && !defined(WEAK_FENCE_OF_EACH)
    d_step { fence(REL) }  // ord(switch:B)
#endif
    d_step { write_plain(DATA(OFFSET(w)), v, MARK(PHYS(w))) }
#if SIZE0 == 2 || SIZE1 == 2
    if
    :: SIZE_OF == 2 -> d_step { write_plain(DATA(OFFSET(w) + 1), v, MARK(PHYS(w))) }
    :: else
    fi;
#endif
#if defined(KILL) && !defined(WEAK_COMMITTING)
    d_step { store(L_LENGTH(id), REL, SIZE_OF + COMMITTING) }  // ord(commit:A)
#endif
    d_step { fetch_add(L_COMMITS(PHYS(w)), COMMIT, 32 + SIZE_OF); r = 0; v = 0 }
next:
#ifdef KILL
#ifndef WEAK_FREE
    d_step { fence(REL) }  // ord(pending:free)
#endif
    d_step { store(L_LENGTH(id), RLX, 0) }
#endif
    atomic { w = 0; c = 0; s = 0; x = 0; y = 0; z = 0; tag = 0; bytes = 0; records = 0; v = 0 }
  od;
  rests = rests | 1 << id
}

#ifdef KILL
#define IS_MINE(v) ((mine & 1) && grave[0] == (v) || (mine & 2) && grave[1] == (v))
#else
#define IS_MINE(v) false
#endif
// Units `consumed` to `end`, which begin with record `v`. What was buried is left out.
inline unit() {
#ifdef OVERWRITE
  if
  :: is_copy -> r = copy[i]
  :: else -> read_plain(DATA(p * U + i))
  fi;
#else
  read_plain(DATA(p * U + i));
#endif
  i++
}
inline look_at() {
  i = consumed; v = first[next] + taken;
  do
  :: i < end ->
    if
    :: IS_MINE(v) -> i = i + 1 + (two_units >> v & 1)
    :: else ->
      unit();
      assert(r == v);
      if
      :: two_units >> v & 1 -> assert(i < end); unit(); assert(r == v)
      :: else
      fi;
      assert(!(got >> v & 1)); got = got | 1 << v; out = out | 1 << v
    fi;
    v++
  :: else -> break
  od;
  assert(i == end && v == first[next] + records);  // what the ring's books say
  consumed = end; taken = records; i = 0; v = 0; r = 0
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
// Of a shared ring, the writer that lapped counted all its records: those that we had delivered, and what we buried there, included.
inline skip_lapped(to) {
  over = over + taken;
#ifdef KILL
  i = 0;
  do
  :: i < 2 ->
    newest(L_WHERE(i));
    if
    :: (mine >> i & 1) && grave_sequence[i] < (to) && (grave_sequence[i] > next || grave_sequence[i] == next && INSIDE(r) >= consumed) -> over++
    :: else
    fi;
    i++
  :: else -> break
  od;
  i = 0; r = 0;
#endif
  next = to; consumed = 0; taken = 0
}
inline free_entry(i) {
  d_step { fence(REL) }  // ord(pending:free)
  atomic { store(L_LENGTH(i), REL, 0); burier = burier & ~(1 << i); may_die() }
}
// give_back(), behind the slot. The ring has two copies of the books, and one store says which counts.
inline give_back_books() {
#if DEATHS > 0
  d_step { line_consumed = consumed; line_taken = taken; line_over = over; line_next = next; out = 0 }
#endif
  atomic { out = 0; may_die() }
#ifdef KILL
  forget_dead()
#endif
}
#ifdef KILL
// Entries of records that no reader will meet.
inline forget_dead() {
  i = 0;
  do
  :: i < 2 ->
    if
    :: (mine >> i & 1) && grave_sequence[i] < next -> mine = mine & ~(1 << i); free_entry(i)
    :: else
    fi;
    i++
  :: else -> break
  od;
  i = 0
}
inline mark_and_count(i) {
  d_step { newest(L_WHERE(i)); x = r; r = 0; write_plain(DATA(OFFSET(x)), BURIED, MARK(PHYS(x))); x = 0 }
  atomic { buried = (buried > grave_count[i] -> buried : grave_count[i]); may_die() }
  atomic { grave_done[i] = MARKED; may_die() }
}
#endif

#ifdef KILL
// books_of(where): w, c: end; p; tag, bytes, records. `x`: is it this use?
inline books_of(where) {
  p = PHYS(where);
  get(L_W, ACQ, w);
  get(L_CLOSE(p), ACQ, c);
  shared_use(p);
  atomic {
    c = (OF(w) == OF(where) -> w : c);
    x = tag == OF(where) && OF(c) == OF(where);
    w = 0
  }
}
// Entry of `who`: does its record end where W stands?
#define FITS(i) (INSIDE(place[i]) + length[i] == INSIDE(c))

// x: 0 unknown, 1 none, 2 reserved
inline bury_open() {
  books_of(place[who]);
  atomic {
    if
    :: !x || INSIDE(place[who]) + length[who] > INSIDE(c) -> x = 1
#ifndef WEAK_TWICE
    :: else -> x = (mine >> (1 - who) & 1) && grave_sequence[1 - who] == OF(place[who]) && place[1 - who] == place[who]
#else
    :: else -> x = 0
#endif
    fi
  }
  if
  :: x -> skip
  :: else ->
    get(L_LENGTH(1 - who), ACQ, y);
    y = (burier >> (1 - who) & 1 -> 0 : y);
    if
    :: y != 0 -> get(L_WHERE(1 - who), WHERE, z)
    :: else
    fi;
    // y: 0 no rival, 1 one that lives, 2 one that is dead
    atomic {
      y = (y != 0 && z == place[who] -> (sus >> (1 - who) & 1 -> 2 : 1) : 0); z = 0;
#ifdef WEAK_LIVES
      y = (y == 1 -> 0 : y);
#endif
      get(DATA(OFFSET(place[who])), RLX, v2);
      if
#ifndef WEAK_HEADER
      :: v2 != BURIED && v2 >= first[OF(place[who])] && (of_1 >> v2 & 1) == who -> x = 2
      :: v2 != BURIED && v2 >= first[OF(place[who])] && (of_1 >> v2 & 1) != who -> x = 1
#endif
      :: else ->
        x = (y == 1 -> 0 : 2);
#ifndef WEAK_FITS
        if
        :: y == 2 && !FITS(who) -> x = (FITS(1 - who) -> 1 : 0)
        :: else
        fi
#endif
      fi;
      v2 = 0; y = 0
    }
  fi;
  if
  :: x == 2 ->
    atomic { grave_count[who] = buried + 1; grave_sequence[who] = OF(place[who]); grave_done[who] = BEGUN; x = 0; may_die() }
    atomic {
      grave[who] = at[OFFSET(place[who])];
      assert(!(cut >> grave[who] & 1));
      cut = cut | 1 << grave[who]; mine = mine | 1 << who; burier = burier | 1 << who; sus = sus & ~(1 << who);
      may_die()
    }
    mark_and_count(who);
    atomic { fetch_add(L_COMMITS(PHYS(place[who])), BURY, 32 + length[who]); r = 0; may_die() }
    atomic { grave_done[who] = COUNTED; may_die() }
  :: x == 1 -> sus = sus & ~(1 << who); free_entry(who)
  :: x == 0 -> skip
  fi
}
// All of one use.
#define SAME_USE(a, b) (OF(a) == OF(b))
#define IS_HALF(i) (half >> (i) & 1)
#define BOTH (half == 3 && SAME_USE(place[0], place[1]))
inline settle() {
  books_of(place[who]);
  y = 0;
  if
  :: x ->
    // is_in_use: y
    if
    :: BOTH -> skip
    :: else ->
      get(L_LENGTH(1 - who), ACQ, y);
      if
      :: y != 0 && !((burier >> (1 - who) & 1) && grave_done[1 - who] == COUNTED) -> get(L_WHERE(1 - who), WHERE, z); atomic { y = SAME_USE(z, place[who]); z = 0 }
      :: else -> y = 0
      fi
    fi;
#ifdef WEAK_IN_USE
    y = 0;
#endif
    if
    :: !y ->
      atomic { length[who] = length[who] | bytes << 4; v2 = c; bytes = 0 }
      books_of(place[who]);
      atomic {
#ifndef WEAK_BOOKS_AGAIN
        y = !x || c != v2 || bytes != length[who] >> 4;
#endif
        v2 = INSIDE(v2) - (length[who] >> 4); length[who] = length[who] & 15
      }
    :: else
    fi
  :: else -> v2 = 0
  fi;
  if
  :: !y ->
    if
#ifndef WEAK_SETTLE
    :: v2 > 0 ->
#else
    :: true -> v2 = length[who] & 7;
#endif
      // how_many: of these lengths
      atomic {
        v = 1;
        if
        :: v2 == (length[who] & 7) -> skip
        :: v2 != (length[who] & 7) && BOTH && v2 == (length[0] & 7) + (length[1] & 7) -> v = 2
        :: else
        fi;
        fetch_add(L_COMMITS(PHYS(place[who])), BURY, (v << 5) + v2); r = 0; v = 0; v2 = 0;
        may_die()
      }
    :: else
    fi;
    if
    :: BOTH -> end_half(1 - who)
    :: else
    fi;
    end_half(who)
  :: else
  fi;
  v2 = 0
}
inline end_half(i) {
  if
  :: burier >> (i) & 1 -> atomic { grave_done[i] = COUNTED; half = half & ~(1 << (i)); may_die() }
  :: else -> atomic { half = half & ~(1 << (i)); sus = sus & ~(1 << (i)) }; free_entry(i)
  fi
}
#endif

proctype Reader(byte id) {
  short w, c, x, y, z, next, out;
#ifdef OVERWRITE
  short copy[U];
  bool is_copy;
#endif
  byte tag, bytes, records, p, i, v, end, consumed, taken, over, spare;
  bool last;
#ifdef KILL
  byte mine, sus, half, who, length[2];  // entries, a bit each
  short place[2], v2;
  bool stuck;
#endif
#ifdef LATE
  (rests | dead) == 3;
#else
  written >= START2 || (rests | dead) == 3;
#endif
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
      over = line_over;
      if
      :: line_next == next -> consumed = line_consumed; taken = line_taken
      :: else
      fi
    :: else
    fi;
    c = 0; x = 0
  }
#if defined(OVERWRITE) && DEATHS > 0
  // count_in_hand
  shared_use(spare);
  atomic {
    if
#ifdef WEAK_IN_HAND
    :: true -> skip
#endif
    :: tag >= line_next ->
      records = records - (tag != line_next -> 0 : (records < line_taken -> records : line_taken));
      if
      :: in_hand_use == tag -> skip
      :: else -> in_hand = in_hand + records; in_hand_use = tag
      fi;
      over = over + (tag != line_next -> line_taken : 0);
      line_consumed = 0; line_taken = 0; line_over = over; line_next = next
    :: else -> over = over + (line_next != next -> line_taken : 0)
    fi;
    tag = 0; bytes = 0; records = 0;
    may_die()
  }
#endif
#if defined(KILL) && DEATHS > 0
  // adopt_dead
  do
  :: who < 2 ->
    if
    :: (burier >> who & 1) && grave_sequence[who] < next -> free_entry(who)
#ifndef WEAK_ADOPT
    :: (burier >> who & 1) && grave_sequence[who] >= next ->
      mine = mine | 1 << who;
      if
      :: grave_done[who] == BEGUN -> mark_and_count(who)
      :: else
      fi
#endif
    :: else
    fi;
    who++
  :: else -> break
  od;
  who = 0;
#endif
poll:
  atomic {
    w = 0; c = 0; x = 0; y = 0; z = 0; tag = 0; bytes = 0; records = 0; p = 0; end = 0;
    if
    :: (rests | dead) == 3 && !last -> last = 1; hand_over(0, 2); hand_over(1, 2)
    :: else
    fi
  }
  atomic {
    get(L_W, ACQ, w);
    if
#ifdef OVERWRITE
    :: next + N <= OF(w) -> d_step { skip_lapped(OF(w) - N + 1) }
#else
    :: next + N <= OF(w) -> assert(false)
#endif
    :: else
    fi
  };
  if
  :: next == OF(w) -> goto current
  :: next > OF(w) -> assert(!last); goto poll
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
  get(L_CLOSE(p), ACQ, w);
  shared_use(p);
  if
#ifndef WEAK_WHOLE
  :: tag != next || bytes != INSIDE(w) ->
    goto waiting
#endif
  :: else
  fi;
#ifdef OVERWRITE
  atomic {
    d_step {
      cas(L_SLOT(next % N), ACQ_REL, c, MAKE_SLOT(next, 1, spare)); x = r; r = 0; moved = 3;
#if DEATHS > 0
      if
      :: x ->
        v = first[next] + taken;
        do
        :: v < first[next + 1] -> out = out | 1 << v; v++
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
  shared_use(p);
  atomic {
    d_step { end = INSIDE(w); look_at(); mark(MARK(p)) }
    may_die()
  }
#ifdef OVERWRITE
  d_step { spare = p; next++; consumed = 0; taken = 0 }
#else
  atomic { cas(L_SLOT(next % N), REL, c, MAKE_SLOT(next, 1, p)); assert(r); r = 0; moved = 3; next++; consumed = 0; taken = 0; may_die() }
#endif
  give_back_books();
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
    :: OF(w) != next -> goto poll
    :: else
    fi
  };
  end = INSIDE(w);
  if
  :: end == consumed -> goto nothing
  :: else
  fi;
  atomic {
    shared_use(p);
    if
    :: tag != next || bytes != end -> goto waiting
    :: else
    fi
  };
  shared_use(p);
  atomic {
    get(L_W, RLX, x);
    if
    :: x != w -> goto poll
    :: else
    fi
  };
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
  get(L_SLOT(next % N), RLX, c);
  if
  :: SEQUENCE(c) != next || PHYSICAL(c) != p -> skip
  :: else -> d_step { is_copy = 1; look_at(); is_copy = 0 }
  fi;
  atomic {
    i = 0; do :: i < U -> copy[i] = 0; i++ :: else -> break od; i = 0;
    may_die();
    if
    :: consumed != end -> goto poll
    :: else
    fi
  }
#else
  atomic { d_step { look_at() } may_die() }
#endif
  give_back_books();
  goto poll;

#if DEATHS > 0
died:  // all that it knew, but for what its CPU has seen, is gone
  skip;
  d_step {
    maybe = maybe | out; got = got & ~out; out = 0;
    w = 0; c = 0; x = 0; y = 0; z = 0; next = 0; tag = 0; bytes = 0; records = 0; p = 0; i = 0; v = 0; end = 0; consumed = 0; taken = 0; over = 0;
    spare = 0; r = 0;
#ifdef OVERWRITE
    is_copy = 0;
    do :: i < U -> copy[i] = 0; i++ :: else -> break od;
    i = 0;
#endif
#ifdef KILL
    mine = 0; sus = 0; half = 0; who = 0; length[0] = 0; length[1] = 0; place[0] = 0; place[1] = 0; v2 = 0; stuck = 0
#endif
  }
  goto start;
#endif

waiting:
#ifndef KILL
  atomic { assert(!last); goto poll }
#else
  // find_dead
  atomic {
    w = 0; c = 0; x = 0; y = 0; z = 0; tag = 0; bytes = 0; records = 0; p = 0; end = 0;
    assert(!last || !stuck);
    if
    :: dead == 0 -> assert(!last); goto poll
    :: else
    fi;
    sus = dead; who = 0; stuck = last;
    d_step {
      do
      :: who < 2 ->
        if
        :: sus >> who & 1 ->
          hand_over(who, 2);  // its end is seen by way of the kernel
          newest(L_LENGTH(who)); length[who] = r; newest(L_WHERE(who)); place[who] = r; r = 0;
          if
          :: length[who] == 0 || burier >> who & 1 -> sus = sus & ~(1 << who)
          :: else
          fi
        :: else
        fi;
        who++
      :: else -> break
      od;
      who = 0
    }
  }
  do
  :: who < 2 ->
    if
    :: (sus >> who & 1) && !(length[who] & COMMITTING) ->
      bury_open()
    :: else
    fi;
    atomic { w = 0; c = 0; x = 0; y = 0; z = 0; tag = 0; bytes = 0; records = 0; p = 0; end = 0; v = 0; who++ }
  :: else -> break
  od;
  who = 0;
  d_step {
    do
    :: who < 2 ->
      half = half | ((sus >> who & 1) && (length[who] & COMMITTING) || (mine >> who & 1) && grave_done[who] != COUNTED -> 1 << who : 0); who++
    :: else -> break
    od;
    who = 0
  }
  do
  :: who < 2 ->
    if
    :: IS_HALF(who) -> settle()
    :: else
    fi;
    atomic { w = 0; c = 0; x = 0; y = 0; z = 0; tag = 0; bytes = 0; records = 0; p = 0; end = 0; v = 0; who++ }
  :: else -> break
  od;
  atomic { sus = 0; half = 0; who = 0; length[0] = 0; length[1] = 0; place[0] = 0; place[1] = 0 }
  forget_dead();
  goto poll;
#endif

nothing:
  if
  :: !last -> goto poll
  :: else
  fi;
  d_step {
#ifdef OVERWRITE
    // Look::counted: what a claim shows that nobody has counted
    newest(L_W); w = r; newest(L_SLOT((OF(w) + 1) % N)); c = r;
    if
    :: SEQUENCE(c) == OF(w) + 1 ->
      newest(L_LAPPED(PHYS(w))); v = r;
      newest(L_BYTES(PHYSICAL(c))); tag = TAG(r);
      newest(L_RECORDS(PHYSICAL(c))); y = TOTAL(r); x = TAG(r);
      newest(L_COMMITS(PHYSICAL(c)));
      if
      :: x == tag && tag + N == SEQUENCE(c) -> v = v + TAG(r) - y
      :: else
      fi;
      if
      :: counted < v -> counted = v
      :: else
      fi
    :: else
    fi;
#endif
    // x: what was given back, as the books say; y: what surely was; z: what may have been as well.
    x = written - counted - in_hand + over - buried; y = 0; z = 0; v = 1;
    do
    :: v <= written ->
      assert((got | gone | cut | maybe) >> v & 1);
      assert(!((got & cut) >> v & 1) && (!(cut >> v & 1) || dead >> (of_1 >> v & 1) & 1));
      y = y + (got >> v & 1);
#if defined(KNOWN_BURIED_TWICE) && DEATHS > 0
      // What was buried and then lapped while nobody knew of it, or was in a dead one's hand, is counted by both causes.
      z = z + ((maybe & ~got & ~cut) >> v & 1);
      if
      :: deaths < DEATHS && ((cut & (gone | maybe)) >> v & 1) -> x++; z++
      :: else
      fi;
#else
      z = z + ((maybe & ~got & ~cut) >> v & 1);
#endif
      v++
    :: else -> break
    od;
#ifdef OVERWRITE
    z = 0;  // in overwrite, all that was in hand counts as lost
#endif
    assert(y <= x && x <= y + z);
    assert(buried <= (dead & 1) + (dead >> 1));
    y = written + lost_full + lost_busy;
    assert(y == tried || dead && y + 1 == tried || dead == 3 && y + 2 == tried);
    read_all = 1
  }
}

#ifdef SNAPSHOT
// Takes nothing: looks once at each sub-buffer.
#ifndef START3  // it begins when so many records are there
#define START3 0
#endif
bool snapshot_done;
proctype Snapshot(byte id) {
  short w, c, x, y, z, copy[U];
  byte s, t, p, i, v, end, tag, bytes, records;
  bool is_current, whole;
  written >= START3 || (rests | dead) == 3;
  atomic { get(L_W, ACQ, w); s = OF(w); w = 0; t = s - N + 1 }
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
      is_current = t == s && OF(w) == t && PHYS(w) == p;
      // examine
      if
      :: is_current -> skip
      :: else -> get(L_CLOSE(p), ACQ, w)
      fi;
      shared_use(p);
      atomic { whole = PHYS(w) == p && (tag == t && bytes == INSIDE(w) SNAPSHOT_WHOLE); tag = 0; bytes = 0; records = 0 }
      if
      :: whole ->
        shared_use(p);
        if
        :: is_current -> atomic { get(L_W, ACQ, x); whole = x == w; x = 0 }
        :: else
        fi
      :: else
      fi;
      if
      :: whole ->
        end = INSIDE(w);
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
        whole = whole && y == c;
        y = 0; i = 0; v = first[t]
      }
      d_step {
        if
        :: whole ->
          do
          :: i < end ->
            if
            :: copy[i] == BURIED -> assert(cut >> v & 1); i = i + 1 + (two_units >> v & 1)
            :: else ->
              assert(copy[i] == v); i++;
              if
              :: two_units >> v & 1 -> assert(i < end && copy[i] == v); i++
              :: else
              fi
            fi;
            v++
          :: else -> break
          od;
          assert(i == end && v == first[t] + records)
        :: else
        fi;
        i = 0; do :: i < U -> copy[i] = 0; i++ :: else -> break od
      }
    fi;
    atomic { w = 0; c = 0; x = 0; p = 0; i = 0; v = 0; end = 0; tag = 0; bytes = 0; records = 0; is_current = 0; whole = 0; t++ }
  od;
  atomic { t = 0; s = 0; snapshot_done = 1 }
}
#endif

// Nobody waits for anybody.
proctype Watch() {
#ifdef SNAPSHOT
  timeout -> assert((rests | dead) == 3 && read_all && snapshot_done || written < START1)
#else
  timeout -> assert((rests | dead) == 3 && read_all || written < START1)
#endif
}

#ifdef KILL
#ifndef VICTIMS  // who may die, a bit each
#define VICTIMS 3
#endif
proctype Killer() {
  do
  :: (VICTIMS & 1) && !(dead & 1) -> dead = dead | 1
  :: (VICTIMS & 2) && !(dead & 2) -> dead = dead | 2
  :: break
  od
}
#endif

init {
  atomic {
    begin_memory();
#ifdef LATE
    sleeps(2);
#endif
    d_step {
      initially(L_W, MAKE_W(N, 0));
      initially(L_SLOT(0), MAKE_SLOT(N, 0, 0));
      initially(L_SLOT(1), MAKE_SLOT(1, 1, 1));
      initially(L_RECORDS(0), N << 5);
      initially(L_BYTES(0), N << 5);
      first[N] = 1
    }
    run Writer(0, WRITES0); run Writer(1, WRITES1); run Reader(2); run Watch();
#ifdef SNAPSHOT
    run Snapshot(3);
#endif
#ifdef KILL
    run Killer()
#endif
  }
}
