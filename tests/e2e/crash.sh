# Programs that crash, in each way that there is, and have asked for their last events: what stderr says, and how they end.
source "$OURO_SOURCE/tests/e2e/lib.sh"
ulimit -c 0

sanitized=$OURO_SANITIZE
# crash STATUS HOW...: its output in $out, what the handler said in $said.
crash() {
  local wanted=$1 status=0
  shift
  rm -f "$OURO_RUNTIME_DIR"/session-* 2>/dev/null || true
  { timeout 60 "$programs/crashes" "$@" >"$folder/out" 2>"$folder/said" </dev/null; } 2>/dev/null || status=$?
  out=$(cat "$folder/out")
  said=$(cat "$folder/said")
  [[ $wanted == any || $status == "$wanted" ]] || fail "crashes $*: status $status, want $wanted: $said"
}
count_lines() { grep -cE "$1" "$folder/said" || true; }
# Sanitizers' handlers come after ours: they end the program their own way.
dies() { [[ -n $sanitized ]] && echo any || echo $((128 + $1)); }

stamp='20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9} UTC'
the_last='crash:number number=2'$'\n''.*crash:values small=-5 large=18446744073709551615 half=0\.5 yes=true colour=green text="a \\"b\\"\\n" raw=0xdead many=\[7, 7, .*\.\.\.\] numbers=\[0\.1, -1e\+300, nan\].* pointer=0x1234'$'\n''.*crash:span_begin'$'\n''.*crash:last number=3'$'\n''.*crash:span_end'

# ---- each signal: said, with the last events, the newest last; the status is the signal's
signals() {
  while read -r how number name; do
    crash "$(dies "$number")" "$how"
    expect_match "what $how says" "$said" "ouro: $name"'( at (address|instruction) 0x[0-9a-f]+| \(abort\)|) in thread [0-9]+ \(crashes\) of process [0-9]+, '"$stamp"
    expect_match "its events" "$said" "$the_last"
    expect_match "what was lost" "$said" 'ouro: session flight: 0 events lost'
    expect_equal "reports of $how" "$(count_lines '^ouro: SIG')" 1
  done
}
signals <<'END'
segv 11 SIGSEGV
jump 11 SIGSEGV
abort 6 SIGABRT
assert 6 SIGABRT
terminate 6 SIGABRT
bus 7 SIGBUS
fpe 8 SIGFPE
ill 4 SIGILL
overflow 11 SIGSEGV
overflow-thread 11 SIGSEGV
raise 11 SIGSEGV
kill 7 SIGBUS
END
crash "$(dies 6)" terminate
expect_match "what the C++ library says before" "$said" "terminate called after throwing.*nobody catches this.*ouro: SIGABRT \(abort\)"
crash "$(dies 11)" segv
expect_match "the order" "$said" 'number=0.*number=1.*number=2.*crash:values.*crash:last'
expect_match "the thread that crashed" "$said" ' [0-9]+\* crash:last'

# ---- not asked: nothing is said, nothing is changed
crash "$(dies 11)" segv unasked
expect_equal "lines of one that did not ask" "$(count_lines '^ouro: ')" 0
crash 0 none
expect_equal "of one that does not crash" "$said" ""

# ---- in no session
crash "$(dies 11)" segv no-flight
expect_match "without a session" "$said" 'ouro: SIGSEGV.*ouro: no events: this process has written to no session \(hint: ouro::flight_recorder'

# ---- how much, and where to
crash "$(dies 11)" segv n=1000 events=2
expect_match "two events" "$said" 'the last 2 events of this process'
expect_equal "lines" "$(count_lines '^ .*crash:')" 2
crash "$(dies 11)" segv n=5000 events=1024
expect_equal "many events" "$(count_lines '^ .*crash:')" 1024
expect_match "the newest of many" "$said" 'number=4999'
crash 3 segv events=0
expect_match "no events" "$out" 'events: want 1 to 1024'
{ timeout 60 "$programs/crashes" segv fd=5 5>"$folder/five" 2>"$folder/said" >/dev/null || true; } 2>/dev/null
expect_match "another descriptor" "$(cat "$folder/five")" 'ouro: SIGSEGV.*crash:last'
expect_equal "stderr then" "$(count_lines '^ouro: ')" 0
SECONDS=0
mkfifo "$folder/pipe"
exec 6<>"$folder/pipe"  # that nobody reads
crash "$(dies 11)" segv n=5000 events=1024 limit=500 fd=6
exec 6>&-
((SECONDS < 20)) || fail "a pipe that nobody reads held it for $SECONDS s"

# ---- other threads write on meanwhile; two crash at once
crash "$(dies 11)" segv threads=4
expect_equal "reports" "$(count_lines '^ouro: SIGSEGV at')" 1
[[ $(count_lines '^ .*crash:') == 32 ]] || fail "among busy threads: $said"
crash "$(dies 11)" segv threads=1 n=1
expect_match "contexts" "$said" 'crash:busy number=[0-9]+  \{thread="crashes", cpu=[0-9]+\}'
crash "$(dies 11)" two
expect_match "reports of two" "$(count_lines '^ouro: SIGSEGV at')" "$([[ -n $sanitized ]] && echo '^[12]$' || echo '^1$')"

# ---- in the midst of a record, and of one in a handler that interrupted another
if [[ -z $sanitized ]]; then  # which look at the text first
  crash 139 large
  expect_match "a record under way" "$said" 'this thread was writing crash:large as it crashed: nesting level 1'
  expect_match "what was before it" "$said" "$the_last"
  crash 139 nested
  expect_match "two of them" "$said" 'this thread was writing crash:outer, in it crash:inner as it crashed: nesting level 2'
fi

# ---- forked: the child's own
crash 0 fork
expect_match "a child" "$said" 'the last 1 event of this process.*'$'\n''.*crash:child number=1'
[[ -n $sanitized ]] || expect_match "its end" "$out" 'child died of SIGSEGV'

# ---- other processes of the session
rm -f "$OURO_RUNTIME_DIR"/session-*
"$programs/crashes" wait &
waiting=$!
cleanup+=("kill -9 $waiting 2>/dev/null")
wait_for 20 test -e "$OURO_RUNTIME_DIR/session-flight"
both() {
  { timeout 60 "$programs/crashes" segv "$@" 2>"$folder/said" || true; } 2>/dev/null
  count_lines ' crash:number'
}
sleep 0.3
expect_equal "of this process" "$(both)" 3
expect_equal "of all" "$(both all)" 9  # and of the one before
kill -9 $waiting
wait $waiting 2>/dev/null || true

# ---- whoever had the signal before
for how in segv abort; do
  number=$([[ $how == segv ]] && echo 11 || echo 6)
  crash $((128 + number)) $how before
  expect_equal "own handler" "$out" "own handler"
  expect_equal "reports" "$(count_lines '^ouro: SIG')" 1
  crash $((128 + number)) $how before=info
  expect_equal "own handler" "$out" "own handler with info"$'\n'"own handler"
  crash $((128 + number)) $how before=once
  expect_match "own handler, for one time" "$out" "^own handler once"
  crash 7 $how before=exit
  expect_equal "own handler that exits" "$out" "own handler exits"
  expect_equal "reports" "$(count_lines '^ouro: SIG')" 1
  crash $((128 + number)) $how before=ignore
  expect_equal "reports where it was ignored" "$(count_lines '^ouro: SIG')" 1
done
crash "$(dies 11)" twice
expect_equal "reports of one that asked twice" "$(count_lines '^ouro: SIGSEGV at')" 1
[[ $sanitized != *address* ]] || expect_match "the sanitizer's report behind ours" "$said" 'ouro: session flight: 0 events lost.*ERROR: AddressSanitizer: SEGV .*in fault'
crash 0 survive before=jump
expect_equal "one that survives" "$out" "survived"$'\n'"survived"
expect_equal "reports" "$(count_lines '^ouro: SIGSEGV at')" 2
crash 0 eight before=jump
expect_equal "twelve times" "$(grep -c survived "$folder/out")" 12
expect_equal "reports of twelve" "$(count_lines '^ouro: SIGSEGV at')" 8
expect_match "the last of them" "$said" 'of further ones nothing is said'

# ---- whoever had it later: it is his, and may call ours
crash 7 segv after=exit
expect_equal "lines" "$(count_lines '^ouro: ')" 0
crash "$(dies 11)" segv after=chain
expect_match "own handler, then ours" "$out" '^own handler first'
expect_equal "reports" "$(count_lines '^ouro: SIGSEGV at')" 1

crash 139 segv before=loop after=loop
expect_equal "one that is before and behind ours" "$(grep -c 'installed twice' "$folder/out") $(count_lines '^ouro: SIGSEGV at')" "2 1"

# ---- a library that asked and was unloaded: as if it had not asked
crash "$(dies 11)" unload unasked
[[ $OURO_SHARED == 1 ]] || expect_equal "reports of a library that has gone" "$(count_lines '^ouro: ')" 0

# ---- a signal that somebody sent, and that the program ignores, is no crash
"$programs/crashes" wait before=ignore 2>"$folder/said" &
waiting=$!
cleanup+=("kill -9 $waiting 2>/dev/null")
sleep 0.5
kill -SEGV $waiting
sleep 0.2
kill -0 $waiting || fail "a signal that was ignored ended it"
expect_equal "lines" "$(count_lines '^ouro: ')" 0
kill -9 $waiting
wait $waiting 2>/dev/null || true
"$programs/crashes" wait 2>"$folder/said" &
waiting=$!
sleep 0.5
kill -ILL $waiting
status=0
wait $waiting 2>/dev/null || status=$?
expect_equal "status of one that was killed by its signal" "$status" "$([[ -n $sanitized ]] && echo $status || echo 132)"
expect_match "who sent it" "$(cat "$folder/said")" "ouro: SIGILL from process $$ in thread $waiting"

# ---- memory that somebody has truncated: a fault in the handler ends it, and the old one is next
"$programs/crashes" wait 2>"$folder/said" &
waiting=$!
wait_for 20 test -e "$OURO_RUNTIME_DIR/session-flight"
sleep 0.5
truncate -s 200K "$OURO_RUNTIME_DIR/session-flight"
kill -SEGV $waiting
status=0
wait $waiting 2>/dev/null || status=$?
expect_match "a fault of the handler's" "$(cat "$folder/said")" "ouro: SIGSEGV from process.*ouro: SIGSEGV: what was to be said of it cannot be read any further"
[[ -n $sanitized ]] || expect_equal "its status" "$status" 139
rm -f "$OURO_RUNTIME_DIR"/session-*
