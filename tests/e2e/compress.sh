# Traces are compressed when they are whole; ouro reads them as they are, others after zstd -d.
source "$OURO_SOURCE/tests/e2e/lib.sh"

# count in what ouro print says at its end: printed SEEN of EVENTS, LOST
printed() { "$OURO_BIN" print "$1" 2>&1 >/dev/null | sed -nE 's/^ouro: printed [0-9]+ of ([0-9]+) events, ([0-9]+) lost.*/\1 \2/p'; }
said() { sed -nE 's/^ouro: recorded ([0-9]+) events, ([0-9]+) lost.*/\1 \2/p' "$folder/said"; }

# ---- one trace
tried=$("$OURO_BIN" record --compress -o "$folder/one" -- "$programs/storm" "$folder/books1" threads=2 events=20000 pause=1000 text=3 2>"$folder/said")
expect_match "what it says" "$(cat "$folder/said")" 'compressed: [0-9.]+ [kM]B less'
expect_equal "files" "$(ls -A "$folder/one" | grep -v -e '^stream_cpu[0-9]*.zst$' | xargs)" "metadata ouro_state.zst"
expect_equal "printed" "$(printed "$folder/one")" "$(said)"
"$OURO_BIN" stats "$folder/one" | grep -q storm:text || fail "stats: $("$OURO_BIN" stats "$folder/one")"
[[ $("$OURO_BIN" print "$folder/one" 2>/dev/null | head -1) == *storm* ]] || fail "print: $("$OURO_BIN" print "$folder/one" | head -1)"
recorded=$(said)
zstd -q -d --rm "$folder"/one/*.zst
expect_equal "events by babeltrace2" "$(babeltrace one | grep -cE ' storm:(number|text): ')" "${recorded% *}"

# ---- in pieces, of which some go: the sum holds, the newest are there
tried=$("$OURO_BIN" record --compress --rotate 128K --keep 512K --buffer-size 256K -o "$folder/many" -- "$programs/storm" "$folder/books2" threads=1 events=60000 pause=1000 text=5 2>"$folder/said")
gone=$(sed -nE 's/.*with ([0-9]+) of these events$/\1/p' "$folder/said")
read -r recorded lost < <(said)
expect_equal "recorded and lost" "$((recorded + lost))" "$tried"
read -r left _ < <(printed "$folder/many")
expect_equal "what is left" "$left" "$((recorded - gone))"
[[ $(find "$folder/many" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }') -le $((512 << 10)) ]] || fail "takes too much"
expect_equal "streams that are not compressed, or half" "$(find "$folder/many" -type f ! -name '*.zst' ! -name metadata | wc -l)" 0

# ---- damaged: what is sound is read, the rest is said, the status says so
file=$(find "$folder/many" -name 'stream_cpu*.zst' -size +4k | sort | tail -1)
truncate -s -1000 "$file"
status=0
"$OURO_BIN" print "$folder/many" >"$folder/printed" 2>"$folder/said" || status=$?
expect_equal "status" "$status" 1
expect_match "what it says" "$(cat "$folder/said")" "warning: print: .*stream_cpu[0-9]+.zst' is damaged at byte [0-9]+ of [0-9]+: it is cut off; of [0-9]+ bytes in it, [0-9]+ were had"
[[ $(wc -l <"$folder/printed") -gt $((left / 2)) ]] || fail "$(wc -l <"$folder/printed") of $left events"
