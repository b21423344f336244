# Programs that run already: recorded from outside, by pid, by name, all of them; left as they were.
source "$OURO_SOURCE/tests/e2e/lib.sh"

tried() { od -An -t u8 -j 64 -N 8 "$folder/books" | tr -d ' '; }  # by storm's first thread
has_tried_more_than() { [[ $(tried) -gt $1 ]]; }
goes_on() { wait_for 20 has_tried_more_than "$(tried)"; }
# Everything of ours that the program's memory and folder have in them.
sessions_mapped() { grep -cE '/session-' "/proc/$program/maps" || true; }
events_on() { "$OURO_BIN" list --json "$program" | grep -c '"enabled": true' || true; }

# A name of its own: other scenarios run at the same time.
ln "$programs/storm" "$folder/st.$$" 2>/dev/null || cp "$programs/storm" "$folder/st.$$"
"$folder/st.$$" "$folder/books" threads=2 events=0 pause=1000 text=100 >"$folder/out" 2>&1 &
program=$!
cleanup+=("kill -9 $program 2>/dev/null")
wait_for 20 test -s "$folder/books"
wait_for 20 has_tried_more_than 100
files_before=$(cd "$OURO_RUNTIME_DIR" && ls)
descriptors_before=$(ls "/proc/$program/fd" | wc -l)

attach() {  # attach TRACE OPTION...
  local trace=$1
  shift
  timeout 60 "$OURO_BIN" record -o "$folder/$trace" "$@" 2>"$folder/$trace.summary" || fail "record: $(cat "$folder/$trace.summary")"
  expect_match "what $trace says" "$(cat "$folder/$trace.summary")" 'session [^ ]+: 2 events of 1 processes are on'
  local again
  for again in 1 2 3; do  # on a busy machine the program may not have run meanwhile
    [[ $(recorded "$trace") == 0 ]] || break
    rm -rf "${folder:?}/$trace"
    timeout 60 "$OURO_BIN" record -o "$folder/$trace" "$@" 2>"$folder/$trace.summary" || fail "record: $(cat "$folder/$trace.summary")"
  done
  [[ $(recorded "$trace") -gt 0 ]] || fail "$trace is empty: $(cat "$folder/$trace.summary")"
  expect_equal "loss of $trace" "$(lost "$trace")" 0
  expect_equal "events of $trace that babeltrace2 finds" "$(babeltrace "$trace" | grep -c ' storm:')" "$(recorded "$trace")"
  # Left as it was.
  expect_equal "events on after $trace" "$(events_on)" 0
  expect_equal "files after $trace" "$(cd "$OURO_RUNTIME_DIR" && ls)" "$files_before"
  expect_equal "descriptors after $trace" "$(ls "/proc/$program/fd" | wc -l)" "$descriptors_before"
  goes_on
}
attach by_pid -p "$program" --for 300ms
attach by_name -P "s[t].$$" --for 300ms
attach while_another_runs -p "$program" -- sleep 0.3
attach all --all --for 300ms
attach newest -p "$program" --overwrite --buffer-size 16M --for 300ms
for i in {1..12}; do attach "again$i" -p "$program" --for 150ms; done
# Of sessions that are over the last one is still mapped in each slot that was used, as zeros or holes.
[[ $(sessions_mapped) -le 2 ]] || fail "$(sessions_mapped) sessions are still mapped"

# A killed tool leaves a session; the next one takes it away.
"$OURO_BIN" record -o "$folder/dead" -p "$program" 2>/dev/null >&2 &
recorder=$!
cleanup+=("kill -9 $recorder 2>/dev/null")
is_on() { [[ $(events_on) == 2 ]]; }
wait_for 20 is_on
kill -9 $recorder
wait $recorder 2>/dev/null || true
is_on || fail "who took the session away?"
attach after_a_kill -p "$program" --for 300ms

# Stopped, as in a debugger: attached without its help, and it writes once it goes on.
kill -STOP "$program"
"$OURO_BIN" record -o "$folder/stopped" -p "$program" --for 2s 2>"$folder/stopped.summary" &
recorder=$!
wait_for 20 is_on
expect_equal "events while it is stopped" "$(stat -c %s "$folder/stopped"/stream_* 2>/dev/null | wc -l)" 0
kill -CONT "$program"
wait $recorder || fail "record: $(cat "$folder/stopped.summary")"
[[ $(recorded stopped) -gt 0 ]] || fail "nothing came after it was continued: $(cat "$folder/stopped.summary")"

# It ends, and so does its recording.
"$OURO_BIN" record -o "$folder/last" -p "$program" 2>"$folder/last.summary" &
recorder=$!
wait_for 20 is_on
kill -9 "$program"
wait $recorder || fail "record: $(cat "$folder/last.summary")"

# What cannot be attached to is an error with a hint, before anything is made.
refused() {  # refused PATTERN OPTION...
  local pattern=$1 said
  shift
  if said=$("$OURO_BIN" record -o "$folder/none" "$@" 2>&1); then fail "recorded: $*"; fi
  expect_match "what record $* says" "$said" "$pattern"
  [[ ! -e $folder/none ]] || fail "a folder was made for: $*"
}
refused 'process [0-9]+ is not there, want one that runs \(hint: ' -p 4194304
refused 'process [0-9]+ \(bash\) has no events, want a program that links ouro::trace \(hint: ' -p $$
refused 'no process with events has the name .nobody. \(hint: ' -P nobody
refused "pid is 'x', want a process's number" -p x
refused 'all with --pid or --process' --all -p $$
