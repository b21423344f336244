# ouro check: books of what was recorded, of losses, and of traces that are damaged one way or the other.
source "$OURO_SOURCE/tests/e2e/lib.sh"

check() {  # check TRACE: what it says on stderr goes to $folder/said, its status is the answer
  timeout 60 "$OURO_BIN" check "$folder/$1" >"$folder/out" 2>"$folder/said"
}
damaged() {  # damaged TRACE PATTERN: it is, for that reason, and status 1 says so
  local status=0
  check "$1" || status=$?
  expect_equal "status of $1" "$status" 1
  expect_match "what is wrong with $1" "$(grep FAULT "$folder/out")" "$2"
  expect_match "verdict on $1" "$(cat "$folder/said")" '^ouro: checked 1 trace: damaged; '
}

# ---- sound
record sound -- "$programs/storm" "$folder/books" threads=2 events=20000 pause=500 >/dev/null
check sound || fail "status $? of a sound trace: $(cat "$folder/out" "$folder/said")"
expect_equal "verdict" "$(cat "$folder/said")" "ouro: checked 1 trace: sound; $(recorded sound) events, $(lost sound) lost, 0 faults"
expect_equal "the same as JSON" "$("$OURO_BIN" check --json "$folder/sound" 2>/dev/null | head -2 | tail -1)" '  "sound": true,'

# ---- a file that is not there: the recorder counted its packets
cp -r "$folder/sound" "$folder/without"
rm "$folder/without/$(cd "$folder/without" && ls | grep '^stream_' | head -1)"
damaged without 'stream_[a-z0-9_]*, byte 0: the file is not there; it had [0-9]* packets'

# ---- losses are no fault
timeout 60 "$OURO_BIN" record -o "$folder/lossy" --buffer-size 64K -- "$programs/storm" "$folder/books2" threads=2 events=200000 >/dev/null 2>"$folder/lossy.summary"
(($(lost lossy) > 0)) || fail "nothing was lost with small buffers"
check lossy || fail "status $? of a trace with losses: $(cat "$folder/out" "$folder/said")"
expect_equal "verdict" "$(cat "$folder/said")" "ouro: checked 1 trace: sound; $(recorded lossy) events, $(lost lossy) lost, 0 faults"

# ---- rotated: every piece
timeout 60 "$OURO_BIN" record --rotate 256K -o "$folder/rotated" -- "$programs/storm" "$folder/books3" threads=2 events=20000 pause=500 >/dev/null 2>&1
pieces=$(find "$folder/rotated" -name metadata | wc -l)
((pieces > 1)) || fail "$pieces pieces"
check rotated || fail "rotated: $(cat "$folder/out" "$folder/said")"
expect_match "verdict" "$(cat "$folder/said")" "^ouro: checked $pieces traces: sound; "

# ---- damaged
stream=$(ls -S "$folder/sound" | grep -v metadata | head -1)
copy() { cp -r "$folder/sound" "$folder/$1"; }
copy cut && truncate -s -100 "$folder/cut/$stream" && damaged cut "$stream, byte [0-9]+: packet of [0-9]+ bytes is cut off after [0-9]+"
# In the midst of events: the first packets may be short, and padding is zeros anyway.
full=$(python3 -c 'import sys; b = open(sys.argv[1], "rb").read(); print(max(range(0, len(b) - 500, 100), key=lambda at: 500 - b[at:at + 500].count(0)))' "$folder/sound/$stream")
copy zeroes && dd if=/dev/zero of="$folder/zeroes/$stream" bs=1 seek="$full" count=500 conv=notrunc 2>/dev/null && damaged zeroes "$stream, byte [0-9]+: "
copy foreign && printf 'of another trace' | dd of="$folder/foreign/$stream" bs=1 seek=4 conv=notrunc 2>/dev/null && damaged foreign "$stream, byte 0: packet has another trace's uuid"
copy tail && echo garbage >>"$folder/tail/$stream" && damaged tail "$stream, byte [0-9]+: "
copy half && truncate -s 700 "$folder/half/metadata" && damaged half 'metadata'

