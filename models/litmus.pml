// litmus.pml -- the memory layer against the classic shapes. One shape a run: -DSHAPE_NAME, with -DWANT="..." what the
// run looks for in the end. models/run has the table: each shape with orders that allow it, and with orders that forbid it.
#define LOCS 4
#define THREADS 4
#define POOL 16
#include "memory.pml"
#define X 0
#define Y 1
#define Z 2
#define MARK 3
#ifndef O1  // orders of the shape's accesses, in its own order
#define O1 RLX
#endif
#ifndef O2
#define O2 RLX
#endif
#ifndef F1  // fences: 0 none, else ACQ, REL, ACQ_REL; 4: sequentially consistent
#define F1 0
#endif
#ifndef F2
#define F2 0
#endif
#define a v[0]
#define b v[1]
#define c v[2]
#define d v[3]
byte v[4] = 9;
byte ended;

inline st(l, o, x) { d_step { store(l, o, x) } }
inline ld(l, o, to) { atomic { load(l, o); to = r; r = 0 } }
inline add(l, o, to) { d_step { fetch_add(l, o, 1); to = r; r = 0 } }
inline fe(f) {
  d_step {
    if
    :: f == 4 -> fence_sc()
    :: f != 4 && f != 0 -> fence(f)
    :: f == 0
    fi
  }
}

proctype P(byte me) {
#if defined(SHAPE_MP)  // message passing
  if
  :: me == 0 -> st(X, RLX, 1); fe(F1); st(Y, O1, 1)
  :: me == 1 -> ld(Y, O2, a); fe(F2); ld(X, RLX, b)
  :: else
  fi;
#elif defined(SHAPE_SB)  // store buffering, Dekker
  if
  :: me == 0 -> st(X, O1, 1); fe(F1); ld(Y, O2, a)
  :: me == 1 -> st(Y, O1, 1); fe(F2); ld(X, O2, b)
  :: else
  fi;
#elif defined(SHAPE_LB)  // load buffering: not possible here, nor in any machine that does not guess values
  if
  :: me == 0 -> ld(X, O2, a); st(Y, O1, 1)
  :: me == 1 -> ld(Y, O2, b); st(X, O1, 1)
  :: else
  fi;
#elif defined(SHAPE_CORR)  // coherence: two loads of one location
  if
  :: me == 0 -> st(X, RLX, 1); st(X, RLX, 2)
  :: me == 1 -> ld(X, RLX, a); ld(X, RLX, b)
  :: else
  fi;
#elif defined(SHAPE_CORW)  // what was stored is not unread
  if
  :: me == 0 -> st(X, RLX, 1); ld(X, RLX, a)
  :: me == 1 -> add(X, RLX, b)
  :: else
  fi;
#elif defined(SHAPE_CORR_HB)  // a load that happened before another's bounds it
  if
  :: me == 0 -> st(X, RLX, 1)
  :: me == 1 -> ld(X, RLX, a); st(Y, O1, 1)
  :: me == 2 -> ld(Y, O2, b); ld(X, RLX, c)
  :: else
  fi;
#elif defined(SHAPE_WRC)  // write-to-read causality
  if
  :: me == 0 -> st(X, RLX, 1)
  :: me == 1 -> ld(X, RLX, a); st(Y, O1, 1)
  :: me == 2 -> ld(Y, O2, b); ld(X, RLX, c)
  :: else
  fi;
#elif defined(SHAPE_ISA2)  // release and acquire in a chain
  if
  :: me == 0 -> st(X, RLX, 1); st(Y, O1, 1)
  :: me == 1 -> ld(Y, O2, a); st(Z, O1, 1)
  :: me == 2 -> ld(Z, O2, b); ld(X, RLX, c)
  :: else
  fi;
#elif defined(SHAPE_IRIW)  // two readers, two orders
  if
  :: me == 0 -> st(X, REL, 1)
  :: me == 1 -> st(Y, REL, 1)
  :: me == 2 -> ld(X, ACQ, a); fe(F1); ld(Y, ACQ, b)
  :: me == 3 -> ld(Y, ACQ, c); fe(F2); ld(X, ACQ, d)
  fi;
#elif defined(SHAPE_RS)  // the release sequence goes on through a relaxed read-modify-write
  if
  :: me == 0 -> st(X, RLX, 1); st(Y, O1, 1)
  :: me == 1 -> add(Y, RLX, a)
  :: me == 2 -> ld(Y, O2, b); ld(X, RLX, c)
  :: else
  fi;
#elif defined(SHAPE_CUT)  // ... and a plain store of somebody else cuts it
  if
  :: me == 0 -> st(X, RLX, 1); st(Y, REL, 1)
  :: me == 1 -> ld(Y, RLX, a); a == 1 -> st(Y, RLX, 2)
  :: me == 2 -> ld(Y, ACQ, b); ld(X, RLX, c)
  :: else
  fi;
#elif defined(SHAPE_RMW)  // two read-modify-writes never read the same
  if
  :: me == 0 -> add(X, RLX, a)
  :: me == 1 -> add(X, RLX, b)
  :: else
  fi;
#elif defined(SHAPE_SEQLOCK)  // claim, fence, content; content, fence, claim
  if
  :: me == 0 -> st(X, RLX, 1); fe(F1); st(Y, RLX, 1)
  :: me == 1 -> ld(Y, RLX, a); fe(F2); ld(X, RLX, b)
  :: else
  fi;
#elif defined(SHAPE_RACE)  // a write after a read; the run fails if it can race
  if
  :: me == 0 -> d_step { read_plain(X); mark(MARK) }; st(Y, O1, 1); a = 1; b = 1
  :: me == 1 -> ld(Y, O2, c); if :: c == 1 -> d_step { write_plain(X, 1, MARK) } :: else fi
  :: else
  fi;
#endif
  ended++
}

init {
  begin_memory();
  atomic { run P(0); run P(1); run P(2); run P(3) };
  ended == 4;
  assert(!(WANT))  // the run reports it: the outcome is possible
}
