# A handler interrupts a thread's very first event at every instruction and writes an event of its own: nothing crashes, both
# are there, and both say the right thread.
source "$OURO_SOURCE/tests/e2e/lib.sh"
[[ $(uname -m) == x86_64 ]] || skip "the program steps x86-64"

record trace -- "$programs/nested" 60
expect_equal "loss" "$(lost trace)" 0
for name in scalars words text; do expect_equal "nested:$name" "$(count trace "nested:$name")" 61; done
expect_equal "nested:handler" "$(count trace nested:handler)" 180
babeltrace trace | grep ' nested:' | sed -E 's/.*tid = ([0-9]+) \}, \{ pid = ([0-9]+).*/\1 \2/' | awk '$1 != $2' >"$folder/wrong"
expect_equal "events of a wrong thread" "$(cat "$folder/wrong")" ""
