// percpu.pml -- one per-CPU ring: N sub-buffers and a spare, of U units each; a record is 1 or 2 units. Written from
// docs/ring-protocol.md and src/ring/writer.cpp, reader.cpp; names and labels are the code's.
//
//   Writer   a thread of CPU 0. Threads interleave at any step, which includes a handler that runs to its end while the
//            other stands still. A section is one step; it may be aborted after any of its groups of stores (ABORTS).
//            It may be moved to CPU 1 (MIGRATE) and may be killed (KILL) between any two steps.
//   Reader   discard or OVERWRITE; also the readable part of the current sub-buffer (CURRENT); buries the two-phase records of the dead
//            (TWOPHASE: whose records are written in two phases, a bit for each writer)
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
#ifdef MIGRATE
#define THREADS 3
#else
#define THREADS 2
#endif
#define N 2
#define LOCS (29 + 3 * U)
#ifndef POOL
#ifdef TWOPHASE
#define POOL 100
#else
#define POOL 80
#endif
#endif
#define me hw[id]
#include "memory.pml"

// Locations. Shape: W, slots, images, one entry of pending[], what the readers have looked at, data.
#define L_W 0
#define L_SLOT(i) (1 + (i))
#define L_SEQ(p) (3 + (p))
#define L_BEFORE(p) (6 + (p))
#define L_CLOSE(p) (9 + (p))
#define L_COMMITS(p) (12 + (p))
#define L_STATE 15
#define L_WHERE 16
#define L_LENGTH 17
#define L_STAMP 18
#define MARK(p) (19 + (p))
#define DATA(u) (29 + (u))
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

byte hw[3];                  // the hardware thread of each process: 0 CPU 0, 1 the reader's, 2 CPU 1
byte dead, rests;            // writers, as bits
byte aborts = ABORTS;
byte moved;                  // for each writer, a bit: since its last try, somebody changed W or a slot, or restarted it
// Ghosts: the books that must balance.
byte written, tried, lost_full, lost_busy, elsewhere;
byte delivered, lapped, buried;
bool read_all;
short two_units, cut, got, gone;  // of record v: bit v. gone: its sub-buffer was claimed before it was read

inline get(l, o, to) { atomic { load(l, o); to = r; r = 0 } }

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
      d_step { write_plain(L_CLOSE(PHYS(w)), w, -1) }
      if
      :: aborts > 0 -> aborts--; moved = 3; goto again
      :: skip
      fi;
      d_step {
        write_plain(L_SEQ(PHYSICAL(c)), s + 1, MARK(PHYSICAL(c)));
        write_plain(L_BEFORE(PHYSICAL(c)), y + RECORDS(w), MARK(PHYSICAL(c)));
        write_plain(L_CLOSE(PHYSICAL(c)), 0, MARK(PHYSICAL(c)));
        write_plain(L_COMMITS(PHYSICAL(c)), 0, MARK(PHYSICAL(c)))
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
      atomic {
        get(L_STATE, ACQ, x);
        if
        :: x != 0 -> lost_busy++; goto next
        :: else
        fi
      }
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
          get(L_STATE, RLX, x);
          if
          :: x != 0 WHATEVER_ENTRY -> goto again
          :: else
          fi
        };
        v = written + 1;
        d_step {
          store(L_STAMP, RLX, STAMP(v)); store(L_LENGTH, RLX, 2); store(L_WHERE, RLX, w); store(L_STATE, RLX, id + 1);
        }
        if
        :: aborts > 0 -> aborts--; moved = 3; goto undo
        :: skip
        fi;
        d_step {
          write_plain(DATA(OFFSET(w)), STAMP(v), MARK(PHYS(w)));
          written = v; two_units = two_units | 1 << v;
          moved = 3; store(L_W, COMMIT_B, w + 2 + 16 + 64)
        }
        goto fill
      :: else
      fi;
#endif
      if
      :: aborts > 0 ->
        aborts--; moved = 3;
        d_step { write_plain(DATA(OFFSET(w)), JUNK, MARK(PHYS(w))) }
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
        moved = 3; store(L_W, COMMIT_B, w + size + 16);
      }
      goto next
    }
#ifdef TWOPHASE
undo:  // the entry of an attempt that was aborted is given back
#ifndef WEAK_UNDO
    d_step { store(L_LENGTH, RLX, 0); store(L_STATE, PENDING_FREE, 0) }
#endif
    goto again;
fill:
    d_step { write_plain(DATA(OFFSET(w) + 1), v, MARK(PHYS(w))) }
    d_step { store(L_LENGTH, REL, 2 + COMMITTING) }  // ord(commit:A)
    d_step { fetch_add(L_COMMITS(PHYS(w)), COMMIT_C, 1); r = 0 }
    d_step { store(L_LENGTH, RLX, 0) }
    d_step { store(L_STATE, PENDING_FREE, 0) }
#endif
next:
    atomic { w = 0; c = 0; s = 0; x = 0; y = 0; v = 0; size = 0; phase2 = 0 }
  od;
  rests = rests | 1 << id
}


// Units from `consumed` to `end` of what was read are these records, in this order.
inline in_place() { read_plain(DATA(p * U + i)); r = r & 31 }
inline copied() { r = copy[i] & 31 }
inline check_in_place() {

  i = consumed; v = before + 1;
  do
  :: i < end ->
    if
    :: cut >> v & 1 -> assert(two_units >> v & 1); i = i + 2
    :: else ->
      in_place();
      assert(r == v);
      i++;
      if
      :: two_units >> v & 1 -> assert(i < end); in_place(); assert(r == v); i++
      :: else
      fi;
      assert(!(got >> v & 1)); got = got | 1 << v; delivered++
    fi;
    v++
  :: else -> break
  od;
  assert(i == end && v == before + 1 + RECORDS(w) - counted);
  before = v - 1; counted = RECORDS(w); consumed = end; i = 0; v = 0; r = 0
}
#ifdef OVERWRITE
inline check_copied() {

  i = consumed; v = before + 1;
  do
  :: i < end ->
    if
    :: cut >> v & 1 -> assert(two_units >> v & 1); i = i + 2
    :: else ->
      copied();
      assert(r == v);
      i++;
      if
      :: two_units >> v & 1 -> assert(i < end); copied(); assert(r == v); i++
      :: else
      fi;
      assert(!(got >> v & 1)); got = got | 1 << v; delivered++
    fi;
    v++
  :: else -> break
  od;
  assert(i == end && v == before + 1 + RECORDS(w) - counted);
  before = v - 1; counted = RECORDS(w); consumed = end; i = 0; v = 0; r = 0
}
#endif
inline books(records_before) {
  assert(records_before + counted >= before);
  lapped = lapped + records_before + counted - before;
  before = records_before + counted
}
inline advance() { next++; consumed = 0; counted = 0 }

proctype Reader(byte id) {
  short w, c, x, y, next = N;
#ifdef OVERWRITE
  short copy[U];
#endif
  byte s, p, i, v, end, consumed, counted, before, spare = N;
  bool asked, stuck;
  bool last;  // all writers rest or are dead: what is read now must be everything
  written >= START2 || (rests | dead) == WRITERS;
poll:
  atomic {
    w = 0; c = 0; x = 0; y = 0; s = 0; p = 0; end = 0;
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
  :: dead && (!last || !asked) -> atomic { asked = last; stuck = 0; goto bury }
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
  :: next + N <= s -> atomic { next = s - N; advance() }
#else
  :: next + N <= s -> assert(false)
#endif
  :: else
  fi;
  if
  :: next == s -> goto current
  :: next > s -> assert(false)  // but for a successor, where all was taken
  :: else
  fi;

  // take_closed
  get(L_SLOT(next % N), ACQ, c);
  if
  :: SEQUENCE(c) != next ->
#ifdef OVERWRITE
    atomic { advance(); goto poll }
#else
    assert(false)
#endif
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
  d_step { cas(L_SLOT(next % N), EXCHANGE_B, c, MAKE_SLOT(next, 1, spare)); x = r; r = 0; moved = 3 }
  if
  :: !x -> atomic { advance(); goto poll }
  :: else
  fi;
#endif
  get(L_CLOSE(p), ACQ, w);
  get(L_SEQ(p), RLX, x);
  get(L_BEFORE(p), RLX, y);
  assert(PHYS(w) == p && x == next);
  d_step {
    books(y);
    end = INSIDE(w);
    check_in_place();
    mark(MARK(p))
  }
#ifdef OVERWRITE
  atomic { spare = p; advance() }
#else
  d_step { cas(L_SLOT(next % N), RELEASE_B, c, MAKE_SLOT(next, 1, p)); assert(r); r = 0; moved = 3; advance() }
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
  i = 0;
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
  d_step { books(y); check_copied(); do :: i < U -> copy[i] = 0; i++ :: else -> break od; i = 0 }
#else
  d_step { books(y); check_in_place() }
#endif
  goto poll;

waiting:
  atomic { assert(!last || dead); stuck = last }
#ifdef TWOPHASE
bury:
  get(L_STATE, ACQ, c);
  if
  :: c == 0 || !(dead >> (c - 1) & 1) -> assert(!stuck); goto poll
  :: else -> d_step { hand_over(hw[c - 1], 1) }  // its end is seen by way of the kernel
  fi;
  get(L_LENGTH, ACQ, end);
  get(L_WHERE, RLX, x);
  get(L_STAMP, RLX, v);
  atomic {
    get(L_STATE, ACQ, y);
    if
    :: y != c -> v = 0; goto poll
    :: else
    fi
  };
  p = PHYS(x);
  // books_of
  get(L_W, ACQ, w);
  get(L_CLOSE(p), ACQ, y);
  atomic {
    get(L_SEQ(p), ACQ, s);
    if
    :: LOW(w) == LOW(x) && PHYS(w) == p -> y = w
    :: else
    fi
  };
  if
  :: end == 0 || LOW(x) != (s & SEQMASK) || s < next -> x = 0
  :: else ->
    if
    :: end & COMMITTING -> skip
    :: else -> atomic {  // claim_of
        atomic {
          get(DATA(OFFSET(x)), RLX, w);
          if
          :: INSIDE(x) + 2 > INSIDE(y) || w != v WHATEVER_CLAIM -> x = 0
          :: else
          fi
        }
      }
    fi
  fi;
  if
  :: x != 0 && !(end & COMMITTING) ->  // bury_open
    d_step { cas(L_STATE, ACQ_REL, c, 7); assert(r); r = 0 }
    d_step { cut = cut | 1 << (v & 31); buried++; fetch_add(L_COMMITS(p), REL, 1); r = 0 }
  :: x != 0 && (end & COMMITTING) ->  // settle
    get(L_COMMITS(p), ACQ, x);
    if
    :: OPEN(y) > x SETTLED -> d_step { fetch_add(L_COMMITS(p), REL, 1); r = 0 }
    :: else
    fi
  :: else
  fi;
  v = 0;
  d_step { store(L_LENGTH, RLX, 0) }
  d_step { store(L_STATE, REL, 0) }
  goto poll;
#else
  goto poll;
#endif

nothing:
  if
  :: !last -> goto poll
  :: else
  fi;
  atomic {
    get(L_BEFORE(p), RLX, y);
    d_step {
      books(y);
      assert(delivered + lapped + buried == written);
      v = 1;
      do
      :: v <= written -> assert((got | gone | cut) >> v & 1); v++
      :: else -> break
      od;
      v = 0;
      x = written + lost_full + lost_busy + elsewhere;
      assert(x == tried || (dead && x + 1 == tried))
    }
#ifdef TWOPHASE
    get(L_STATE, RLX, c);
    assert(c == 0 || dead);
#endif
    read_all = 1
  }
}

// All are done, or dead: nobody waits for anybody.
proctype Watch() {
  timeout -> assert((rests | dead) == WRITERS && read_all || written < START1)
}

#ifdef KILL
proctype Killer() {
  atomic {
    if
    :: dead = 1
    :: WRITERS > 1 -> dead = 2
    :: skip  // nobody
    fi
  }
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
      hw[2] = 1
    }
    run Writer(0, WRITES0);
#if WRITES1 > 0
    run Writer(1, WRITES1);
#endif
    run Reader(2);
    run Watch();
#ifdef KILL
    run Killer();
#endif
#ifdef MIGRATE
    run Mover();
#endif
  }
}
