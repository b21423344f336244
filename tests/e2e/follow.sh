# `ouro print --follow`: events come while the recording goes on, each once, in order; it ends with the recording and says what there was.
source "$OURO_SOURCE/tests/e2e/lib.sh"

lines() { grep -c 'storm:' "$folder/$1.followed" || true; }
# follow NAME OPTION...: a recording of three seconds or so, and who follows it
follow() {
  local name=$1
  shift
  "$OURO_BIN" record -o "$folder/$name" "$@" -- "$programs/storm" "$folder/$name.books" threads=2 events=0 seconds=4 pause=10000 text=9 >"$folder/$name.tried" 2>"$folder/$name.said" &
  local recorder=$!
  cleanup+=("kill -9 $recorder 2>/dev/null")
  wait_for 20 test -e "$folder/$name"
  "$OURO_BIN" print --follow "$folder/$name" >"$folder/$name.followed" 2>"$folder/$name.end" &
  local follower=$!
  cleanup+=("kill -9 $follower 2>/dev/null")
  some() { (($(lines "$name") > 0)); }
  wait_for 20 some
  kill -0 $recorder || fail "$name: nothing was printed before the recording ended"
  wait $recorder || fail "$name: the recorder's status is $?"
  wait $follower || fail "$name: print's status is $?: $(cat "$folder/$name.end")"
  expect_equal "$name: events" "$(lines "$name")" "$(cat "$folder/$name.tried")"
  expect_equal "$name: each once" "$(grep -oE 'writer=[0-9]+ number=[0-9]+' "$folder/$name.followed" | sort -u | wc -l)" "$(cat "$folder/$name.tried")"
  expect_match "$name: its end" "$(tail -1 "$folder/$name.end")" "printed $(cat "$folder/$name.tried") of $(cat "$folder/$name.tried") events, 0 lost"
  # The same, in the same order, as is printed afterwards; the clock, widths of columns and names of threads may be known better then.
  "$OURO_BIN" print "$folder/$name" 2>/dev/null | grep -oE 'writer=[0-9]+ number=[0-9]+' >"$folder/$name.order"
  grep -oE 'writer=[0-9]+ number=[0-9]+' "$folder/$name.followed" | cmp - "$folder/$name.order" || fail "$name: is not what is printed afterwards"
}
follow one --buffer-size 4M
follow pieces --buffer-size 4M --rotate 2500ms

# ---- who follows may leave; a trace that nobody records is printed
"$OURO_BIN" record -o "$folder/left" -- "$programs/storm" "$folder/left.books" threads=1 events=0 seconds=4 pause=10000 >"$folder/left.tried" 2>/dev/null &
recorder=$!
wait_for 20 test -e "$folder/left"
status=0
timeout -s INT 3 "$OURO_BIN" print --follow "$folder/left" >/dev/null 2>"$folder/left.end" || status=$?
expect_equal "status after Ctrl-C" "$status" 124  # timeout's own; print's is 0
expect_match "what it says" "$(cat "$folder/left.end")" 'printed [0-9]+ events; the recording goes on'
wait $recorder || fail "the recorder's status is $?"
expect_match "of a trace that is whole" "$("$OURO_BIN" print --follow "$folder/left" 2>&1 >/dev/null)" "printed $(cat "$folder/left.tried") of "

# ---- mistakes
expect_match "with --tail" "$("$OURO_BIN" print --follow --tail 3 "$folder/left" 2>&1)" 'want it alone'
expect_match "with csv" "$("$OURO_BIN" print --follow --format csv "$folder/left" 2>&1)" 'want columns or json'
