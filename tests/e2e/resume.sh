# A recorder is killed, its programs are not: another one goes on with the same trace. Nothing is lost that memory still held, and nothing is twice.
source "$OURO_SOURCE/tests/e2e/lib.sh"

turns=${OURO_KILLS:-6}

printed() { "$OURO_BIN" print "$1" 2>&1 >/dev/null | sed -nE "s/^ouro: printed [0-9]+ of ([0-9]+) events, ([0-9]+) lost.*/\\$2/p"; }
has_events() { [[ -n $(find "$1" -name 'stream_*' -size +0 2>/dev/null) ]]; }
# run NAME KILLS OPTION...: a recording whose recorder is killed so often, and resumed
run() {
  local name=$1 kills=$2 recorder i
  shift 2
  "$OURO_BIN" record -o "$folder/$name" "$@" -- "$programs/storm" "$folder/$name.books" threads=3 events=$((50000 + turns * 15000)) pause=2000 text=9 long=501 timer=700 >"$folder/$name.tried" 2>"$folder/$name.said" &
  recorder=$!
  cleanup+=("kill -9 $recorder 2>/dev/null" "pkill -9 -f '$folder/$name.books'")
  wait_for 20 has_events "$folder/$name"
  for ((i = 0; i < kills; ++i)); do
    sleep "0.0$((RANDOM % 10))$((RANDOM % 10))"
    kill -9 $recorder 2>/dev/null || break  # the program has ended
    wait $recorder 2>/dev/null || true
    sleep "0.00$((RANDOM % 10))"
    "$OURO_BIN" record --resume "$folder/$name" "${resume_with[@]}" 2>"$folder/$name.said" &
    recorder=$!
    cleanup+=("kill -9 $recorder 2>/dev/null")
    resumed() { grep -q resumed "$folder/$name.said" || ! kill -0 $recorder 2>/dev/null; }
    wait_for 20 resumed
  done
  wait $recorder || fail "the last recorder's status is $?: $(cat "$folder/$name.said")"
  [[ $(grep -c '^ouro: session .*: resumed' "$folder/$name.said") == 1 ]] || fail "resumed: $(cat "$folder/$name.said")"
}
balance() {  # balance NAME
  local events lost
  events=$(printed "$folder/$1" 1) lost=$(printed "$folder/$1" 2)
  [[ -n $events ]] || fail "ouro print $1: $("$OURO_BIN" print "$folder/$1" 2>&1 >/dev/null)"
  expect_equal "in the trace and lost, of $1" "$((events + lost))" "$(cat "$folder/$1.tried")"
  babeltrace2 "$folder/$1" 2>"$folder/complaints" | sed -nE 's/.*writer = ([0-9]+), number = ([0-9]+).*/\1 \2/p' >"$folder/numbers"
  expect_equal "events of $1 by babeltrace2" "$(wc -l <"$folder/numbers")" "$events"
  expect_equal "of them each once" "$(sort -u "$folder/numbers" | wc -l)" "$events"
  grep -vE 'WARNING.*discarded' "$folder/complaints" | grep -q ERROR && fail "babeltrace2 complains: $(cat "$folder/complaints")"
  expect_equal "hidden files left" "$(find "$folder/$1" -name '.*' ! -path "$folder/$1" | wc -l)" 0
}

# ---- one trace, one recorder after the other
resume_with=()
run one "$turns" --buffer-size 4M
balance one
[[ $(babeltrace2 "$folder/one" 2>/dev/null | grep -c ' ouro:process: ') -ge 1 ]] || fail "it does not name its process"
expect_equal "losses where there was room" "$(printed "$folder/one" 2)" 0

# ---- memory too small for the time without one: that is counted, and nothing else is missing
run small 2 --buffer-size 64K
balance small

# ---- in pieces
resume_with=(--rotate 256K)
run pieces "$turns" --rotate 256K --buffer-size 4M
balance pieces
expect_equal "parts" "$(find "$folder/pieces" -name '*.part' | wc -l)" 0
[[ $(find "$folder/pieces" -maxdepth 1 -name '2*' | wc -l) -gt 5 ]] || fail "pieces: $(ls "$folder/pieces")"

# ---- it was just ending: nothing of what memory held is lost, and it ends
ended=0
mkfifo "$folder/lines"
"$programs/incidents" <"$folder/lines" >"$folder/answers" &
program=$!
cleanup+=("kill -9 $program 2>/dev/null")
exec 3>"$folder/lines"
for ((i = 1; i <= 60 && ended < 2; ++i)); do
  trace=$folder/ending$i
  "$OURO_BIN" record -p $program -o "$trace" 2>"$folder/said" &
  recorder=$!
  cleanup+=("kill -9 $recorder 2>/dev/null")
  wait_for 20 grep -q 'are on' "$folder/said"
  echo "many 1000" >&3
  answered() { (($(wc -l <"$folder/answers") == i)); }
  wait_for 20 answered
  kill -INT $recorder
  sleep "0.0$((RANDOM % 2))$((RANDOM % 10))"
  kill -9 $recorder 2>/dev/null || true
  wait $recorder 2>/dev/null || true
  if [[ -e $trace/.recorder ]]; then
    timeout 60 "$OURO_BIN" record --resume "$trace" --for 100ms 2>"$folder/said" || fail "status $?: $(cat "$folder/said")"
    if grep -q 'its recorder was killed as it ended' "$folder/said"; then ended=$((ended + 1)); fi
  fi
  expect_equal "events of try $i" "$(babeltrace2 "$trace" 2>/dev/null | grep -c ' incident:event: ')" 1000
  expect_equal "hidden files left" "$(find "$trace" -name '.*' | wc -l)" 0
done
((ended > 0)) || fail "of 60 recorders none was killed as it ended"
exec 3>&-
wait $program

# ---- mistakes
refused() {  # refused STATUS PATTERN OPTION...
  local status=$1 pattern=$2 seen=0 said
  shift 2
  said=$("$OURO_BIN" record "$@" 2>&1) || seen=$?
  expect_equal "status of $*" "$seen" "$status"
  expect_match "what $* says" "$said" "$pattern"
}
refused 1 'its recorder was not killed; there is nothing to resume' --resume "$folder/one"
refused 1 'has no trace whose recorder was killed' --resume "$folder/pieces"
refused 1 'is one trace, want a folder of them' --resume "$folder/one" --rotate 1M
refused 1 'No such file' --resume "$folder/nothing"
refused 2 'a program with --resume' --resume "$folder/one" -- true
refused 2 '--buffer-size with --resume' --resume "$folder/one" --buffer-size 1M
"$OURO_BIN" record -o "$folder/live" --name live -- sleep 20 >/dev/null 2>&1 &
recorder=$!
cleanup+=("kill -9 $recorder 2>/dev/null")
wait_for 20 test -e "$folder/live/.recorder"
program=$(pgrep -P $recorder)
cleanup+=("kill -9 $program 2>/dev/null")
refused 1 "session 'live' is somebody's, want one that nobody records" --resume "$folder/live"
kill -9 $recorder
wait $recorder 2>/dev/null || true
"$OURO_BIN" record -o "$folder/next" -- true 2>/dev/null
refused 1 'hint: it ended, or another ouro record removed it' --resume "$folder/live"
