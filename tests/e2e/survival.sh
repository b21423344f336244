# The recorder may die, and the runtime folder vanish: the program goes on, and can be recorded anew.
source "$OURO_SOURCE/tests/e2e/lib.sh"

tried() { od -An -t u8 -j 64 -N 8 "$folder/books" 2>/dev/null | tr -d ' '; }  # by storm's first thread
has_tried_more_than() { [[ $(tried) -gt $1 ]]; }

for options in "" "--overwrite"; do
  rm -f "$folder/books" "$folder/pid"
  "$OURO_BIN" record -o "$folder/dead$options" $options --buffer-size 256K -- \
    sh -c 'echo $$ >"$1.new"; mv "$1.new" "$1"; exec "$2" "$3" threads=2 events=0 text=7 long=11' \
    sh "$folder/pid" "$programs/storm" "$folder/books" 2>/dev/null >&2 &
  recorder=$!
  wait_for 20 test -s "$folder/pid"
  program=$(cat "$folder/pid")
  cleanup+=("kill -9 $recorder $program 2>/dev/null")
  wait_for 20 has_tried_more_than 1000
  kill -9 $recorder
  wait $recorder 2>/dev/null || true
  # Far beyond what its buffers hold.
  wait_for 20 has_tried_more_than $(($(tried) + 500000))
  rm -rf "$OURO_RUNTIME_DIR"
  wait_for 20 has_tried_more_than $(($(tried) + 500000))
  kill -0 "$program" || fail "the program died with its recorder"
  kill -9 "$program"
done

# Left behind in the same folder: a registry and a session that nobody holds.
"$OURO_BIN" record -o "$folder/dead" -- sh -c 'kill -9 $PPID; exec "$1" 1000' sh "$programs/basic" >/dev/null 2>&1 || true
record anew -- "$programs/basic" 1000
expect_equal "points after that" "$(count anew basic:point)" 1000
