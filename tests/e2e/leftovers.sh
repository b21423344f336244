# A recorder that is killed leaves its session behind: ouro doctor names it, and the next ouro record removes it, also from
# the program that is still running. Sessions of recorders that live are left alone.
source "$OURO_SOURCE/tests/e2e/lib.sh"

sessions() { (cd "$OURO_RUNTIME_DIR" && ls -d session-* 2>/dev/null | tr '\n' ' '); }
has_pid() { [[ -s $folder/pid ]]; }
events_on() { "$OURO_BIN" list --json "$program" | grep -c '"enabled": true' || true; }
tried() { od -An -t u8 -j 64 -N 8 "$folder/books" | tr -d ' '; }  # by storm's first thread
has_tried_more_than() { [[ $(tried) -gt $1 ]]; }
is_on() { [[ $(events_on) -gt 0 ]]; }

"$OURO_BIN" record -o "$folder/dead" --buffer-size 256K -- \
  sh -c 'echo $$ >"$1.new"; mv "$1.new" "$1"; exec "$2" "$3" threads=2 events=0' sh "$folder/pid" "$programs/storm" "$folder/books" \
  >/dev/null 2>&1 &
recorder=$!
cleanup+=("kill -9 $recorder 2>/dev/null")
wait_for 20 has_pid
program=$(cat "$folder/pid")
cleanup+=("kill -9 $program 2>/dev/null")
wait_for 20 is_on
kill -9 $recorder
wait $recorder 2>/dev/null || true
left=$(sessions)
expect_match "what the recorder left" "$left" '^session-[^ ]+ $'
expect_match "what doctor says" "$("$OURO_BIN" doctor)" "warn +sessions left behind: [^ ]*/${left% }, want none \\(hint: "
is_on || fail "the program was told by nobody, yet it is off"

# Another one, who lives and waits.
"$OURO_BIN" record -o "$folder/living" -- \
  sh -c 'touch "$1"; until test -e "$2"; do sleep 0.02; done; exec "$3" 1000' sh "$folder/waits" "$folder/go" "$programs/basic" \
  >/dev/null 2>"$folder/living.summary" &
living=$!
cleanup+=("kill -9 $living 2>/dev/null")
wait_for 20 test -e "$folder/waits"
expect_equal "events of the program that are on" "$(events_on)" 0
held=$(sessions)
[[ $held != *"$left"* ]] || fail "still there: $left"
expect_match "doctor" "$("$OURO_BIN" doctor)" "ok +sessions left behind: none"

record anew -- "$programs/basic" 1000
expect_equal "points of the third" "$(count anew basic:point)" 1000
expect_equal "sessions after it" "$(sessions)" "$held"
touch "$folder/go"
wait $living || fail "the second: $(cat "$folder/living.summary")"
expect_equal "points of the second" "$(count living basic:point)" 1000
expect_equal "sessions at the end" "$(sessions)" ""

before=$(tried)
wait_for 20 has_tried_more_than "$before"
kill -0 "$program" || fail "the program died of it"
