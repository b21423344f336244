# Flight recorders: sessions that need no tool. What they hold is written while programs run, while they are stopped, and after they died.
source "$OURO_SOURCE/tests/e2e/lib.sh"

cleanup+=('pkill -9 -f "$folder/books"')
ouro() { timeout 60 "$OURO_BIN" "$@" 2>"$folder/said" || fail "ouro $*: status $?: $(cat "$folder/said")"; }
field() { "$OURO_BIN" status --json "$1" 2>/dev/null | sed -nE "s/.*\"$2\": \"?([^\",]*)\"?,?\$/\1/p"; }
pid_of() { pgrep -f "storm $folder/$1" | head -1; }
newest() { babeltrace "$1" 2>/dev/null | sed -nE 's/.*writer = 0, number = ([0-9]+).*/\1/p' | sort -n | tail -1; }
babeltrace() { timeout 60 babeltrace2 "$folder/$1" 2>"$folder/babeltrace.stderr" || fail "babeltrace2 refuses $1"; }  # it warns of what was overwritten

# ---- started with a program; ouro ends at once, the recorder stays
ouro record --flight -d --buffer-size 1M -- "$programs/storm" "$folder/books1" threads=1 events=0 pause=1000 text=10 </dev/null >/dev/null
expect_match "what it says" "$(cat "$folder/said")" 'flight recorder flight is on: 1M of the newest events a CPU, .* of memory at most \(hint: ouro snapshot flight, ouro stop flight\)'
wait_for 20 test -s "$folder/books1"
program=$(pid_of books1)
sleep 0.3
expect_equal "kind" "$(field flight kind)" flight
expect_equal "processes" "$(field flight processes)" 1
[[ $(field flight events) -gt 100 ]] || fail "status: $("$OURO_BIN" status)"
ouro snapshot -o "$folder/a"
expect_match "what a snapshot says" "$(cat "$folder/said")" 'snapshot of session flight: the last [0-9.]+ s, copied in [0-9.]+ ms'
ouro snapshot flight -o "$folder/b" --last 100ms
[[ $(newest b) -gt $(newest a) ]] || fail "the second snapshot ends at $(newest b), the first at $(newest a)"
[[ $(count b storm:number) -lt $(count a storm:number) && $(count b storm:number) -gt 10 ]] || fail "of 100 ms: $(count b storm:number) events"
expect_match "what is older" "$(cat "$folder/said")" 'left out [0-9]+ events that are older than --last'
expect_match "names" "$(babeltrace b | grep ouro:thread | head -1)" "pid = $program, tid = [0-9]+, name = \"storm\""

# ---- of a program that is stopped: all that it has done
kill -STOP "$program"
sleep 0.1
ouro snapshot -o "$folder/stopped"
tried=$(od -A n -t u8 -j 64 -N 8 "$folder/books1" | tr -d ' ')
[[ $(newest stopped) == "$tried" || $(newest stopped) == $((tried - 1)) ]] || fail "a stopped program's last is $(newest stopped), its books say $tried"
kill -CONT "$program"

# ---- what is on changes while it flies; a recorder that draws the trace beside it does not take it away
expect_equal "enable" "$("$OURO_BIN" disable flight storm:text)" "session flight: 1 events of 1 processes are on"
"$OURO_BIN" record -o "$folder/beside" -p "$program" --for 200ms 2>/dev/null
expect_equal "kind, behind another recording" "$(field flight kind)" flight

# ---- killed: all of it is there
kill -9 "$program"
wait_for 20 bash -c "! kill -0 $program 2>/dev/null"
tried=$(od -A n -t u8 -j 64 -N 8 "$folder/books1" | tr -d ' ')
expect_match "what there is" "$("$OURO_BIN" recover --list)" 'flight +flight +overwrite +0 '
ouro recover -o "$folder/killed"
number=$(newest killed)
[[ $number -ge $((tried - 2)) && $number -le $tried ]] || fail "a killed program's last is $number, its books say $tried"
ouro stop flight
expect_equal "files" "$(find "$OURO_RUNTIME_DIR" -name 'session-*' | wc -l)" 0

# ---- all programs, those that start later as well, and no tool
ouro record --flight --all --name always --buffer-size 1M
for i in 2 3; do
  "$programs/storm" "$folder/books$i" threads=1 events=2000 >/dev/null
done
"$programs/storm" "$folder/books4" threads=1 events=0 pause=1000 >/dev/null &
program=$!
cleanup+=("kill -9 $program 2>/dev/null")
in_it() { [[ $(field always events) -gt 4100 ]]; }
wait_for 20 in_it
expect_equal "processes" "$(field always processes)" 1
ouro snapshot -o "$folder/all"
expect_equal "programs" "$(babeltrace all | grep -c ouro:process)" 3
[[ $(count all storm:number) -gt 4000 ]] || fail "events of all: $(count all storm:number)"
ouro stop always
expect_equal "events that are on" "$("$OURO_BIN" list --json "$program" | grep -c '"enabled": true' || true)" 0
expect_equal "files" "$(find "$OURO_RUNTIME_DIR" -type f | wc -l)" 1
kill -9 "$program"

# ---- from the environment: no tool at all, one recorder for all programs that ask for it
export OURO_FLIGHT=1
for i in 5 6; do
  "$programs/storm" "$folder/books$i" threads=1 events=0 pause=1000 >/dev/null &
  programs_with_it+=($!)
  cleanup+=("kill -9 $! 2>/dev/null")
done
unset OURO_FLIGHT
both_in_it() { [[ $(field flight processes) == 2 && $(field flight events) -gt 1000 ]]; }
wait_for 20 both_in_it
expect_equal "kind" "$(field flight kind) $(field flight mode)" "flight overwrite"
kill -9 "${programs_with_it[@]}"
wait "${programs_with_it[@]}" 2>/dev/null || true
ouro recover -o "$folder/environment"
babeltrace environment >"$folder/text"
for i in 5 6; do
  tried=$(od -A n -t u8 -j 64 -N 8 "$folder/books$i" | tr -d ' ')
  grep -qE "number = ($tried|$((tried - 1)))( |$|,)" "$folder/text" || fail "program $i: $tried is not there"
done
ouro stop flight
expect_equal "files" "$(find "$OURO_RUNTIME_DIR" -type f | wc -l)" 0
OURO_FLIGHT=no "$programs/storm" "$folder/books7" threads=1 events=10 >/dev/null
expect_equal "files of one that does not ask for it" "$(find "$OURO_RUNTIME_DIR" -type f | wc -l)" 0

expect_equal "what a program does that may make no large files" "$(ulimit -f 1000; OURO_FLIGHT=1 "$programs/storm" "$folder/books8" threads=1 events=10)" 10

# ---- in the foreground: its status is the program's
status=0
"$OURO_BIN" record --flight -- bash -c 'exit 7' 2>/dev/null || status=$?
expect_equal "status" "$status" 7
status=0
"$OURO_BIN" record --flight -- bash -c 'kill -9 $$' 2>"$folder/said" || status=$?
expect_equal "status of one that was killed" "$status" 137
expect_match "what is said then" "$(cat "$folder/said")" 'killed by signal 9 \(Killed\): ouro recover flight-2 writes what it did'

# ---- one over whose header somebody wrote can be ended
ouro record --flight --all --name spoiled
printf '\xff\xff' | dd of="$OURO_RUNTIME_DIR/session-spoiled" bs=1 seek=36 conv=notrunc status=none
"$OURO_BIN" snapshot spoiled 2>/dev/null && fail "a snapshot of what makes no sense"
ouro stop spoiled
[[ ! -e $OURO_RUNTIME_DIR/session-spoiled ]] || fail "it is still there"

# ---- mistakes
refused() {  # refused STATUS PATTERN OPTION...
  local status=$1 pattern=$2 seen=0 said
  shift 2
  said=$("$OURO_BIN" "$@" 2>&1) || seen=$?
  expect_equal "status of ouro $*" "$seen" "$status"
  expect_match "what ouro $* says" "$said" "$pattern"
}
refused 1 'there are several sessions, want the name of one: flight, flight-2' snapshot
ouro stop flight flight-2
refused 1 'there is no session, want one \(hint: ouro record --flight' snapshot
refused 1 "session 'nobody' is not there" snapshot nobody
refused 1 "session 'nobody' is not there" stop nobody
refused 2 'no SESSION, want one' stop
refused 2 '--last is .soon., want a time' snapshot --last soon
refused 2 'output with --flight' record --flight -o x -- true
refused 2 'detach without --flight' record -d -- true
"$OURO_BIN" record -o "$folder/live" --name live -- sleep 20 >/dev/null 2>&1 &
recorder=$!
cleanup+=("kill -9 $recorder 2>/dev/null")
wait_for 20 test -e "$OURO_RUNTIME_DIR/session-live"
refused 1 "session 'live' is recorded by process $recorder, want none that is \(hint: kill -INT $recorder ends it\)" stop live
ouro recover
expect_match "nothing to recover" "$(cat "$folder/said")" 'there is nothing to recover'

# ---- a session that cannot be read: the others are shown, and the status says that they are not all
ouro record --flight --all --name good
expect_equal "the file" "$(field good file)" null
printf 'no session' >"$OURO_RUNTIME_DIR/session-bad"
for command in "status" "status --json" "recover --list" "recover"; do
  seen=0
  "$OURO_BIN" $command >"$folder/shown" 2>"$folder/said" || seen=$?
  expect_equal "status of ouro $command" "$seen" 1
  expect_match "what ouro $command says" "$(cat "$folder/said")" "session 'session-bad' has no header, want one"
  [[ $command == recover ]] || grep -q good "$folder/shown" || fail "ouro $command shows: $(cat "$folder/shown")"
  rm -rf ouro-recovered-*
done
ouro status good
rm "$OURO_RUNTIME_DIR/session-bad"
ouro status
seen=0
"$OURO_BIN" recover --json good >"$folder/shown" 2>"$folder/said" || seen=$?
expect_equal "status of ouro recover --json" "$seen" 2
expect_match "what it says" "$(cat "$folder/said")" 'json without --list, want both'
[[ ! -s $folder/shown ]] || fail "it shows: $(cat "$folder/shown")"
ouro stop good
kill -INT $recorder
wait $recorder || true
