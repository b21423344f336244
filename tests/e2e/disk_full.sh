# The disk is full while events are recorded: recording goes on in memory, what is lost is counted, and it carries on when there is room.
source "$OURO_SOURCE/tests/e2e/lib.sh"

disk=$folder/disk
mkdir "$disk"
mount -t tmpfs -o size=32m none "$disk" 2>/dev/null || skip "cannot mount a small file system (not root)"
cleanup+=("umount -l $disk")

said_of() { sed -nE "s/^ouro: recorded ([0-9]+) events, ([0-9]+) lost.*/\\$2/p" "$folder/$1.said"; }
unwritten_of() { sed -nE 's/^ouro: lost ([0-9]+) events: they could not be written to .*/\1/p' "$folder/$1.said"; }
said() { grep -q "$2" "$folder/$1.said"; }
fill() { dd if=/dev/zero of="$disk/filler" bs=64k count="${1-1000}" status=none 2>/dev/null || true; }
# What the trace holds is what was said, to both readers; with what was lost it is what the program tried.
balance() {  # balance NAME TRACE
  local recorded lost printed
  recorded=$(said_of "$1" 1) lost=$(said_of "$1" 2)
  expect_equal "recorded and lost, of $1" "$((recorded + lost))" "$(cat "$folder/$1.tried")"
  printed=$("$OURO_BIN" print "$2" 2>&1 >/dev/null) || fail "ouro print refuses $1: $printed"
  expect_match "what ouro print says of $1" "$printed" "of $recorded events, $lost lost"
  expect_equal "events of $1 by babeltrace2" "$(babeltrace2 "$2" 2>/dev/null | grep -cE ' storm:(number|text): ')" "$recorded"
}
start() {  # start NAME FOLDER EVENTS OPTION...
  local name=$1 to=$2 events=$3
  shift 3
  "$OURO_BIN" record -o "$to" "$@" -- "$programs/storm" "$folder/$name.books" threads=2 "events=$events" pause=2000 text=9 >"$folder/$name.tried" 2>"$folder/$name.said" &
  recorder=$!
  cleanup+=("kill -9 $recorder 2>/dev/null")
}

# ---- full for a while, in which memory holds all: nothing is lost
start short "$disk/short" 200000 --buffer-size 64M
wait_for 20 test -s "$disk/short/stream_cpu0" -o -s "$disk/short/stream_cpu1"
fill
wait_for 20 said short 'recording goes on in memory, and tries again every second'
expect_match "the warning" "$(cat "$folder/short.said")" "ouro: warning: trace '$disk/short': [a-z_0-9: ]+ of [0-9]+ bytes: No space left on device; recording"
sleep 0.5
rm "$disk/filler"
wait_for 20 said short 'the trace is written again, after [0-9.]* s; 0 events were lost meanwhile'
wait $recorder || fail "status $?, want 0: nothing is missing: $(cat "$folder/short.said")"
expect_equal "lines" "$(grep -c '' "$folder/short.said")" 3
expect_equal "lost" "$(said_of short 2)" 0
balance short "$disk/short"
rm -r "$disk/short"

# ---- ... longer than memory lasts: the ring counts what finds no room
start long "$disk/long" 200000 --buffer-size 256K
wait_for 20 test -s "$disk/long/stream_cpu0" -o -s "$disk/long/stream_cpu1"
fill
wait_for 20 said long 'goes on in memory'
sleep 1.5
rm "$disk/filler"
wait_for 20 said long 'the trace is written again, after [0-9.]* s; [1-9][0-9]* events were lost meanwhile'
status=0
wait $recorder || status=$?
expect_equal "status" "$status" 1
[[ $(said_of long 2) -gt 0 ]] || fail "nothing was lost"
balance long "$disk/long"
rm -r "$disk/long"

# ---- ... to the end: what memory held is lost, and counted; the trace has its description and its losses all the same
start end "$disk/end" 100000 --buffer-size 1M
wait_for 20 test -s "$disk/end/stream_cpu0" -o -s "$disk/end/stream_cpu1"
fill
status=0
wait $recorder || status=$?
expect_equal "status" "$status" 1
[[ $(unwritten_of end) -gt 0 ]] || fail "nothing was unwritten: $(cat "$folder/end.said")"
balance end "$disk/end"
expect_match "losses by cause" "$(babeltrace2 "$disk/end" 2>/dev/null | grep -c 'cause = "unwritten"')" '[12]'
rm -r "$disk/end" "$disk/filler"

# ---- in pieces that are kept within less than there is: no trouble; a full disk between two of them is none of a seam's
start kept "$disk/kept" 300000 --rotate 1M --keep 8M --buffer-size 256K
sleep 1
fill
wait_for 20 said kept 'goes on in memory'
sleep 0.5
rm "$disk/filler"
status=0
wait $recorder || status=$?
expect_equal "recorded and lost, in pieces" "$(($(said_of kept 1) + $(said_of kept 2)))" "$(cat "$folder/kept.tried")"
gone=$(sed -nE 's/.*with ([0-9]+) of these events$/\1/p' "$folder/kept.said")
expect_equal "events that are left" "$(babeltrace2 "$disk/kept" 2>/dev/null | grep -cE ' storm:(number|text): ')" "$(($(said_of kept 1) - gone))"
rm -r "$disk/kept"

# ---- a file may not be larger: the same, without a disk that is full
start limited "$folder/limited" 100000 --buffer-size 1M
wait_for 20 test -s "$folder/limited/stream_cpu0" -o -s "$folder/limited/stream_cpu1"
prlimit --pid $recorder --fsize=400000:
wait $recorder || true
expect_match "the warning" "$(cat "$folder/limited.said")" 'File too large; recording goes on in memory'
[[ $(unwritten_of limited) -gt 0 ]] || fail "nothing was unwritten: $(cat "$folder/limited.said")"
balance limited "$folder/limited"
