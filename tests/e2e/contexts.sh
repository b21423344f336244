# What a session asks for beside the fields stands with each event: babeltrace2 and ouro show the same values, and they are
# those that the program found itself. A context that cannot be had, or is none, is an error before the program starts.
source "$OURO_SOURCE/tests/e2e/lib.sh"

names=pid,tid,thread,comm,cpu,uid,gid,ns.net,ns.uts,cgroup,callstack,perf.page-faults,perf.context-switches,perf.cpu-clock,perf.task-clock
record trace --context "$names" -- "$programs/contexts"
expect_equal "loss" "$(lost trace)" 0

# The contexts are those that the event states as its fields.
babeltrace trace | grep ' contexts:said:' |
  sed -E 's/.*\{ tid = ([0-9]+), pid = ([0-9]+), thread = "([^"]*)", .* uid = ([0-9]+), gid = ([0-9]+), ns_net = ([0-9]+), ns_uts = ([0-9]+), .* \}, \{ what = "([^"]*)", (.*) \}$/\8: pid = \2, tid = \1, thread = "\3", uid = \4, gid = \5, net = \6, uts = \7|\8: \9/' >"$folder/both"
cut -d'|' -f1 "$folder/both" >"$folder/contexts"
cut -d'|' -f2 "$folder/both" >"$folder/fields"
diff "$folder/contexts" "$folder/fields" || fail "contexts are not what the program found"
(($(wc -l <"$folder/both") >= 5)) || fail "too few events: $(cat "$folder/both")"
for name in large medium; do
  babeltrace trace | grep " contexts:$name:" | sed -E 's/.*\{ tid = [0-9]+, pid = ([0-9]+), .* pid = ([0-9]+) \}$/\1 \2/' | awk '$1 != $2 { exit 1 } END { exit NR != 1 }' ||
    fail "event contexts:$name has another pid, or is not there once"
done

# ouro shows the same: its lines in babeltrace2's words.
printed=$(timeout 20 "$OURO_BIN" print "$folder/trace" 2>/dev/null |
  sed -nE 's/.* contexts:said .*\{pid=([0-9]+) thread="([^"]*)" .* cgroup="([^"]*)" callstack=\[(0x[0-9a-f]+).*/\1 \2 \3 \4/p')
shown=$(babeltrace trace | sed -nE 's/.* contexts:said: .* pid = ([0-9]+), thread = "([^"]*)", .* cgroup = "([^"]*)", .* callstack = \[ \[0\] = (0x[0-9A-F]+).*/\1 \2 \3 \4/p')
expect_equal "what ouro print shows" "${printed,,}" "${shown,,}"
expect_match "a cgroup" "$(babeltrace trace | grep -oE 'cgroup = "[^"]*"' | sort -u)" '^cgroup = "/'
cpus=$(babeltrace trace | sed -nE 's/.*cpu_id = ([0-9]+) .* cpu = ([0-9]+),.*/\1 \2/p' | awk '$1 != $2' | wc -l)
((cpus <= 2)) || fail "$cpus events say another CPU than their packet"  # a thread may move between the two

babeltrace trace | grep ' contexts:stack:' |
  sed -E 's/.* \[1\] = (0x[0-9A-F]+), \[2\] = (0x[0-9A-F]+).* \{ inner_returns_to = (0x[0-9A-F]+), middle_returns_to = (0x[0-9A-F]+) \}$/\1 \2 \3 \4/' |
  awk '$1 != $3 || $2 != $4 { exit 1 } END { exit NR != 1 }' || fail "the call stack: $(babeltrace trace | grep ' contexts:stack:')"

# A program that looks at itself finds nothing changed.
for fd in {3..254}; do eval "exec $fd>&-"; done
timeout 60 "$OURO_BIN" record -o "$folder/sanctity" --buffer-size 32M --context "$names,ns.*" -- "$programs/sanctity" >"$folder/said" 2>"$folder/summary" </dev/null ||
  fail "sanctity: $(cat "$folder/summary")"
expect_equal "what the program says" "$(cat "$folder/said")" "unchanged"

# The depth is as asked for; without contexts, an event is as small as ever.
record few --context callstack:2 -- "$programs/contexts"
babeltrace few | grep -oE 'callstack_length = [0-9]+' | sort -u | awk '$3 < 1 || $3 > 2 { exit 1 }' || fail "a call stack of more than 2"
record plain -- "$programs/contexts"
expect_match "an event without contexts" "$(babeltrace plain | grep contexts:said | tail -1)" '\{ tid = [0-9]+ \}, \{ what'
record plain_tid --context tid -- "$programs/contexts"
expect_match "the thread id alone" "$(babeltrace plain_tid | grep contexts:said | tail -1)" '\{ tid = [0-9]+ \}, \{ what'

# Errors come before the program runs.
refuse() {  # refuse LIST STATUS PATTERN
  local status=0
  timeout 20 "$OURO_BIN" record -o "$folder/none" --context "$1" -- touch "$folder/ran" 2>"$folder/said" || status=$?
  expect_equal "status with --context $1" "$status" "$2"
  expect_match "what it says to --context $1" "$(cat "$folder/said")" "$3"
  [[ ! -e $folder/ran && ! -e $folder/none ]] || fail "--context $1: the program ran, or a trace was made"
}
refuse pid,thraed 2 "'thraed' is unknown, perhaps thread is meant; want one of: pid, tid"
refuse callstack:1000 2 "callstack:1000': want 1 to 64"
if ! timeout 20 "$OURO_BIN" record -o "$folder/cycles" --context perf.cycles -- "$programs/contexts" 2>"$folder/said"; then
  refuse perf.cycles 1 "'perf.cycles' cannot be had here: .+"
else
  expect_match "cycles" "$(babeltrace cycles | grep contexts:said | tail -1)" 'perf_cycles = [1-9]'
fi
