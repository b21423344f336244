// shared.pml -- one shared ring: any number of writers, each on a CPU of its own, by compare-exchange on W. From
// src/ring/writer_shared.cpp, reader.cpp, bury.cpp. Commits are running totals; the totals at which a use began stand in its books,
// tagged with the use. Whoever claims or finds claimed counts what that laps, by maximum.
//
// KILL: any writer, or both, may die between any two steps. Each has an entry of pending[] of its own. The reader, if it finds a sub-buffer
// that is not whole, looks for dead owners: bury_open and settle. Headers are those of a ring without stamps: they say use and entry.
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
#define N 2
#define THREADS 3
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

byte dead, rests, written, tried, lost_full, lost_busy, counted, delivered, overcounted, moved;
byte first[10], at[3 * U];
short got, gone, cut, passed, two_units, of_1;  // of record v: bit v. gone: its sub-buffer was claimed unread. of_1: by writer 1
bool read_all;

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

// Units `consumed` to `end`, which begin with record `v`. What was buried is left out.
inline unit(how) {
  if
  :: how == 0 -> read_plain(DATA(p * U + i))
#ifdef OVERWRITE
  :: how == 1 -> r = copy[i]
#endif
  fi;
  i++
}
inline look_at(how) {
  i = consumed; v = first[next] + taken;
  do
  :: i < end ->
    if
    :: cut >> v & 1 -> i = i + 1 + (two_units >> v & 1); passed = passed | 1 << v
    :: else ->
      unit(how);
      assert(r == v);
      if
      :: two_units >> v & 1 -> assert(i < end); unit(how); assert(r == v)
      :: else
      fi;
      assert(!(got >> v & 1)); got = got | 1 << v; delivered++
    fi;
    v++; taken++
  :: else -> break
  od;
  assert(i == end && taken == records);  // what the ring's books say
  consumed = end; i = 0; v = 0; r = 0
}

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
    :: else -> x = (cut >> at[OFFSET(place[who])] & 1)
#else
    :: else -> x = 0
#endif
    fi
  }
  if
  :: x -> skip
  :: else ->
    get(L_LENGTH(1 - who), ACQ, y);
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
    d_step {
      assert(!(cut >> at[OFFSET(place[who])] & 1));
      cut = cut | 1 << at[OFFSET(place[who])];
      write_plain(DATA(OFFSET(place[who])), BURIED, MARK(p))
    }
    d_step { fetch_add(L_COMMITS(p), BURY, 32 + length[who]); r = 0 }
  :: else
  fi;
  if
  :: x != 0 -> d_step { store(L_LENGTH(who), REL, 0); sus = sus & ~(1 << who) }
  :: else
  fi
}
// All of one use.
#define SAME_USE(a, b) (OF(a) == OF(b))
inline settle() {
  books_of(place[who]);
  y = 0;
  if
  :: x ->
    // is_in_use: y
    if
    :: (sus >> (1 - who) & 1) && (length[1 - who] & COMMITTING) -> skip
    :: else ->
      get(L_LENGTH(1 - who), ACQ, y);
      if
      :: y != 0 -> get(L_WHERE(1 - who), WHERE, z); atomic { y = SAME_USE(z, place[who]); z = 0 }
      :: else
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
        :: v2 != (length[who] & 7) && (sus >> (1 - who) & 1) && (length[1 - who] & COMMITTING) && SAME_USE(place[0], place[1]) && v2 == (length[0] & 7) + (length[1] & 7) -> v = 2
        :: else
        fi;
        fetch_add(L_COMMITS(p), BURY, (v << 5) + v2); r = 0; v = 0
      }
    :: else
    fi;
    atomic {
      if
      :: (sus >> (1 - who) & 1) && (length[1 - who] & COMMITTING) && SAME_USE(place[0], place[1]) ->
        d_step { store(L_LENGTH(1 - who), REL, 0); sus = sus & ~(1 << (1 - who)) }
      :: else
      fi;
      d_step { store(L_LENGTH(who), REL, 0); sus = sus & ~(1 << who) }
    }
  :: else
  fi;
  v2 = 0
}
#endif

proctype Reader(byte id) {
  short w, c, x, y, z, next = N;
#ifdef OVERWRITE
  short copy[U];
#endif
  byte tag, bytes, records, p, i, v, end, consumed, taken, spare = N;
  bool last;
#ifdef KILL
  byte sus, who, length[2];  // suspects, a bit each
  short place[2], v2;
  bool stuck;
#endif
#ifdef LATE
  (rests | dead) == 3;
#else
  written >= START2 || (rests | dead) == 3;
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
    :: next + N <= OF(w) -> overcounted = overcounted + taken; next = OF(w) - N + 1; consumed = 0; taken = 0
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
    atomic { overcounted = overcounted + taken; next++; consumed = 0; taken = 0; goto poll }
#else
    assert(false)
#endif
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
  d_step { cas(L_SLOT(next % N), ACQ_REL, c, MAKE_SLOT(next, 1, spare)); x = r; r = 0; moved = 3 }
  if
  :: !x -> atomic { overcounted = overcounted + taken; next++; consumed = 0; taken = 0; goto poll }
  :: else
  fi;
#endif
  get(L_CLOSE(p), ACQ, w);
  shared_use(p);
  d_step { end = INSIDE(w); look_at(0); mark(MARK(p)) }
#ifdef OVERWRITE
  d_step { spare = p; next++; consumed = 0; taken = 0 }
#else
  d_step { cas(L_SLOT(next % N), REL, c, MAKE_SLOT(next, 1, p)); assert(r); r = 0; moved = 3; next++; consumed = 0; taken = 0 }
#endif
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
  :: else -> d_step { look_at(1) }
  fi;
  atomic { i = 0; do :: i < U -> copy[i] = 0; i++ :: else -> break od; i = 0 }
#else
  d_step { look_at(0) }
#endif
  goto poll;

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
          :: length[who] == 0 -> sus = sus & ~(1 << who)
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
  do
  :: who < 2 ->
    if
    :: (sus >> who & 1) && (length[who] & COMMITTING) -> settle()
    :: else
    fi;
    atomic { w = 0; c = 0; x = 0; y = 0; z = 0; tag = 0; bytes = 0; records = 0; p = 0; end = 0; v = 0; who++ }
  :: else -> break
  od;
  atomic { sus = 0; who = 0; length[0] = 0; length[1] = 0; place[0] = 0; place[1] = 0; goto poll }
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
    // What was buried and then lapped before it was passed is counted twice.
    x = written; y = 0; z = 0; v = 1;
    do
    :: v <= written ->
      assert((got | gone | cut) >> v & 1);
      if
      :: cut >> v & 1 -> z++; assert(!(got >> v & 1) && dead >> (of_1 >> v & 1) & 1); x = x + ((gone & ~passed) >> v & 1)
      :: else
      fi;
      v++
    :: else -> break
    od;
    assert(delivered + counted - overcounted + z == x);
    assert(z <= (dead & 1) + (dead >> 1));
    y = written + lost_full + lost_busy;
    assert(y == tried || dead && y + 1 == tried || dead == 3 && y + 2 == tried);
    read_all = 1
  }
}

// Nobody waits for anybody.
proctype Watch() {
  timeout -> assert((rests | dead) == 3 && read_all || written < START1)
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
#ifdef KILL
    run Killer()
#endif
  }
}
