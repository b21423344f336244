# `ouro print` of a long trace by several threads: to the byte what one thread prints, losses and damage included.
source "$OURO_SOURCE/tests/e2e/lib.sh"

same() {  # same ARGUMENT...: text, what is said on stderr and status for one thread and for several
  local jobs
  for jobs in 1 2 5; do
    status=0
    timeout 60 "$OURO_BIN" print --jobs $jobs "$@" >"$folder/out.$jobs" 2>"$folder/said.$jobs" || status=$?
    echo "status $status" >>"$folder/said.$jobs"
  done
  for jobs in 2 5; do
    cmp "$folder/out.1" "$folder/out.$jobs" || fail "print $*: $jobs threads print something else"
    diff "$folder/said.1" "$folder/said.$jobs" || fail "print $*: $jobs threads say something else"
  done
}

# Two threads write more than their small rings hold.
timeout 60 "$OURO_BIN" record -o "$folder/storm" --buffer-size 64K --context thread -- "$programs/storm" "$folder/books" threads=2 events=200000 pause=20 >/dev/null 2>&1
size=$(cat "$folder"/storm/stream_* | wc -c)
((size > 6 << 20)) || fail "the trace has only $size bytes, too few for several parts"
for format in columns babeltrace json csv; do same "$folder/storm" --format $format; done
lines=$(wc -l <"$folder/out.1")
((lines > 100000)) || fail "only $lines lines"
same "$folder/storm" --relative --colour always --all
same "$folder/storm" --begin +5ms --end -5ms
same "$folder/storm" -f 'number % 50000 == 7' # most parts have none of these
same "$folder/storm" -e 'no:such' || true
same "$folder/storm" --tail 100
same "$folder/storm" "$folder/storm" --format babeltrace # each time twice, in two streams

# Damage inside a packet ends it; the packets' headers are sound, so several threads meet it.
cp -r "$folder/storm" "$folder/damaged"
stream=$(ls -S "$folder"/damaged/stream_* | head -1)
for part in 3 5; do
  head -c 64 /dev/zero | tr '\0' '\377' | dd of="$stream" bs=1 seek=$(($(stat -c %s "$stream") * part / 7)) conv=notrunc status=none
done
same "$folder/damaged"
expect_match "what is said of the damage" "$(cat "$folder/said.5")" 'is damaged in [0-9]+ places'
(($(wc -l <"$folder/out.5") < lines)) || fail "the damage cost nothing"
# A packet that lies of its size: where the next one begins is sought, by one thread.
printf '\377\377' | dd of="$stream" bs=1 seek=4 conv=notrunc status=none
same "$folder/damaged"
expect_match "what is said of the damage" "$(cat "$folder/said.5")" 'is damaged in [0-9]+ places'

# Who has seen enough ends all threads.
timeout 20 "$OURO_BIN" print --jobs 4 "$folder/storm" 2>"$folder/said" | head -3 | wc -l | grep -qx 3 || fail "no three lines"
status=0
timeout 20 "$OURO_BIN" print --jobs 4 "$folder/storm" >/dev/full 2>"$folder/said" || status=$?
expect_equal "status at a full disk" "$status" 1
expect_match "what is said" "$(cat "$folder/said")" 'standard output cannot be written: No space left on device'
for jobs in 257 x -1; do
  status=0
  "$OURO_BIN" print "$folder/storm" --jobs=$jobs 2>"$folder/said" || status=$?
  expect_equal "status of --jobs $jobs" "$status" 2
  expect_match "what is said of it" "$(cat "$folder/said")" "--jobs is '?$jobs'?, want (a number of threads|at most 256)"
done
