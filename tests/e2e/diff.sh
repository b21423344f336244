# ouro stats of a part, and ouro diff: a trace against itself, against its own halves' like, and against one of a program that does less.
source "$OURO_SOURCE/tests/e2e/lib.sh"

record often -- "$programs/storm" "$folder/books" threads=1 events=20000 pause=100 >/dev/null
record seldom -- "$programs/storm" "$folder/books2" threads=1 events=4000 pause=5000 >/dev/null

# ---- stats of a time, and of events by a value
count_of() { "$OURO_BIN" stats --json "$@" 2>/dev/null | sed -nE 's/^  "event_count": ([0-9]+),/\1/p'; }
whole=$(count_of "$folder/often")
expect_equal "all of it" "$whole" "$(recorded often)"
first=$(count_of "$folder/often" --end +2ms)
rest=$(count_of "$folder/often" --begin +2000001ns)
((first > 0 && rest > 0)) || fail "$first events in the first 2 ms, $rest behind"
expect_equal "both parts" "$((first + rest))" "$whole"
expect_match "by writer" "$("$OURO_BIN" stats "$folder/often" --by writer)" 'storm:number writer=[0-9]+ +20000 '

# ---- nothing, and something
said=$("$OURO_BIN" diff "$folder/often" "$folder/often") || fail "a trace against itself: status $?"
expect_match "a trace against itself" "$said" 'Nothing differs by more than 5% beyond chance, of 1 comparisons'
said=$("$OURO_BIN" diff "$folder/often" "$folder/seldom")
expect_match "one that does less" "$said" 'storm:number +rate .* fewer'
expect_match "the other way round" "$("$OURO_BIN" diff "$folder/seldom" "$folder/often")" 'storm:number +rate .* more'
expect_match "as JSON" "$("$OURO_BIN" diff --json "$folder/often" "$folder/seldom")" '"significant": 1,'
