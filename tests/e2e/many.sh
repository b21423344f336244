# A program has more events than its filter words can tell apart: what is asked for comes, and nothing else.
source "$OURO_SOURCE/tests/e2e/lib.sh"

seen() { babeltrace "$1" | grep -oE 'many:e[0-9]+: .*number = [0-9]+, turn = [0-9]+' | sed -E 's/^many:e([0-9]+): .*number = ([0-9]+), turn = ([0-9]+)/\1 \2 \3/'; }
wanted() { for turn in 0 1 2; do seq 100 699 | grep -E "$1" | sed "s/.*/& & $turn/"; done; }

record all -- "$programs/many" >"$folder/all.out"
expect_equal "events with an inline path" "$(cat "$folder/all.out")" "600 of 600"
diff <(wanted .) <(seen all) || fail "not what the program did"
record some -e 'many:e?[3-5]?' -- "$programs/many" >"$folder/some.out"
diff <(wanted '^.[3-5].$') <(seen some) || fail "not what was asked for"
expect_equal "loss" "$(lost all) $(lost some)" "0 0"

# ---- which of them are on changes as they come: their words are the same for some that are on and some that are off
"$programs/many" 1000000000 2000 >/dev/null &
program=$!
cleanup+=("kill -9 $program 2>/dev/null")
"$OURO_BIN" record -o "$folder/live" -p "$program" --name live -e 'many:*' --for 20s 2>"$folder/live.summary" &
recorder=$!
cleanup+=("kill -9 $recorder 2>/dev/null")
wait_for 20 "$OURO_BIN" enable live 'many:e6*' --filter 'turn >= 0' >/dev/null 2>&1
sleep 0.2
"$OURO_BIN" disable live 'many:e?[3-5]?' >/dev/null
sleep 0.2
"$OURO_BIN" enable live 'many:e1[3-5]?' >/dev/null
sleep 0.2
kill -INT $recorder
wait $recorder || fail "$(cat "$folder/live.summary")"
expect_equal "loss" "$(lost live)" 0
# How often each came, stayed away and came again between its first turn and the last one of all, and whether it was there at the end.
runs=$(seen live | awk '{ if (!($1 in last)) runs[$1] = 1; else if ($3 != last[$1] + 1) ++runs[$1]; last[$1] = $3; if ($3 > newest) newest = $3 }
  END { for (e in runs) print e, runs[e], (last[e] >= newest - 1) }' | sort -n)
expected=$(for e in {100..699}; do
  case $e in 1[3-5]?) echo "$e 2 1" ;; ?[3-5]?) echo "$e 1 0" ;; *) echo "$e 1 1" ;; esac
done)
diff <(echo "$expected") <(echo "$runs") || fail "not what was on: event, runs, there at the end"
