# ouro record --on: what happens in programs, to them, and outside; what is done then.
source "$OURO_SOURCE/tests/e2e/lib.sh"

said=$folder/said
cleanup+=('pkill -9 -f "$folder/incidents"; "$OURO_BIN" stop watched 2>/dev/null')
cp "$programs/incidents" "$folder/incidents"
cd "$folder"
mkfifo lines
# begin OPTION...: a program that obeys do_, under a flight recorder with these triggers.
begin() {
  timeout 60 "$OURO_BIN" record --flight --name watched "$@" -- ./incidents <lines >answers 2>"$said" &
  recorder=$!
  exec 3>lines
  do_ exit_not
}
answered() { wc -l <answers; }
do_() {
  local before
  before=$(answered 2>/dev/null || echo 0)
  echo "$*" >&3
  case $1 in exit | abort) ;; *) wait_for 20 eval "((\$(answered) > $before))" ;; esac
}
end() {
  do_ exit
  exec 3>&-
  status=0
  wait "$recorder" || status=$?
  "$OURO_BIN" stop watched 2>/dev/null
}
times() { sed -nE "s/^ouro: trigger '$1': it happened ([0-9]+) times.*, and ([0-9]+) times.*/\1 \2/p" "$said"; }
lines_of() { cat "$1" 2>/dev/null | wc -l; }

# ---- an event that matches: its fields; a second one is held off; snapshots go beside each other
begin --on 'event incident:event if number > 100' --do snapshot --do 'run env | grep ^OURO_ | sort > "seen.$OURO_FIELD_number"'
do_ event 5 small
do_ event 500 large
wait_for 20 test -s seen.500
do_ event 600 again
end
expect_equal "status" "$status" 0
expect_equal "matches, and what was done" "$(times 'event incident:event if number > 100')" "2 1"
expect_equal "fields" "$(grep -E '^OURO_FIELD|_EVENT|_SESSION' seen.500 | tr '\n' ' ')" \
  "OURO_FIELD_number=500 OURO_FIELD_text=large OURO_TRIGGER_EVENT=incident:event OURO_TRIGGER_SESSION=watched "
snapshot=$(sed -n 's/^OURO_TRIGGER_SNAPSHOT=//p' seen.500)
expect_equal "the snapshot's events" "$(timeout 60 babeltrace2 "$snapshot" | grep -c 'incident:event:')" 2
expect_match "when it was seen" "$(grep 'seen after' "$said")" 'seen after [0-9.]+ ms at most'

# ---- spans, counters, so many within a time, no hold-off, at most so many a day
begin --on 'span incident:span > 200ms' --hold-off 0 --do 'run echo "$OURO_TRIGGER_EVENT $OURO_FIELD_us $OURO_TRIGGER_SPAN_NS" >> spans' \
  --on 'counter incident:level > 10' --hold-off 0 --per-day 2 --do 'run echo x >> levels' \
  --on 'event incident:event' --times 3/30s --hold-off 0 --do 'run echo x >> thirds'
do_ span 1000
do_ span 300000
wait_for 20 test -s spans
do_ jump 100
do_ span 0 0 400000
wait_for 20 test "$(lines_of spans)" -ge 1
for level in 5 11 12 13; do do_ counter $level && sleep 0.2; done
for number in 1 2 3 4 5; do do_ event $number x && sleep 0.2; done
end
expect_match "spans" "$(times 'span incident:span > 200ms')" '^4 [1-4]$'
expect_match "the first one" "$(head -1 spans)" '^incident:span 300000 [0-9]{9,11}$'
(($(head -1 spans | cut -d' ' -f3) >= 300000000)) || fail "a span of 300 ms took $(head -1 spans | cut -d' ' -f3) ns"
expect_equal "levels" "$(times 'counter incident:level > 10')" "3 2"
expect_equal "lines of levels" "$(lines_of levels)" 2
expect_equal "thirds" "$(times 'event incident:event')" "5 1"

# ---- a signal to ouro, a time that comes again and again, a delay; an action that fails is said, the next is done
begin --on 'signal USR1' --delay 300ms --do 'run exit 3' --do 'run echo "$OURO_TRIGGER" > signalled' --on 'every 200ms' --do 'run echo x >> again'
kill -USR1 "$(pgrep -P $recorder ouro || echo $recorder)"
sleep 0.1
[[ ! -e signalled ]] || fail "the delay of 300 ms is over after 100"
wait_for 20 test -s signalled
wait_for 20 eval '(($(lines_of again) >= 3))'
end
expect_equal "which" "$(cat signalled)" "signal USR1"
expect_match "what failed" "$(cat "$said")" "warning: trigger 'signal USR1': action 1 ended with status 3"

# ---- a crash, of the program or of one that is attached to; an ordinary end is none
begin --on crash --do snapshot --do 'run env | grep -E "TRIGGER_(PID|SIGNAL|PROGRAM)" | sort > crashed'
do_ event 1 last_words
do_ abort
exec 3>&-
status=0
wait "$recorder" || status=$?
expect_equal "status" "$status" 134
expect_match "who and why" "$(tr '\n' ' ' <crashed)" '^OURO_TRIGGER_PID=[0-9]+ OURO_TRIGGER_PROGRAM=incidents OURO_TRIGGER_SIGNAL=6 $'
"$OURO_BIN" stop watched 2>/dev/null
rm crashed

# ---- watched in the background, of all programs; ouro stop ends that too, and nothing is left
timeout 60 "$OURO_BIN" record --flight --name watched --all -d --on crash --hold-off 0 --do 'run echo "$OURO_TRIGGER_SIGNAL" >> crashed' \
  --on 'event incident:event if number > 100' --do 'run echo "$OURO_FIELD_text" > background' 2>"$said"
echo "event 7 quiet
event 700 loud" | ./incidents >/dev/null
wait_for 20 test -s background
expect_equal "which" "$(cat background)" loud
./incidents <lines >/dev/null &
program=$!
exec 3>lines
wait_for 20 test -e "$OURO_RUNTIME_DIR/$program.0"
sleep 0.5
kill -SEGV $program
exec 3>&-
wait_for 20 test -s crashed
expect_equal "crashes" "$(cat crashed)" 11
"$OURO_BIN" stop watched 2>/dev/null
wait_for 20 eval '! ls "$OURO_RUNTIME_DIR" | grep -q watched'

# ---- beside a trace that is written: buffers that fill, an end
timeout 60 "$OURO_BIN" record -o trace --on 'buffer > 1%' --do 'run echo x > full' --on 'event incident:event if text == "end"' --do stop -- ./incidents <lines >answers 2>"$said" &
recorder=$!
exec 3>lines
do_ many 300000
wait_for 20 test -s full
do_ event 1 end
wait "$recorder" || fail "status $?: $(cat "$said")"
exec 3>&-
expect_match "what it says" "$(cat "$said")" 'ouro: recorded [0-9]+ events'

# ---- mistakes
! "$OURO_BIN" record --flight --on 'event incident:event if colour == 1' -- ./incidents </dev/null 2>"$said" || fail "a field that is not there"
expect_match "what is wrong" "$(cat "$said")" 'colour'
expect_equal "sessions" "$("$OURO_BIN" list --sessions | grep -c watched)" 0

# ---- a trace that goes on in a new folder where something happened
timeout 60 "$OURO_BIN" record -o pieces --on 'event incident:event if text == "here"' --hold-off 0 --do rotate -- ./incidents <lines >answers 2>"$said" &
recorder=$!
exec 3>lines
do_ event 1 before
do_ event 2 here
wait_for 20 eval '(($(ls pieces | wc -l) == 2))'
do_ event 3 behind
do_ exit
wait "$recorder" || fail "status $?: $(cat "$said")"
exec 3>&-
expect_equal "events of each" "$(for piece in pieces/*; do timeout 60 babeltrace2 "$piece" | grep -c incident:event:; done | tr '\n' ' ')" "2 1 "

# ---- a recorder is killed, and resumed with its triggers: they see programs that run, and such as start
# One action is over before the next one is to be done.
seen() {  # seen TEXT FILE
  wait_for 20 grep -qx "$1" "$2"
  sleep 0.3
}
begin_all() {  # begin_all OPTION...: its process is $recorder
  "$OURO_BIN" record --all "$@" --on 'event incident:event if text == "here"' --hold-off 0 --do 'run echo "$OURO_FIELD_number" >> matched' 2>>"$said" &
  recorder=$!
  cleanup+=("kill -9 $recorder 2>/dev/null")
}
./incidents <lines >answers &
program=$!
exec 3>lines
do_ event 1 warm_up
: >"$said"
begin_all -o resumed --name resumed
wait_for 20 grep -q 'session resumed: ' "$said"
do_ event 2 here
seen 2 matched
kill -9 $recorder
wait $recorder 2>/dev/null || true
do_ event 3 here
begin_all --resume resumed --on 'event incident:event if text == "end"' --do stop
wait_for 20 grep -q 'session resumed: resumed' "$said"
do_ event 4 here
seen 4 matched
echo "event 5 here" | ./incidents >/dev/null
seen 5 matched
do_ event 6 end
wait $recorder || fail "status $?: $(cat "$said")"
expect_equal "what was seen" "$(tr '\n' ' ' <matched)" "2 4 5 "
expect_equal "events" "$(timeout 60 babeltrace2 resumed | grep -oE 'number = [0-9]+' | grep -oE '[0-9]+' | sort | tr '\n' ' ')" "2 3 4 5 6 "
expect_match "what it says at its end" "$(cat "$said")" "trigger 'event incident:event if text == \"here\"': it happened 2 times"
expect_equal "what is left" "$(ls "$OURO_RUNTIME_DIR" | grep -c resumed || true)" 0
echo exit >&3
exec 3>&-
wait $program

# ---- of a recorder's own program: those that it becomes and starts have the triggers, too
mkfifo more stays
"$OURO_BIN" record -o own --on 'event incident:event' --hold-off 0 --do 'run echo "$OURO_FIELD_text" >> own.matched' -- sh -c './incidents <stays >/dev/null & ./incidents; echo 1 >>turns; ./incidents; echo 2 >>turns; exec ./incidents' <more >answers 2>>"$said" &
recorder=$!
exec 3>more 4>stays  # one of them is always there: else it would be over
do_ event 1 first
seen first own.matched
kill -9 $recorder
wait $recorder 2>/dev/null || true
"$OURO_BIN" record --resume own --on 'event incident:event' --hold-off 0 --do 'run echo "$OURO_FIELD_text" >> own.matched' 2>own.said &
recorder=$!
cleanup+=("kill -9 $recorder 2>/dev/null")
wait_for 20 grep -q resumed own.said
do_ event 2 second
seen second own.matched
do_ exit
wait_for 20 grep -q 1 turns
do_ event 3 third
seen third own.matched
do_ exit
wait_for 20 grep -q 2 turns
do_ event 4 fourth
seen fourth own.matched
do_ exit
echo exit >&4
exec 3>&- 4>&-
wait $recorder || fail "status $?: $(cat own.said)"
expect_equal "events" "$(timeout 60 babeltrace2 own | grep -c incident:event:)" 4
! "$OURO_BIN" record --resume own --on 'event' 2>"$said" || fail "a trigger that makes no sense"
expect_match "what is wrong" "$(cat "$said")" "on is 'event', want event NAME"
