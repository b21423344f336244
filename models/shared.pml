// shared.pml -- one shared ring: any number of writers, each on a CPU of its own, by compare-exchange on W. From
// src/ring/writer_shared.cpp, reader.cpp. Commits are running totals; the totals at which a use began stand in its books,
// tagged with the use.
//
// Ghosts: `first` says with which record, in the ring's order, a sub-buffer begins; a record is its number in that order.
#ifndef U
#define U 3
#endif
#ifndef SIZE
#define SIZE 1
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
#ifndef START1  // writer 1 begins when so many records are there
#define START1 0
#endif
#define N 2
#define THREADS 3
#define LOCS (18 + 3 * U)
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
#define DATA(u) (18 + (u))
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
#define RESERVE RLX
#define RESERVE_LOAD RLX
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

byte rests, written, tried, lost_full, lost_busy, counted, delivered, overcounted, moved;
byte first[10];
short got, gone;
bool read_all;

inline get(l, o, to) { atomic { load(l, o); to = r; r = 0 } }
inline compare_exchange(l, o, old, new) {
  d_step { cas(l, o, old, new); x = r; r = 0; moved = moved | (x -> 3 : 1 << id) }  // if it failed, somebody did
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

proctype Writer(byte id; byte left) {
  short w, c, s, x, y, z;
  byte tag, bytes, records, v;
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
    :: INSIDE(w) + SIZE < U -> goto put
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
      shared_use(PHYSICAL(c));
      atomic {
        compare_exchange(L_SLOT((s + 1) % N), SWITCH_A_CAS, c, MAKE_SLOT(s + 1, 0, PHYSICAL(c)));
        if
        :: !x -> goto again
        :: else
        fi
      };
      d_step {
        if
        :: !TAKEN(c) -> counted = counted + records; gone = gone | 1 << SEQUENCE(c)
        :: else
        fi;
        c = MAKE_SLOT(s + 1, 0, PHYSICAL(c)); x = 0
      }
    fi;
#ifdef WEAK_FENCE_OF_EACH
    d_step { fence(REL) }
#endif
    open_books(L_RECORDS(PHYSICAL(c)), 0);
    open_books(L_BYTES(PHYSICAL(c)), 1);
    d_step {  // raise_to(), its last round: it has read the newest word, stored by it or by somebody else
      cas(L_CLOSE(PHYS(w)), RLX, -1, 0); newest(L_CLOSE(PHYS(w)));
      if
      :: r < w -> x = r; cas(L_CLOSE(PHYS(w)), RLX, x, w); x = 0
      :: else
      fi;
      r = 0
    }
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
    atomic {
      cas(L_W, RESERVE, w, w + SIZE);
      if
      :: r -> r = 0; moved = 3; written++; v = written
      :: else -> moved = moved | 1 << id; goto again
      fi
    }
#if !defined(WEAK_SWITCH_B) && !defined(WEAK_FENCE_OF_EACH)
    d_step { fence(REL) }  // ord(switch:B)
#endif
    d_step { write_plain(DATA(OFFSET(w)), v, MARK(PHYS(w))) }
#if SIZE == 2
    d_step { write_plain(DATA(OFFSET(w) + 1), v, MARK(PHYS(w))) }
#endif
    d_step { fetch_add(L_COMMITS(PHYS(w)), COMMIT, 32 + SIZE); r = 0; v = 0 }
next:
    atomic { w = 0; c = 0; s = 0; x = 0; y = 0; z = 0; tag = 0; bytes = 0; records = 0; v = 0 }
  od;
  rests = rests | 1 << id
}

// Units `consumed` to `end`, which begin with record `v`.
inline look_at(how) {
  i = consumed; v = first[next] + taken;
  do
  :: i < end ->
    if
    :: how == 0 -> read_plain(DATA(p * U + i))
#ifdef OVERWRITE
    :: how == 1 -> r = copy[i]
#endif
    fi;
    assert(r == v);
    i++;
    if
    :: i % SIZE == 0 -> assert(!(got >> v & 1)); got = got | 1 << v; v++; delivered++; taken++
    :: else
    fi
  :: else -> break
  od;
  assert(taken == records);  // what the ring's books say
  consumed = end; i = 0; v = 0; r = 0
}

proctype Reader(byte id) {
  short w, c, x, y, z, next = N;
#ifdef OVERWRITE
  short copy[U];
#endif
  byte tag, bytes, records, p, i, v, end, consumed, taken, spare = N;
  bool last;
  written >= START2 || rests == 3;
poll:
  atomic {
    w = 0; c = 0; x = 0; tag = 0; bytes = 0; records = 0; p = 0; end = 0;
    if
    :: rests == 3 && !last -> last = 1; hand_over(0, 2); hand_over(1, 2)
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
    if
    :: last && SEQUENCE(c) == next -> assert(false)
    :: else -> goto poll
    fi
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
    :: tag != next || bytes != end -> assert(!last); goto poll
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

nothing:
  if
  :: !last -> goto poll
  :: else
  fi;
  d_step {
    assert(written + lost_full + lost_busy == tried);
    assert(delivered + counted - overcounted == written);
    read_all = 1
  }
}

// Nobody waits for anybody.
proctype Watch() {
  timeout -> assert(rests == 3 && read_all || written < START1)
}

init {
  atomic {
    c_code { mem_init(&now.mem); };
    d_step {
      initially(L_W, MAKE_W(N, 0));
      initially(L_SLOT(0), MAKE_SLOT(N, 0, 0));
      initially(L_SLOT(1), MAKE_SLOT(1, 1, 1));
      initially(L_RECORDS(0), N << 5);
      initially(L_BYTES(0), N << 5);
      first[N] = 1
    }
    run Writer(0, WRITES0); run Writer(1, WRITES1); run Reader(2); run Watch()
  }
}
