# Libraries that come and go while sessions attached from outside have their events: each is there from its first moment and gone at its
# end, nothing grows. OURO_LOADS: how often (1,000).
source "$OURO_SOURCE/tests/e2e/lib.sh"
loads=${OURO_LOADS:-1000}

start() {  # start NAME LOADS: waits for $folder/NAME.go
  "$programs/modules" "$programs/mod_modules.so" "$2" "$folder/$1.go" >"$folder/$1.out" 2>"$folder/$1.err" &
  program=$!
  cleanup+=("kill -9 $program 2>/dev/null")
  wait_for 20 test -s "$OURO_RUNTIME_DIR/$program.0"
}
attach() {  # attach TRACE OPTION...
  local trace=$1
  shift
  "$OURO_BIN" record -o "$folder/$trace" -p "$program" --buffer-size 8M "$@" 2>"$folder/$trace.summary" &
  recorders+=($!)
  wait_for 20 grep -q ' are on' "$folder/$trace.summary"
}
finish_recording() {
  local i
  for i in "${recorders[@]}"; do wait "$i" || fail "record: $(cat "$folder"/*.summary)"; done
  recorders=()
}
recorders=()

start loads "$loads"
attach whole
attach even -e modules:loaded --filter 'load & 1 == 0' -e '!modules:program'
touch "$folder/loads.go"
wait $program || fail "the program: $(cat "$folder/loads.err")"
finish_recording
read -r of_program of_module <"$folder/loads.out"
for trace in whole even; do expect_equal "loss of $trace" "$(lost $trace)" 0; done
expect_equal "events of the program" "$(count whole modules:program)" "$of_program"
expect_equal "events of the module" "$(count whole modules:loaded)" "$of_module"
expect_equal "begun spans of the module" "$(count whole modules:span_begin)" "$of_module"
expect_equal "ended spans of the module" "$(count whole modules:span_end)" "$of_module"
expect_equal "each load's own events" "$(babeltrace whole | sed -nE 's/.* modules:loaded: .*load = ([0-9]+), number = 0 .*/\1/p' | sort -nu | wc -l)" "$loads"
even=$(babeltrace whole | grep -cE ' modules:loaded: .*load = [0-9]*[02468], ')
expect_equal "events of even loads" "$(count even modules:loaded)" "$even"
expect_equal "other events than of even loads" "$(recorded even)" "$even"
expect_equal "files afterwards" "$(ls "$OURO_RUNTIME_DIR")" ""

# Sessions come and go as well: whoever ends one looks at all modules' events, in whichever thread.
start storm "$loads"
touch "$folder/storm.go"
turns=0
while kill -0 $program 2>/dev/null && ((turns < 12)); do
  filter=$([[ $((turns % 2)) == 0 ]] && echo "--filter=load & 1 == 0" || echo --overwrite)
  "$OURO_BIN" record -o "$folder/turn" -p "$program" -e modules:loaded "$filter" --for 30ms 2>"$folder/turn.summary" || ! kill -0 $program 2>/dev/null || fail "record: $(cat "$folder/turn.summary")"
  rm -rf "$folder/turn"
  turns=$((turns + 1))
done
status=0
wait $program || status=$?
[[ $status -le 1 ]] || fail "the program: status $status: $(cat "$folder/storm.err")"  # 1: memory of the sessions that came
expect_equal "files after sessions that came and went" "$(ls "$OURO_RUNTIME_DIR")" ""
