# ouro list: programs that run, with sessions and counts; programs and libraries that do not; traces. Events of a library
# come and go with it.
source "$OURO_SOURCE/tests/e2e/lib.sh"

list() { timeout 20 "$OURO_BIN" list "$@"; }
names() { list "$@" | awk '/^  [a-z]/ {print $1}'; }
column() { awk -v name="$1" -v column="$2" '$1 == name {print $column}'; }

# Programs and libraries that do not run, also stripped.
expect_equal "events of a program's file" "$(names "$programs/basic" | tr '\n' ' ')" "basic:level basic:point basic:turn "
expect_equal "events of a module's file" "$(names "$programs/mod_places.so" | grep -c places:module)" 4
cp "$programs/basic" "$folder/stripped"
strip "$folder/stripped"
diff <(list "$programs/basic" | tail -n +2) <(list "$folder/stripped" | tail -n +2) || fail "stripped, a program has other events"
for static in "$programs"/*_static; do
  [[ ! -x $static ]] || expect_equal "events of $static" "$(names "$static" | tr '\n' ' ')" "basic:level basic:point basic:turn "
done
flags=(-std=c++20 -O1 -I"$OURO_SOURCE/include" "$OURO_SOURCE/tests/programs/basic.cpp")
[[ -n $OURO_SANITIZE ]] && flags+=(-fsanitize="$OURO_SANITIZE")
((OURO_SHARED)) && flags+=(-DOURO_SHARED_LIBRARY)
links=("$OURO_TRACE_LIBRARY" -Wl,-rpath,"$(dirname "$OURO_TRACE_LIBRARY")")
# As linkers and options make them: addresses in place, in relocations, in packed relocations.
for how in "-no-pie -fno-pie" "-fPIE -pie" "-fPIE -pie -Wl,-z,pack-relative-relocs" "-fPIE -pie -fuse-ld=lld -Wl,--pack-dyn-relocs=relr"; do
  read -ra options <<<"$how"
  "$OURO_CXX" "${flags[@]}" "${options[@]}" "${links[@]}" -o "$folder/built" 2>/dev/null || continue
  expect_equal "events of one built with $how" "$(names "$folder/built" | tr '\n' ' ')" "basic:level basic:point basic:turn "
done
for none in "$OURO_BIN" "$OURO_SOURCE/README.md" "$folder/not-there" "$folder"; do
  ! list "$none" >"$folder/out" 2>"$folder/err" || fail "list takes $none"
  expect_match "what it says of $none" "$(cat "$folder/err")" '^ouro: error: list: '
  expect_equal "what it shows of $none" "$(cat "$folder/out")" ""
done

# A program that runs: what it opens, it has.
mkfifo "$folder/control" "$folder/answers"
"$programs/comes_and_goes" "$programs/mod_places.so" <"$folder/control" >"$folder/answers" &
program=$!
cleanup+=("kill -9 $program 2>/dev/null")
exec 8>"$folder/control" 9<"$folder/answers"
do_step() { echo "$1" >&8; read -r -t 20 answer <&9; expect_equal "the program's answer to $1" "$answer" "$1"; }
do_step nothing
expect_equal "events before dlopen" "$(names $program | tr '\n' ' ')" "comes:step "
expect_equal "by name" "$(names 'comes_and_*')" "$(names $program)"
do_step open
expect_equal "events after dlopen" "$(names $program | grep -c places:)" 5
do_step close
expect_equal "events after dlclose" "$(names $program | tr '\n' ' ')" "comes:step "
expect_equal "sessions it is in" "$(list $program | column comes:step 4)" "-"
do_step end
wait $program || true

# Counts grow while the recorder runs, are in the end those of the trace, and nobody keeps them in a session that overwrites.
for mode in "" --overwrite; do
  rm -rf "$folder/trace"
  "$OURO_BIN" record $mode -o "$folder/trace" -- "$programs/comes_and_goes" "$programs/mod_places.so" <"$folder/control" >"$folder/answers" 2>"$folder/err" &
  recorder=$!
  cleanup+=("kill $recorder 2>/dev/null")
  exec 8>"$folder/control" 9<"$folder/answers"
  for ((i = 0; i < 10; ++i)); do do_step step; done
  session=$(list comes_and_goes | column comes:step 4)
  expect_equal "sessions of which $mode" "$(list --sessions | awk 'NR == 2 {print $1}')" "$session"
  expect_match "a session's name" "$session" "^$recorder-[0-9a-f]+$"
  if [[ -z $mode ]]; then
    has_counted() { [[ $(list comes_and_goes | column comes:step 5) == "$1" ]]; }
    wait_for 20 has_counted 10
    do_step step
    wait_for 20 has_counted 11
    expect_equal "recorded in the session" "$(list --sessions "$session" | awk 'NR == 2 {print $7}')" 11
  else
    expect_equal "the count in a session that overwrites" "$(list comes_and_goes | column comes:step 5)" "-"
    expect_equal "recorded in it" "$(list --sessions --json | grep recorded)" '    "recorded": null,'
  fi
  expect_equal "processes of the session" "$(list --sessions | awk 'NR == 2 {print $5}')" 1
  do_step end
  wait $recorder || fail "the recorder said: $(cat "$folder/err")"
  expect_equal "count in the trace" "$(list "$folder/trace" | column comes:step 4)" "$([[ -z $mode ]] && echo 11 || echo 10)"
done
expect_equal "losses in the trace" "$(list --json "$folder/trace" | grep '"total"')" '      "total": 0,'
expect_equal "sessions in the end" "$(list --sessions 2>/dev/null)" ""

# A session that was left behind says so.
"$OURO_BIN" record -o "$folder/dead" -- sh -c 'kill -9 $PPID' >/dev/null 2>&1 || true
expect_match "a session that was left behind" "$(list --sessions)" 'discard +left behind'
