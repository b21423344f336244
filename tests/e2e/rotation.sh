# A recording in pieces: whole traces by size and by time, readable while the next one is written; the oldest go.
source "$OURO_SOURCE/tests/e2e/lib.sh"

sum_of() { awk '{ sum += $1 } END { print sum + 0 }'; }
pieces() { (cd "$folder/$1" && ls -d -- *Z-??????); }
events_of() { "$OURO_BIN" print "$1" 2>&1 >/dev/null | sed -nE 's/^ouro: printed [0-9]+ of ([0-9]+) events.*/\1/p'; }
lost_of() { "$OURO_BIN" print "$1" 2>&1 >/dev/null | sed -nE 's/^ouro: printed .* events, ([0-9]+) lost.*/\1/p'; }
# Numbers of all writers in a folder, "writer number", as babeltrace2 reads it.
numbers() { babeltrace2 "$folder/$1" 2>/dev/null | sed -nE 's/.*writer = ([0-9]+), number = ([0-9]+).*/\1 \2/p'; }

# ---- by size; each piece by both readers, the whole by ours and by babeltrace2's; books balance
tried=$("$OURO_BIN" record --rotate 256K --buffer-size 4M -o "$folder/size" -- "$programs/storm" "$folder/books" threads=4 events=40000 pause=2000 text=9 timer=500 2>"$folder/said")
recorded=$(sed -nE 's/^ouro: recorded ([0-9]+) events, ([0-9]+) lost, .* to .*/\1/p' "$folder/said")
lost=$(sed -nE 's/^ouro: recorded ([0-9]+) events, ([0-9]+) lost, .* to .*/\2/p' "$folder/said")
expect_equal "recorded and lost" "$((recorded + lost))" "$tried"
whole=$(pieces size | wc -l)
((whole > 5)) || fail "$whole pieces: $(cat "$folder/said")"
expect_match "what it says" "$(cat "$folder/said")" "in $whole traces; removed 0, "
expect_equal "parts" "$(find "$folder/size" -name '*.part' | wc -l)" 0
sum=0 sum_lost=0
for piece in $(pieces size); do
  in_piece=$(events_of "$folder/size/$piece")
  expect_equal "events of $piece by babeltrace2" "$(babeltrace "size/$piece" | grep -cE ' storm:(number|text): ')" "$in_piece"
  [[ $(count "size/$piece" ouro:process) -ge 1 ]] || fail "$piece does not name its process"
  sum=$((sum + in_piece)) sum_lost=$((sum_lost + $(lost_of "$folder/size/$piece")))
done
expect_equal "events of all pieces" "$sum" "$recorded"
expect_equal "losses of all pieces" "$sum_lost" "$lost"
expect_equal "events of the folder" "$(events_of "$folder/size")" "$recorded"
expect_equal "losses of the folder" "$(lost_of "$folder/size")" "$lost"
expect_equal "events by stats" "$("$OURO_BIN" stats --json "$folder/size" | sed -nE 's/^  "event_count": ([0-9]+),/\1/p')" "$recorded"
expect_equal "numbers, once each" "$(numbers size | sort -u | wc -l)" "$recorded"
"$OURO_BIN" print "$folder/size" 2>/dev/null | grep -oE '^[0-9:.]+' | sort -c || fail "the folder's events are not in order"

# ---- by time, while it goes on: what is whole is read, and so is the folder
"$OURO_BIN" record --rotate 300ms --rotate 100M -o "$folder/time" -- "$programs/storm" "$folder/books2" threads=1 events=0 pause=1000 2>"$folder/said" &
recorder=$!
cleanup+=("kill -9 $recorder 2>/dev/null" 'pkill -9 -f "$folder/books2"')
three_whole() { [[ $(find "$folder/time" -maxdepth 1 -name '*Z-??????' 2>/dev/null | wc -l) -ge 3 ]]; }
wait_for 20 three_whole
first=$(pieces time | head -1)
[[ $(events_of "$folder/time/$first") -gt 100 ]] || fail "the first: $(events_of "$folder/time/$first") events"
expect_equal "the first by babeltrace2" "$(babeltrace "time/$first" | grep -c ' storm:number: ')" "$(events_of "$folder/time/$first")"
[[ $(events_of "$folder/time") -gt 300 ]] || fail "the folder, while it is written: $(events_of "$folder/time") events"
"$OURO_BIN" record --rotate 1M -o "$folder/time" -- true 2>"$folder/refused" && fail "two recordings in one folder"
expect_match "of two recordings" "$(cat "$folder/refused")" 'another recording writes its traces there'
pkill -f "$folder/books2"
wait $recorder || true
last=$(numbers time | sort -n -k 2 | tail -1)
expect_equal "numbers" "$(numbers time | wc -l)" "$((${last#* } + 1))"

# ---- the oldest go; what stays is the newest, without a gap; the next recording goes on there
tried=$("$OURO_BIN" record --rotate 128K --keep 512K --buffer-size 256K -o "$folder/keep" -- "$programs/storm" "$folder/books3" threads=1 events=60000 pause=1000 2>"$folder/said")
read -r made removed gone < <(sed -nE 's/^ouro: in ([0-9]+) traces; removed ([0-9]+), the oldest, of .*, with ([0-9]+) of these events$/\1 \2 \3/p' "$folder/said")
expect_equal "traces" "$(pieces keep | wc -l)" "$((made - removed))"
((removed > 3)) || fail "removed $removed: $(cat "$folder/said")"
[[ $(find "$folder/keep" -type f -printf '%s\n' | sum_of) -le $((512 << 10)) ]] || fail "takes $(find "$folder/keep" -type f -printf '%s\n' | sum_of) bytes"
expect_equal "the newest" "$(numbers keep | awk 'NR == 1 || $2 == last + 1 { last = $2; n++ } END { print n, last }')" "$((tried - gone)) $((tried - 1))"
newest=$(pieces keep | tail -1)
"$OURO_BIN" record --keep 512K -o "$folder/keep" -- "$programs/storm" "$folder/books4" threads=1 events=1000 2>/dev/null >/dev/null
expect_match "the next recording's" "$(pieces keep | tail -1)" "-$(printf %06d $((10#${newest##*-} + 1)))\$"

# ---- mistakes
refused() {  # refused STATUS PATTERN OPTION...
  local status=$1 pattern=$2 seen=0 said
  shift 2
  said=$("$OURO_BIN" record "$@" -- true 2>&1) || seen=$?
  expect_equal "status of $*" "$seen" "$status"
  expect_match "what $* says" "$said" "$pattern"
}
refused 2 "--rotate is '5', want a size such as 100M or a time such as 1h" --rotate 5
refused 2 "--rotate is '2M', want .*, each once" --rotate 1M --rotate 2M
refused 2 "--rotate is 1K, want 64K or more" --rotate 1K
refused 2 "--keep is '1M', want 2M or more: two traces" --rotate 1M --keep 1M
refused 2 "--keep is 'much', want a size" --keep much
refused 2 "with --overwrite or --flight" --rotate 1M --overwrite
mkdir "$folder/mine" && touch "$folder/mine/letter"
refused 1 "holds 'letter', want a new folder, an empty one" --keep 1M -o "$folder/mine"
refused 1 "is not empty" -o "$folder/keep"
