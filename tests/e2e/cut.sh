# ouro cut, merge and convert: what babeltrace2 says of the parts and the copies is what it says of the whole.
source "$OURO_SOURCE/tests/e2e/lib.sh"

said() { cat "$folder/said"; }
sound() { "$OURO_BIN" check "$folder/$1" >"$folder/out" 2>&1 || fail "$1 is not sound: $(cat "$folder/out")"; }
ouro() { timeout 60 "$OURO_BIN" "$@" 2>"$folder/said" || fail "ouro $*: status $?: $(said)"; }
# Sorted: of two streams' events of one nanosecond the text of one trace has one first, that of another the other.
stamps() { babeltrace2 --no-delta --clock-seconds "$folder/$1" 2>/dev/null | grep -v ' ouro:' | LC_ALL=C sort; }

# ---- a whole copy, of every type of field
record fields --context thread,uid -- "$programs/fields" >/dev/null
ouro convert --to ctf1.8 "$folder/fields" -o "$folder/copy"
expect_equal "what it says" "$(said | cut -d, -f1-2)" "ouro: converted $(recorded fields) of $(recorded fields) events, 0 lost"
babeltrace fields | grep -v ' ouro:stream:' >"$folder/wanted"  # the copy has other packets
babeltrace copy >"$folder/seen"
diff "$folder/wanted" "$folder/seen" || fail "the copy has another text"
diff <("$OURO_BIN" print "$folder/fields" 2>&1) <("$OURO_BIN" print "$folder/copy" 2>&1) || fail "names of threads are lost in the copy"
sound copy

# ---- CTF 2: metadata of another language, and nothing else
ouro convert --to ctf2 "$folder/fields" -o "$folder/ctf2"
expect_equal "its first fragment" "$(head -c 40 "$folder/ctf2/metadata" | tail -c 39 | cut -d, -f1-2)" '{"type":"preamble","version":2'

# ---- cut by time: exactly the events of that time, losses of that time
timeout 60 "$OURO_BIN" record -o "$folder/storm" --buffer-size 128K -- "$programs/storm" "$folder/books" threads=2 events=100000 pause=20 >/dev/null 2>"$folder/storm.summary"
stamps storm >"$folder/all"
lines=$(wc -l <"$folder/all")
# Between two events that are well apart: babeltrace2 rounds to nanoseconds in its own way.
apart_behind() {  # apart_behind LINE: a time of which no event is within 100 ns
  tail -n "+$1" "$folder/all" | sed -E 's/^\[([0-9]+)\.([0-9]+)\].*/\1\2/' | awk 'NR > 1 && !done && substr($1, 6) - last > 200 { printf "%s%014.0f\n", substr($1, 1, 5), last + 100; done = 1 } { last = substr($1, 6) }' | sed -E 's/(.{9})$/.\1/'
}
begin=$(apart_behind $((lines / 4)))
end=$(apart_behind $((lines / 2)))
ouro cut "$folder/storm" -o "$folder/part" --begin "$begin" --end "$end"
awk -v b="[$begin]" -v e="[$end]" '$1 >= b && $1 <= e' "$folder/all" >"$folder/wanted"
stamps part >"$folder/seen"
diff "$folder/wanted" "$folder/seen" >/dev/null || fail "the part has $(wc -l <"$folder/seen") events, want $(wc -l <"$folder/wanted")"
sound part
expect_match "its losses" "$(said)" '^ouro: cut [0-9]+ of [0-9]+ events, [0-9]+ lost among them, '
part_lost=$(said | sed -E 's/.* events, ([0-9]+) lost.*/\1/')
((part_lost <= $(lost storm))) || fail "the part lost $part_lost, the whole $(lost storm)"
# Parts that follow each other have all losses between them.
ouro cut "$folder/storm" -o "$folder/before" --end "$begin"
before_lost=$(said | sed -E 's/.* events, ([0-9]+) lost.*/\1/')
ouro cut "$folder/storm" -o "$folder/after" --begin "$end"
after_lost=$(said | sed -E 's/.* events, ([0-9]+) lost.*/\1/')
streams_lost=$("$OURO_BIN" check --json "$folder/storm" 2>/dev/null | sed -nE 's/^ *"lost": ([0-9]+),/\1/p' | awk '{ n += $1 } END { print n }')
((before_lost + part_lost + after_lost >= streams_lost)) || fail "parts lost $before_lost + $part_lost + $after_lost, the whole $streams_lost"

# ---- relative times, and events
ouro cut "$folder/storm" -o "$folder/last" --begin -1ms -e '*:number'
(($(count last storm:number) > 0)) || fail "nothing in the last millisecond"
expect_equal "others" "$(stamps last | grep -vc storm:number)" 0
sound last

# ---- merged: all events of both, in order, by one clock
ouro merge "$folder/fields" "$folder/storm" -o "$folder/both"
expect_match "its clock" "$(said)" 'times are nanoseconds since 1970'
expect_equal "events" "$(stamps both | wc -l)" "$(($(stamps fields | wc -l) + lines))"
times() { "$OURO_BIN" print "$folder/$1" -e 'storm:*' 2>/dev/null | sed 's/ +[0-9.]* / /' | sort; }  # as we read them: babeltrace2 rounds ticks in its own way
diff <(times storm) <(times both) >/dev/null || fail "the storm's events are others, merged"
sound both
ouro merge "$folder/part" "$folder/last" -o "$folder/same-clock"
[[ $(said) != *nanoseconds* ]] || fail "parts of one trace have one clock"
sound same-clock

# ---- a rotated recording is cut as one
timeout 60 "$OURO_BIN" record --rotate 256K -o "$folder/rotated" -- "$programs/storm" "$folder/books2" threads=1 events=20000 pause=500 >/dev/null 2>&1
ouro convert --to ctf1.8 "$folder/rotated" -o "$folder/joined"
expect_equal "events of all pieces" "$(stamps joined | wc -l)" "$(stamps rotated | wc -l)"
sound joined

# ---- refusals; and a damaged trace gives what is sound
refused() {  # refused STATUS PATTERN OURO-ARGUMENT...
  local wanted=$1 pattern=$2 status=0
  shift 2
  timeout 60 "$OURO_BIN" "$@" 2>"$folder/said" || status=$?
  expect_equal "status of ouro $*" "$status" "$wanted"
  expect_match "ouro $*" "$(said)" "$pattern"
}
refused 1 'is there already' cut "$folder/fields" -o "$folder/part" --begin +0
refused 2 'nothing says what part' cut "$folder/fields" -o "$folder/x"
refused 2 'want as 14:03:22' cut "$folder/fields" -o "$folder/x" --begin noon
refused 2 'want ctf1.8 or ctf2' convert "$folder/fields" -o "$folder/x" --to ctf3
refused 1 'cannot be made: No such file' merge "$folder/fields" -o "$folder/x/y"
cp -r "$folder/fields" "$folder/damaged" && echo garbage >>"$(ls "$folder"/damaged/stream_cpu* | head -1)"
refused 1 'damaged in 1 places' convert --to ctf1.8 "$folder/damaged" -o "$folder/saved"
sound saved
expect_equal "what is sound" "$(stamps saved | wc -l)" "$(recorded fields)"

# ---- a disk that is full
mkdir "$folder/small"
if mount -t tmpfs -o size=64k none "$folder/small" 2>/dev/null; then
  cleanup+=("umount '$folder/small'")
  refused 1 'No space left on device' convert --to ctf1.8 "$folder/storm" -o "$folder/small/copy"
fi
