// Linked into tests that are built with ThreadSanitizer: what it may not complain of, beside the copies that ring/internal.hpp marks.
//
// An exclusive ring's writer stores a sub-buffer's books by memcpy, as the sections of the others do in assembly. A reader that
// loads them meanwhile finds that W, or the sub-buffer's slot, is another when it looks again, and throws away what it loaded.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() { return "race:exchange_alone\n"; }
