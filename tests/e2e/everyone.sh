# All programs of the user: those that run, those that start later, many that are short; nothing of it stays.
source "$OURO_SOURCE/tests/e2e/lib.sh"

"$programs/storm" "$folder/books" threads=1 events=0 pause=2000 >"$folder/out" 2>&1 &
running=$!
cleanup+=("kill -9 $running 2>/dev/null")
wait_for 20 test -s "$folder/books"

"$OURO_BIN" record -o "$folder/all" --all --name all -e '*' -- sh -c '
  for i in 1 2 3 4 5 6 7 8 9 10; do
    for j in 1 2 3 4 5 6 7 8 9 10; do "$1" 20 >/dev/null & done
    wait
  done' sh "$programs/basic" 2>"$folder/all.summary" || fail "record: $(cat "$folder/all.summary")"
expect_equal "points of 100 programs that started later" "$(count all basic:point)" 2000
[[ $(count all storm:number) -gt 0 ]] || fail "nothing of the one that ran"
expect_equal "loss" "$(lost all)" 0
expect_equal "files afterwards" "$(cd "$OURO_RUNTIME_DIR" && ls)" "$running.0"

# Only who starts while it is open joins.
"$programs/basic" 20 >/dev/null
"$OURO_BIN" record -o "$folder/none" --all --for 200ms 2>"$folder/none.summary"
expect_equal "points of one that had ended" "$(count none basic:point)" 0

# Killed ones leave registries: swept away, by who records all.
"$OURO_BIN" record -o "$folder/kills" --all -- sh -c '
  for i in 1 2 3 4 5 6 7 8 9 10; do "$1" "$2.$i" threads=1 events=0 pause=1000 >/dev/null 2>&1 & kids="$kids $!"; done
  sleep 0.5; kill -9 $kids' sh "$programs/storm" "$folder/kill" 2>"$folder/kills.summary" || fail "record: $(cat "$folder/kills.summary")"
expect_equal "files after kills" "$(cd "$OURO_RUNTIME_DIR" && ls)" "$running.0"
