// memory.pml -- memory.h for Promela. Before it is included: LOCS, THREADS, POOL. `me` is the hardware thread of whoever
// uses these inlines, `r` gets the value. Each is one step.
c_decl {
  enum { kLocs = LOCS, kThreads = THREADS, kPool = POOL };
  \#include "memory.h"
  \#define MEM mem_open(now.mem)
  \#define MEM_DONE now.mem = mem_close();
}
c_state "unsigned mem" "Global"
#define RLX 0
#define ACQ 1
#define REL 2
#define ACQ_REL 3

short a_l, a_o, a_v, a_w, r;  // arguments and result of what is called; 0 between steps, but for r
byte a_t, a_k, a_n;

inline begin_memory() { c_code { now.mem = mem_begin(); } }
// Until it is handed over to, thread t knows nothing, and keeps nothing from being forgotten.
inline sleeps(t) { a_t = t; c_code { now.mem = mem_sleep(now.mem, now.a_t); }; a_t = 0 }
inline initially(l, v) {
  a_l = l; a_v = v;
  c_code { mem_initially(MEM, now.a_l, now.a_v); MEM_DONE };
  forget()
}
// Any of the messages that may be read.
inline load(l, o) {
  atomic {
    a_t = me; a_l = l; a_o = o;
    c_code { now.a_n = mem_choices(MEM, now.a_t, now.a_l); };
    a_n = a_n - 1;
    select(a_k : 0 .. a_n);
    c_code { now.r = mem_load(MEM, now.a_t, now.a_l, now.a_o, now.a_k); MEM_DONE };
    forget()
  }
}
inline forget() { d_step { a_t = 0; a_l = 0; a_o = 0; a_v = 0; a_w = 0; a_k = 0; a_n = 0 } }
// The newest message: what only this CPU writes.
inline own(l) {
  a_t = me; a_l = l;
  c_code {
    if (mem_choices(MEM, now.a_t, now.a_l) != 1) mem_fail("is not this CPU's own", now.a_l);
    now.r = mem_newest(MEM, now.a_l);
  };
  forget()
}
// For ghosts: no thread does this.
inline newest(l) {
  a_l = l;
  c_code { now.r = mem_newest(MEM, now.a_l); };
  forget()
}
inline store(l, o, v) {
  a_t = me; a_l = l; a_o = o; a_v = v;
  c_code { mem_store(MEM, now.a_t, now.a_l, now.a_o, now.a_v); MEM_DONE };
  forget()
}
// r: the old value.
inline fetch_add(l, o, v) {
  a_t = me; a_l = l; a_o = o; a_v = v;
  c_code { now.r = mem_newest(MEM, now.a_l); mem_exchange(MEM, now.a_t, now.a_l, now.a_o, now.r + now.a_v); MEM_DONE };
  forget()
}
// r: 1 if it held `old`. Else it changes nothing, and is a relaxed load of the newest value.
inline cas(l, o, old, v) {
  a_t = me; a_l = l; a_o = o; a_v = v; a_w = old;
  c_code {
    now.r = mem_newest(MEM, now.a_l) == now.a_w;
    if (now.r) mem_exchange(MEM, now.a_t, now.a_l, now.a_o, now.a_v);
    else mem_load(MEM, now.a_t, now.a_l, RLX, 0);
    MEM_DONE
  };
  forget()
}
inline fence(o) {
  a_t = me; a_o = o;
  c_code { mem_fence(MEM, now.a_t, now.a_o); MEM_DONE };
  forget()
}
inline fence_sc() {
  a_t = me;
  c_code { mem_fence_sc(MEM, now.a_t); MEM_DONE };
  forget()
}
inline hand_over(from, to) {
  a_t = from; a_k = to;
  c_code { mem_hand_over(MEM, now.a_t, now.a_k); MEM_DONE };
  forget()
}
inline mark(m) {
  a_t = me; a_l = m;
  c_code { mem_mark(MEM, now.a_t, now.a_l); MEM_DONE };
  forget()
}
inline read_plain(l) {
  a_t = me; a_l = l;
  c_code { now.r = mem_read_plain(MEM, now.a_t, now.a_l); };
  forget()
}
inline write_plain(l, v, m) {
  a_t = me; a_l = l; a_v = v; a_w = m;
  c_code { mem_write_plain(MEM, now.a_t, now.a_l, now.a_v, now.a_w); MEM_DONE };
  forget()
}
