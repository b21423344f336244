"""What models/run runs. A case is a model and its bounds; `fails`: it must find an error."""
import collections
import re

Case = collections.namedtuple("Case", "model defines fails label function weakened", defaults=[False, "", "", ""])


def runs(model, *bounds):
    return [Case(model, one) for one in bounds]


def twin(label, function, weakened, model, defines):
    return Case(model, defines, True, label, function, weakened)


def shape(name, want, possible=(), impossible=()):
    """One litmus shape: with which orders its outcome must be found, and with which it must not."""
    text = f"SHAPE_{name} WANT={want}"
    return [Case("litmus", f"{text} {orders}".strip(), True) for orders in possible] + \
           [Case("litmus", f"{text} {orders}".strip()) for orders in impossible]


SHAPES = [
    *shape("MP", "(a==1&&b==0)", ["", "O1=REL", "O2=ACQ", "F1=REL", "F2=ACQ"],
           ["O1=REL O2=ACQ", "F1=REL O2=ACQ", "O1=REL F2=ACQ", "F1=REL F2=ACQ"]),
    *shape("SB", "(a==0&&b==0)", ["", "O1=REL O2=ACQ", "F1=ACQ_REL F2=ACQ_REL", "F1=4"], ["F1=4 F2=4"]),
    *shape("SB", "(a==1&&b==1)", ["F1=4 F2=4"]),
    *shape("LB", "(a==1&&b==1)", [], [""]),
    *shape("LB", "(a==1&&b==0)", [""]),
    *shape("CORR", "(a==2&&b==1)", [], [""]),
    *shape("CORR", "(a==1&&b==1)", [""]),
    *shape("CORW", "(a==0)", [], [""]),
    *shape("CORW", "(a==2)", [""]),
    *shape("CORR_HB", "(a==1&&b==1&&c==0)", ["", "O1=REL"], ["O1=REL O2=ACQ"]),
    *shape("ISA2", "(a==1&&b==1&&c==0)", ["", "O1=REL"], ["O1=REL O2=ACQ"]),
    *shape("IRIW", "(a==1&&b==0&&c==1&&d==0)", ["", "F1=4"], ["F1=4 F2=4"]),
    *shape("RS", "(b==2&&c==0)", ["O1=REL"], []),
    *shape("RS", "(a==1&&b==2&&c==0)", ["", "O2=ACQ"], ["O1=REL O2=ACQ"]),
    *shape("CUT", "(b==2&&c==0)", [""]),
    *shape("CUT", "(b==1&&c==0)", [], [""]),
    *shape("RMW", "(a==b)", [], [""]),
    *shape("RMW", "(a==1&&b==0)", [""]),
    *shape("SEQLOCK", "(a==1&&b==0)", ["", "F1=REL", "F2=ACQ"], ["F1=REL F2=ACQ"]),
    *shape("RACE", "false", ["", "O1=REL", "O2=ACQ"], ["O1=REL O2=ACQ"]),
]

RUNS = [
    *runs("percpu",
          "WRITES0=2 WRITES1=1 START2=1 SIZES",
          "WRITES0=1 WRITES1=1 SIZES CURRENT ABORTS=1",
          "WRITES0=2 WRITES1=1 START2=1 U=2 MIGRATE",
          "WRITES0=2 WRITES1=1 START2=1 U=2 KILL",
          "WRITES0=2 WRITES1=1 U=2 OVERWRITE CURRENT",
          "WRITES0=1 WRITES1=1 U=2 OVERWRITE CURRENT ABORTS=1 KILL",
          "WRITES0=2 WRITES1=1 START1=2 START2=2 U=2 OVERWRITE CURRENT KILL",
          "WRITES0=1 WRITES1=1 U=2 OVERWRITE CURRENT MIGRATE",
          "WRITES0=1 WRITES1=1 U=4 TWOPHASE=1 CURRENT KILL",
          "WRITES0=1 WRITES1=1 START2=2 SIZE=2 U=5 TWOPHASE=1 ABORTS=1 KILL",
          "WRITES0=2 WRITES1=0 TWOPHASE=1 OVERWRITE CURRENT ABORTS=1 KILL",
          "WRITES0=1 WRITES1=2 START1=1 START2=3 SIZE=2 TWOPHASE=1 OVERWRITE",
          "WRITES0=1 WRITES1=1 START2=2 U=5 TWOPHASE=3 MIGRATE ABORTS=1",
          "WRITES0=1 WRITES1=2 START1=1 START2=9 SIZE=2 TWOPHASE=1 OVERWRITE KILL VICTIMS=1",
          "WRITES0=1 WRITES1=1 START1=1 START2=9 U=5 TWOPHASE=3 ENTRIES=2 KILL VICTIMS=3",
          "WRITES0=6 WRITES1=0 U=2 SEQMASK=3 OVERWRITE POOL=110",
          "WRITES0=5 WRITES1=1 START1=1 START2=9 U=2 SEQMASK=3 OVERWRITE POOL=160",
          "WRITES0=2 WRITES1=1 START1=1 START2=1 CURRENT ABORTS=1 STAMPS",
          "WRITES0=3 WRITES1=0 START2=1 OVERWRITE CURRENT STAMPS DEATHS=1",
          "WRITES0=2 WRITES1=1 START2=2 U=2 OVERWRITE CURRENT DEATHS=1",
          "WRITES0=3 WRITES1=0 START2=1 CURRENT KEEP DEATHS=1",
          "WRITES0=1 WRITES1=1 U=4 TWOPHASE=1 CURRENT KILL DEATHS=1",
          "WRITES0=3 WRITES1=0 START2=9 U=2 OVERWRITE SNAPSHOT",
          "WRITES0=2 WRITES1=1 START1=2 START2=9 START3=2 U=2 OVERWRITE SNAPSHOT",
          "WRITES0=2 WRITES1=0 START2=1 START3=2 CURRENT SNAPSHOT"),
    *runs("shared",
          "WRITES0=2 WRITES1=1 START2=1 U=2",
          "WRITES0=1 WRITES1=1 CURRENT",
          "WRITES0=2 WRITES1=1 START2=3 U=2 OVERWRITE CURRENT",
          "WRITES0=2 WRITES1=2 START1=1 U=2 LATE OVERWRITE",
          "WRITES0=4 WRITES1=1 START1=2 SIZE1=2 U=4 LATE",
          "WRITES0=1 WRITES1=1 START2=1 CURRENT KILL VICTIMS=1",
          "WRITES0=1 WRITES1=1 SIZE1=2 U=4 LATE KILL",
          "WRITES0=3 WRITES1=1 START1=2 U=2 LATE OVERWRITE KILL VICTIMS=1",
          "WRITES0=2 WRITES1=1 START2=2 U=2 DEATHS=1",
          "WRITES0=4 WRITES1=0 START2=2 U=2 OVERWRITE DEATHS=1",
          "WRITES0=3 WRITES1=0 START2=1 OVERWRITE CURRENT DEATHS=1",
          "WRITES0=1 WRITES1=1 LATE KILL DEATHS=1",
          "WRITES0=2 WRITES1=0 LATE KILL VICTIMS=1 DEATHS=2",
          "WRITES0=3 WRITES1=0 START2=9 U=2 OVERWRITE SNAPSHOT"),
]
FULL = [
    *runs("percpu",
          "WRITES0=3 WRITES1=2 SIZES CURRENT",
          "WRITES0=3 WRITES1=2 OVERWRITE CURRENT",
          "WRITES0=3 WRITES1=2 U=2 OVERWRITE MIGRATE",
          "WRITES0=2 WRITES1=2 U=2 OVERWRITE CURRENT ABORTS=1 KILL",
          "WRITES0=2 WRITES1=1 U=4 TWOPHASE=1 CURRENT ABORTS=1 KILL",
          "WRITES0=1 WRITES1=2 START1=1 SIZE=2 TWOPHASE=1 OVERWRITE CURRENT KILL VICTIMS=1",
          "WRITES0=1 WRITES1=2 SIZE=2 TWOPHASE=1 OVERWRITE MIGRATE",
          "WRITES0=1 WRITES1=2 START1=1 START2=3 SIZE=2 TWOPHASE=1 OVERWRITE KILL DEATHS=1",
          "WRITES0=1 WRITES1=1 START1=1 START2=2 U=5 TWOPHASE=3 ENTRIES=2 CURRENT KILL VICTIMS=3",
          "WRITES0=3 WRITES1=0 START2=2 START3=2 U=2 OVERWRITE SNAPSHOT"),
    *runs("shared",
          "WRITES0=2 WRITES1=2",
          "WRITES0=2 WRITES1=2 U=2 OVERWRITE",
          "WRITES0=2 WRITES1=1 U=2 OVERWRITE CURRENT",
          "WRITES0=2 WRITES1=1 SIZE=2 OVERWRITE CURRENT",
          "WRITES0=1 WRITES1=1 CURRENT KILL",
          "WRITES0=1 WRITES1=2 START2=1 CURRENT KILL VICTIMS=1",
          "WRITES0=2 WRITES1=1 START2=2 SIZE1=2 U=4 CURRENT KILL VICTIMS=1",
          "WRITES0=2 WRITES1=1 START2=2 U=2 OVERWRITE DEATHS=1",
          "WRITES0=1 WRITES1=1 START2=1 CURRENT KILL VICTIMS=1 DEATHS=1",
          "WRITES0=3 WRITES1=0 START2=2 START3=2 U=2 OVERWRITE SNAPSHOT"),
]
TWINS = [
    twin("commit:B", "exchange_in_section", "release -> relaxed", "percpu", "WRITES0=3 WRITES1=0 U=2 CURRENT WEAK_COMMIT_B"),
    twin("deliver:A", "find_current", "acquire -> relaxed", "percpu", "WRITES0=3 WRITES1=0 WEAK_DELIVER_A"),
    twin("deliver:C", "find_current", "W not looked at again", "percpu", "WRITES0=6 WRITES1=0 U=2 SEQMASK=3 OVERWRITE POOL=110 WEAK_DELIVER_C"),
    twin("release:B", "give_back", "release -> relaxed", "percpu", "WRITES0=3 WRITES1=0 U=2 WEAK_RELEASE_B"),
    twin("switch:A", "claim_next", "acquire -> relaxed, discard", "percpu", "WRITES0=3 WRITES1=0 U=2 WEAK_SWITCH_A"),
    twin("switch:A", "claim_next", "acquire -> relaxed, overwrite", "percpu", "WRITES0=4 WRITES1=0 U=2 OVERWRITE WEAK_SWITCH_A"),
    twin("exchange:B", "take_closed", "release -> relaxed", "percpu", "WRITES0=4 WRITES1=0 U=2 OVERWRITE WEAK_EXCHANGE_B"),
    twin("switch:B", "claim_next", "no fence after the claim", "percpu", "WRITES0=4 WRITES1=0 U=2 OVERWRITE CURRENT WEAK_SWITCH_B"),
    twin("switch:B", "claim_next", "no fence where another has claimed", "percpu", "WRITES0=3 WRITES1=1 START1=2 START2=3 U=2 OVERWRITE CURRENT POOL=110 WEAK_FENCE_OF_OTHERS"),
    twin("snapshot:B", "take_current", "no fence before the second look", "percpu", "WRITES0=4 WRITES1=0 U=2 OVERWRITE CURRENT WEAK_SNAPSHOT_B"),
    twin("snapshot:B", "take_current", "no second look at the slot", "percpu", "WRITES0=4 WRITES1=0 U=2 OVERWRITE CURRENT WEAK_SNAPSHOT_SLOT"),
    twin("switch", "switch_subbuf", "image's sequence not compared with W's", "percpu", "WRITES0=2 WRITES1=2 START1=1 START2=9 U=2 OVERWRITE WEAK_LOW_SEQUENCE"),
    twin("switch", "claim_next", "a slot claimed by another is not taken over", "percpu", "WRITES0=2 WRITES1=2 U=2 WEAK_CLAIMED_ALREADY"),
    twin("switch", "claim_next", "discard: `taken` not looked at", "percpu", "WRITES0=3 WRITES1=1 U=2 WEAK_FULL"),
    twin("switch", "claim_next", "claim by a store", "percpu", "WRITES0=3 WRITES1=1 U=2 OVERWRITE WEAK_CLAIM"),
    twin("switch", "exchange_in_section", "W not compared", "percpu", "WRITES0=2 WRITES1=1 U=2 WEAK_EXPECTED"),
    twin("switch", "exchange_in_section", "slot not compared", "percpu", "WRITES0=5 WRITES1=1 START1=1 START2=9 U=2 SEQMASK=3 OVERWRITE POOL=160 WEAK_SLOT_VALUE"),
    twin("switch", "exchange_in_section", "CPU not compared", "percpu", "WRITES0=2 WRITES1=2 U=2 MIGRATE WEAK_INDEX"),
    twin("commit:C", "commit_per_cpu", "release -> relaxed", "percpu", "WRITES0=2 WRITES1=0 U=4 TWOPHASE=1 CURRENT WEAK_COMMIT_C"),
    twin("deliver:B", "is_whole", "acquire -> relaxed", "percpu", "WRITES0=2 WRITES1=0 U=4 TWOPHASE=1 CURRENT WEAK_DELIVER_B"),
    twin("deliver:B", "is_whole", "open and commits not compared", "percpu", "WRITES0=1 WRITES1=1 U=4 TWOPHASE=1 CURRENT WEAK_WHOLE"),
    twin("busy", "claim_next", "open records of the lapped sub-buffer not looked at", "percpu", "WRITES0=1 WRITES1=2 START1=1 SIZE=2 TWOPHASE=1 OVERWRITE WEAK_BUSY_CHECK"),
    twin("busy", "claim_next", "commits: acquire -> relaxed", "percpu", "WRITES0=1 WRITES1=2 START1=1 SIZE=2 TWOPHASE=1 OVERWRITE MIGRATE WEAK_BUSY"),
    twin("pending:B", "reserve_per_cpu", "the entry of an aborted attempt is not given back", "percpu", "WRITES0=1 WRITES1=0 U=4 TWOPHASE=1 ABORTS=1 WEAK_UNDO"),
    twin("pending:B", "reserve_per_cpu", "the entry is not compared with free", "percpu", "WRITES0=1 WRITES1=1 START2=3 U=5 TWOPHASE=3 ABORTS=1 KILL WEAK_ENTRY_FREE"),
    twin("bury:A", "claim_of", "stamps not compared", "percpu", "WRITES0=1 WRITES1=1 START2=3 SIZE=2 U=4 TWOPHASE=1 ABORTS=1 KILL WEAK_CLAIM_OF"),
    twin("commit:A", "make_up", "counts without looking at the books", "percpu", "WRITES0=1 WRITES1=1 U=4 TWOPHASE=1 KILL WEAK_SETTLE"),
    twin("commit:A", "make_up", "not whether somebody else is under way there", "percpu", "WRITES0=1 WRITES1=1 U=5 TWOPHASE=3 ENTRIES=2 START1=1 START2=2 KILL VICTIMS=1 CURRENT WEAK_IN_USE"),
    twin("commit:A", "make_up", "the books are looked at once", "percpu", "WRITES0=1 WRITES1=1 U=5 TWOPHASE=3 ENTRIES=2 START1=1 START2=2 KILL VICTIMS=1 CURRENT WEAK_BOOKS_AGAIN"),
    twin("reader", "adopt_dead", "a dead reader's burials are nobody's", "percpu", "WRITES0=1 WRITES1=1 U=4 TWOPHASE=1 CURRENT KILL DEATHS=1 WEAK_ADOPT"),
    twin("switch:B", "books_of", "the slot is not looked at behind the commits", "percpu", "WRITES0=1 WRITES1=2 START1=1 START2=2 SIZE=2 TWOPHASE=1 OVERWRITE KILL VICTIMS=1 WEAK_BOOKS_SLOT"),
    twin("reader", "adopt_dead", "marks what may have been counted", "percpu", "WRITES0=1 WRITES1=2 START1=1 START2=2 SIZE=2 TWOPHASE=1 OVERWRITE KILL VICTIMS=1 DEATHS=1 WEAK_MARKED"),
    twin("stamp:A", "take_current", "acquire -> relaxed", "percpu", "WRITES0=3 WRITES1=0 U=5 CURRENT STAMPS WEAK_STAMP_A"),
    twin("stamp:A", "take_current", "W not looked at again", "percpu", "WRITES0=3 WRITES1=0 U=5 CURRENT STAMPS WEAK_STAMP_W"),
    twin("stamp:B", "exchange_in_section", "release -> relaxed", "percpu", "WRITES0=3 WRITES1=0 U=5 CURRENT STAMPS WEAK_STAMP_B"),
    twin("snapshot:B", "copy_subbuf", "no fence before the second look", "percpu", "WRITES0=3 WRITES1=0 START2=9 U=2 OVERWRITE SNAPSHOT WEAK_COPY_FENCE"),
    twin("deliver:B", "examine", "open and commits not compared", "percpu", "WRITES0=2 WRITES1=0 START2=9 U=4 TWOPHASE=1 SNAPSHOT WEAK_COPY_WHOLE"),
    twin("shared:commit", "commit_shared", "release -> relaxed", "shared", "WRITES0=1 WRITES1=1 CURRENT WEAK_COMMIT"),
    twin("deliver:B", "shared_use", "acquire -> relaxed", "shared", "WRITES0=1 WRITES1=1 CURRENT WEAK_USE"),
    twin("deliver:B", "is_whole", "committed and reserved not compared", "shared", "WRITES0=2 WRITES1=1 U=2 WEAK_WHOLE"),
    twin("shared:reserve", "reserve_in", "acquire -> relaxed", "shared", "WRITES0=3 WRITES1=1 START1=2 START2=1 U=2 WEAK_RESERVE"),
    twin("shared:switch", "switch_shared", "W: release -> relaxed", "shared", "WRITES0=2 WRITES1=1 U=2 WEAK_SWITCH"),
    twin("switch:A", "switch_shared", "acquire -> relaxed", "shared", "WRITES0=2 WRITES1=1 U=2 WEAK_SWITCH_A"),
    twin("switch:B", "reserve_in", "no fence before the content", "shared", "WRITES0=2 WRITES1=1 U=2 OVERWRITE CURRENT WEAK_SWITCH_B"),
    twin("snapshot:B", "take_current", "no fence before the second look", "shared", "WRITES0=2 WRITES1=1 U=2 OVERWRITE CURRENT WEAK_SNAPSHOT_B"),
    twin("books", "is_whole", "overwrite: laps what is not whole", "shared", "WRITES0=1 WRITES1=2 START1=1 U=2 OVERWRITE WEAK_WHOLE_LAPPED"),
    twin("books", "open_books", "stored, not exchanged", "shared", "WRITES0=2 WRITES1=1 U=2 WEAK_BOOKS_STORE"),
    twin("books", "open_books", "a later use's books are overwritten", "shared", "WRITES0=4 WRITES1=1 START1=1 U=2 LATE OVERWRITE WEAK_BOOKS_LATER"),
    twin("books", "switch_shared", "what is lapped is counted by who claims, and by nobody else", "shared", "WRITES0=3 WRITES1=1 START1=2 U=2 LATE OVERWRITE KILL VICTIMS=1 WEAK_COUNT_AT_CLAIM"),
    twin("books", "switch_shared", "what is lapped is counted behind the books", "shared", "WRITES0=3 WRITES1=1 START1=2 U=2 LATE OVERWRITE KILL VICTIMS=1 WEAK_COUNT_LATER"),
    twin("books", "switch_shared", "W not looked at again before it is counted", "shared", "WRITES0=2 WRITES1=2 START1=1 U=2 LATE OVERWRITE WEAK_LOOK_AGAIN"),
    twin("books", "lapped_up_to", "lapped_before: acquire -> relaxed", "shared", "WRITES0=2 WRITES1=2 START1=1 U=2 LATE OVERWRITE WEAK_LAPPED"),
    twin("books", "raise_to", "lapped records: stored, not by maximum", "shared", "WRITES0=2 WRITES1=2 START1=1 U=2 LATE OVERWRITE WEAK_LAPPED_RAISE"),
    twin("books", "raise_to", "closing word: stored, not by maximum", "shared", "WRITES0=4 WRITES1=1 START1=2 SIZE1=2 U=4 LATE WEAK_RAISE"),
    twin("shared:reserve", "reserve_in", "release -> acquire only", "shared", "WRITES0=1 WRITES1=1 START2=1 CURRENT KILL VICTIMS=1 WEAK_RESERVE_RELEASE"),
    twin("commit:A", "begin_commit", "no mark before a commit is counted", "shared", "WRITES0=1 WRITES1=1 START2=1 CURRENT KILL VICTIMS=1 WEAK_COMMITTING"),
    twin("pending:free", "free_pending", "no fence before the entry is free", "shared", "WRITES0=1 WRITES1=1 START2=1 CURRENT KILL VICTIMS=1 WEAK_FREE"),
    twin("bury:A", "claim_of_shared", "place of a rival's entry: acquire -> relaxed", "shared", "WRITES0=1 WRITES1=2 START2=2 VICTIMS=1 CURRENT KILL WEAK_WHERE"),
    twin("bury:A", "claim_of_shared", "whether a rival lives is not looked at", "shared", "WRITES0=1 WRITES1=1 START2=1 CURRENT KILL VICTIMS=1 WEAK_LIVES"),
    twin("bury:A", "claim_of_shared", "the header is not looked at", "shared", "WRITES0=1 WRITES1=1 START2=1 CURRENT KILL VICTIMS=1 WEAK_HEADER"),
    twin("bury:A", "claim_of_shared", "the dead record may have been buried for another", "shared", "WRITES0=1 WRITES1=1 LATE KILL WEAK_TWICE"),
    twin("bury:A", "claim_of_shared", "of two dead rivals, the end is not compared", "shared", "WRITES0=1 WRITES1=1 SIZE1=2 U=4 LATE KILL WEAK_FITS"),
    twin("bury:A", "bury_open", "its commit: release -> relaxed", "shared", "WRITES0=1 WRITES1=2 START1=1 START2=2 U=2 VICTIMS=1 OVERWRITE KILL WEAK_BURY"),
    twin("commit:A", "make_up", "counts without looking at the books", "shared", "WRITES0=1 WRITES1=1 START2=1 CURRENT KILL VICTIMS=1 WEAK_SETTLE"),
    twin("commit:A", "make_up", "not whether somebody else is under way there", "shared", "WRITES0=1 WRITES1=1 START2=1 CURRENT KILL VICTIMS=1 WEAK_IN_USE"),
    twin("reader", "start", "the oldest of the slots that are not taken", "shared", "WRITES0=4 WRITES1=0 START2=2 U=2 OVERWRITE DEATHS=1 WEAK_OLDEST"),
    twin("reader", "count_in_hand", "what a dead reader had taken out is not counted", "shared", "WRITES0=3 WRITES1=0 START2=2 U=2 OVERWRITE DEATHS=1 WEAK_IN_HAND"),
    twin("reader", "adopt_dead", "a dead reader's burials are nobody's", "shared", "WRITES0=1 WRITES1=1 LATE KILL DEATHS=1 WEAK_ADOPT"),
    twin("snapshot:B", "copy_subbuf", "no fence before the second look", "shared", "WRITES0=3 WRITES1=0 START2=9 U=2 OVERWRITE SNAPSHOT WEAK_COPY_FENCE"),
    twin("deliver:B", "examine", "committed and reserved not compared", "shared", "WRITES0=2 WRITES1=0 START2=9 U=4 SNAPSHOT WEAK_COPY_WHOLE"),
    twin("commit:A", "make_up", "the books are looked at once", "shared", "WRITES0=1 WRITES1=1 START2=1 CURRENT KILL VICTIMS=1 WEAK_BOOKS_AGAIN"),
]

# Compiling takes longer than searching, but for these and what --full runs.
LONG = r"LATE OVERWRITE KILL|U=4 TWOPHASE=1 CURRENT KILL DEATHS=1|U=2 DEATHS=1|WEAK_(FENCE_OF_OTHERS|FENCE_OF_EACH|WHERE)"


def optimise(model, defines, full):
    return "-O1" if full or re.search(LONG, defines) else "-O0"


# Twins that --full runs too: their search is long.
SLOW = [
    twin("switch:B", "reserve_in", "a fence of those who switch only", "shared", "WRITES0=3 WRITES1=1 START1=2 START2=3 U=2 OVERWRITE CURRENT POOL=110 WEAK_FENCE_OF_EACH"),
]

# The bounds of each twin find nothing where nothing is weakened.
FULL += dict.fromkeys(Case(t.model, re.sub(r" ?WEAK_\w+", "", t.defines)) for t in TWINS + SLOW)

# Lines that no run reaches, and why. # stands for a number.
UNREACHED = [
    r"^a_k = ",                  # a load that never has a choice, in one of the places where it stands
    r"^a_[lotv] = |^ ?mem_store\(MEM",  # memory.h: a store that a reader makes in one of the places where it stands
    r"^assert\((#|false|!\(last\))\)$",  # what must not happen
    r"^[xv] = #$",               # make_up in a per-CPU ring: what only two entries and a death between them come by, a run of --full
    r"^v# = #$",                 # settle: the use is over. A writer dies behind its commit and is lapped: a run of --full
]
