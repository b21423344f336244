# The examples of the ring library do what they say.
source "$OURO_SOURCE/tests/e2e/lib.sh"
examples=$OURO_BUILD/examples/ring

[[ $(timeout 30 "$examples/events") =~ ^events:\ ([0-9]+)\ read,\ ([0-9]+)\ lost ]] || fail "events says something else"
expect_equal "read + lost" "$((BASH_REMATCH[1] + BASH_REMATCH[2]))" 400000
[[ $(timeout 30 "$examples/recorder") =~ ^recorder:\ the\ last\ ([0-9]+)\ steps,\ from\ ([0-9]+)\ to\ 1414\ at\ 1000.405\;\ ([0-9]+)\ before ]] ||
  fail "recorder says something else"
expect_equal "steps in all" "$((BASH_REMATCH[1] + BASH_REMATCH[3]))" 1415
[[ $(timeout 30 "$examples/relay") =~ ^relay:\ ([0-9]+)\ lines\ in\ ([0-9]+)\ sub-buffers,\ ([0-9]+)\ lost$ ]] || fail "relay says something else"
expect_equal "lines and lost ones" "$((BASH_REMATCH[1] + BASH_REMATCH[3]))" 20000
expect_equal "pipe" "$(timeout 30 "$examples/pipe")" "pipe: 1000000 values, sum 499999500000"
status=0
timeout 30 "$examples/crash" 2>"$folder/last_words" || status=$?
expect_equal "crash's status" "$status" 134
expect_match "crash's last line" "$(tail -1 "$folder/last_words")" ': this will not end well$'

expect_equal "audit" "$(timeout 30 "$examples/audit" "$folder/trail")" "audit: 200000 transfers, 0 lost, balance 0"
status=0
"$examples/audit" "$folder/trail" >"$folder/second" 2>&1 || status=$?
expect_equal "status where the trail's file exists" "$status" 1
expect_match "what audit says then" "$(cat "$folder/second")" "$folder/trail.*File exists"

[[ $(timeout 30 "$examples/recover" "$folder/ring") =~ ^recover:\ ([0-9]+)\ steps,\ the\ last\ ([0-9]+)\;\ ([0-9]+)\ before ]] || fail "recover says something else, or its books are wrong"
expect_equal "steps in all" "$((BASH_REMATCH[1] + BASH_REMATCH[3]))" "${BASH_REMATCH[2]}"
expect_equal "mapped" "$(timeout 60 "$examples/mapped")" "mapped: 500000 read, 0 lost, sum 124999750000"
[[ $(timeout 30 "$examples/workers") =~ ^workers:\ ([0-9]+)\ jobs\ done\ once,\ 0\ more\ than\ once,\ ([0-9]+)\ lost$ ]] || fail "workers says something else"
expect_equal "jobs done + lost" "$((BASH_REMATCH[1] + BASH_REMATCH[2]))" 600000
