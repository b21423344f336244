# Flight recorders that programs ask for themselves: ouro::flight_recorder(). As with OURO_FLIGHT=1, and with what it takes beside that.
source "$OURO_SOURCE/tests/e2e/lib.sh"

ouro() { timeout 60 "$OURO_BIN" "$@" 2>"$folder/said" || fail "ouro $*: status $?: $(cat "$folder/said")"; }
field() { "$OURO_BIN" status --json "$1" 2>/dev/null | sed -nE "s/.*\"$2\": \"?([^\",]*)\"?,?\$/\1/p"; }
babeltrace() { timeout 60 babeltrace2 "$folder/$1" 2>"$folder/babeltrace.stderr" || fail "babeltrace2 refuses $1"; }
asks() { timeout 60 "$programs/asks" "$@" || fail "asks $*: status $?"; }

# ---- made, at a time when events have come already; killed: all since then is there
"$programs/asks" 1000 wait >"$folder/one" &
program=$!
cleanup+=("kill -9 $program 2>/dev/null")
wait_for 20 grep -qs done "$folder/one"
expect_equal "what it was told" "$(cat "$folder/one")" "0 "$'\n'"done"
expect_equal "kind" "$(field flight kind) $(field flight mode)" "flight overwrite"
kill -9 $program
wait $program 2>/dev/null || true
ouro recover -o "$folder/made"
expect_equal "events since it asked" "$(count made asks:after) $(count made asks:other) $(count made asks:detail)" "1000 1000 1000"
expect_equal "events before" "$(count made asks:before)" 0

# ---- another program joins it, of many threads at once; a second time is as the first; so it is with OURO_FLIGHT=1
expect_equal "threads are told" "$(asks 100 threads=16 | sort | uniq -c | tr -s ' ' | tr '\n' ';')" " 16 0 ; 1 done;"
OURO_FLIGHT=1 asks 50 >/dev/null
ouro snapshot -o "$folder/joined"
expect_equal "programs" "$(babeltrace joined | grep -c ouro:process)" 3
expect_equal "events of three" "$(count joined asks:after) $(count joined asks:before)" "1150 50"
ouro stop flight

# ---- ended, and asked for again: a new one
asks 10 >/dev/null
expect_equal "processes" "$(field flight processes)" 0
ouro stop flight

# ---- which events, how much, with what
asks 100 name=mine 'events=asks:*,!asks:other' level=6 buffer=100000 contexts=pid,thread >/dev/null
ouro snapshot mine -o "$folder/mine"
expect_equal "events of some globs and a level" "$(count mine asks:after) $(count mine asks:other) $(count mine asks:detail)" "100 0 0"
babeltrace mine >"$folder/text"
expect_match "contexts" "$(grep -m 1 asks:after "$folder/text")" 'pid = [0-9]+, thread = "asks"'
asks 1 name=twice buffer=200000 >/dev/null
possible=$(</sys/devices/system/cpu/possible)
size() { stat -c %s "$OURO_RUNTIME_DIR/session-$1"; }  # 16 parts and a spare one, of each CPU's two rings
expect_equal "memory of 256 KiB a CPU less that of 128" "$(($(size twice) - $(size mine)))" $((2 * (${possible##*[-,]} + 1) * 17 * 8192))
ouro stop mine twice
asks 100 'events=!asks:after' >/dev/null
ouro snapshot -o "$folder/not"
expect_equal "all but one" "$(count not asks:after) $(count not asks:other)" "0 100"
ouro stop flight

# ---- what else it may be told
first() { asks 1 "$@" | head -1; }
expect_match "no name" "$(first name=)" '^22 name: want'
expect_match "a path" "$(first name=../x)" '^22 name: want'
expect_match "a level" "$(first level=77)" '^22 level: want'
expect_match "too much" "$(first buffer=99999999999)" '^34 buffer_size: want 64 KiB to 512 MiB'
expect_match "too little" "$(first buffer=5)" '^34 buffer_size: want'
expect_match "contexts" "$(first contexts=pid,colour)" '^22 contexts: want'
expect_match "no globs" "$(first events=,)" '^22 events: want globs'
expect_match "an empty glob" "$(first 'events=a,!')" '^22 events: want globs'
expect_match "too many globs" "$(first "events=$(printf 'x%.0s' {1..70000})")" '^7 events: want fewer'
expect_match "switched off" "$(OURO_ATTACH=0 first)" '^19 nothing of this process can be traced'
expect_match "no large files" "$(ulimit -f 15000; first)" '^27 its memory cannot be had'
expect_equal "files that are left" "$(find "$OURO_RUNTIME_DIR" -type f | wc -l)" 0
"$OURO_BIN" record -o "$folder/live" --name live -- sleep 20 >/dev/null 2>&1 &
recorder=$!
cleanup+=("kill -9 $recorder 2>/dev/null")
wait_for 20 test -e "$OURO_RUNTIME_DIR/session-live"
expect_match "a name that is taken" "$(first name=live)" '^17 there is a session of this name that is no flight recorder'
mkdir "$OURO_RUNTIME_DIR/session-folder"
expect_match "a folder of that name" "$(first name=folder)" '^17 '
rmdir "$OURO_RUNTIME_DIR/session-folder"
kill -INT $recorder
wait $recorder || true
