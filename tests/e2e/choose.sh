# Which events: filters, levels, files, limits; changed while a program runs; several sessions on one program.
source "$OURO_SOURCE/tests/e2e/lib.sh"

"$programs/storm" "$folder/books" threads=1 events=0 pause=500 text=10 >"$folder/out" 2>&1 &
program=$!
cleanup+=("kill -9 $program 2>/dev/null")
wait_for 20 test -s "$folder/books"
text() { babeltrace "$1" | grep -oE 'storm:[a-z]+: .*' | sed -E 's/\{ cpu_id = [0-9]+ \}, //'; }

# ---- by what they hold
"$OURO_BIN" record -o "$folder/even" -p "$program" -e storm:number --filter 'number & 1 == 0 && tid != 0' --for 300ms 2>"$folder/even.summary" ||
  fail "$(cat "$folder/even.summary")"
[[ $(recorded even) -gt 20 ]] || fail "too few: $(cat "$folder/even.summary")"
expect_equal "odd numbers" "$(text even | grep -cE 'number = [0-9]*[13579] ' || true)" 0
expect_equal "numbers left out between two" "$(text even | sed -E 's/.*number = ([0-9]+) .*/\1/' | awk 'NR > 1 && $1 != last + 2 && $1 % 10 != 2 && last % 10 != 8 { n++ } { last = $1 } END { print n + 0 }')" 0

# ---- limits, with exact counts of what was left out
"$OURO_BIN" record -o "$folder/sampled" -p "$program" -e storm:number --sample 10 --for 500ms 2>"$folder/sampled.summary"
recorded=$(recorded sampled)
left=$(sed -nE 's/^ouro: left out ([0-9]+) events that are not among the samples.*/\1/p' "$folder/sampled.summary")
expect_equal "samples" "$recorded" $(((recorded + left + 9) / 10))
expect_match "stats" "$("$OURO_BIN" stats "$folder/sampled")" "Left out of storm:number, as asked for: 0 above the rate, $left not sampled"
"$OURO_BIN" record -o "$folder/few" -p "$program" -e storm:number --rate 7 --for 1500ms 2>"$folder/few.summary"
[[ $(recorded few) == 14 || $(recorded few) == 21 ]] || fail "at most 7 a second: $(cat "$folder/few.summary")"
expect_match "what was above the rate" "$(cat "$folder/few.summary")" 'left out [1-9][0-9]* events above --rate'

# ---- changed while it runs, from elsewhere
"$OURO_BIN" record -o "$folder/live" -p "$program" --name live -e storm:text --for 20s 2>"$folder/live.summary" &
recorder=$!
cleanup+=("kill -9 $recorder 2>/dev/null")
on() { "$OURO_BIN" list --json "$program" | grep -c '"enabled": true' || true; }
is() { [[ $(on) == "$1" ]]; }
wait_for 20 is 1
expect_equal "enable" "$("$OURO_BIN" enable live storm:number --filter 'number & 0xf == 0')" "session live: 2 events of 1 processes are on"
sleep 0.3
expect_equal "disable" "$("$OURO_BIN" disable live storm:text)" "session live: 1 events of 1 processes are on"
sleep 0.3
expect_equal "disable all" "$("$OURO_BIN" disable live '*')" "session live: 0 events of 1 processes are on"
kill -INT $recorder
wait $recorder || fail "$(cat "$folder/live.summary")"
[[ $(count live storm:text) -gt 0 && $(count live storm:number) -gt 0 ]] || fail "$(cat "$folder/live.summary")"
expect_equal "numbers that the filter rejects" "$(text live | sed -nE 's/.*storm:number: .*number = ([0-9]+) .*/\1/p' | awk '$1 % 16 { n++ } END { print n + 0 }')" 0
expect_equal "texts after the last number" "$(text live | tail -3 | grep -c storm:text || true)" 0

# ---- eight sessions at once, each with its own choice; none disturbs another
recorders=()
for i in {0..7}; do
  mode=$([[ $((i % 2)) == 0 ]] && echo "--buffer-size $((256 << i))K" || echo "--overwrite --buffer-size 8M")
  "$OURO_BIN" record -o "$folder/s$i" -p "$program" --name "s$i" $mode -e storm:number \
    --filter "number & 7 == $i" --for 2s 2>"$folder/s$i.summary" &
  recorders+=($!)
done
for i in {0..7}; do wait "${recorders[i]}" || fail "session $i: $(cat "$folder/s$i.summary")"; done
for i in {0..7}; do
  [[ $(recorded s$i) -gt 50 ]] || fail "session $i: $(cat "$folder/s$i.summary")"
  expect_equal "numbers of others in session $i" "$(text s$i | sed -E 's/.*number = ([0-9]+) .*/\1/' | awk -v i=$i '$1 % 8 != i { n++ } END { print n + 0 }')" 0
done

# ---- mistakes
refused() {  # refused PATTERN OPTION...
  local pattern=$1 said
  shift
  if said=$("$OURO_BIN" "$@" 2>&1); then fail "done: $*"; fi
  expect_match "what ouro $* says" "$said" "$pattern"
}
refused "'numbr' is no field of storm:number \(hint: number\?\)" record -p "$program" -e storm:number --filter 'numbr > 2'
refused $'  number >\n          \\^' record -p "$program" -e storm:number --filter 'number >'
refused 'level is .loud., want one of emergency, ' record -p "$program" --level loud
refused 'rate is .0., want a number above 0' record -p "$program" --rate 0
refused 'filter is given twice for the same events' record -p "$program" --filter 'a == 1' --filter 'b == 1'
refused "there is no session 'nobody', want one that somebody records" enable nobody 'x:*'
