# What programs do to themselves and to each other, recorded from outside, by pid and as one of all: fork, exec, exit, sandboxes. They do it as
# if nobody looked, all that can be recorded is, and ouro doctor says why what cannot.
source "$OURO_SOURCE/tests/e2e/lib.sh"
mkfifo "$folder/go"
exec 9<>"$folder/go"

start() {  # start WAY [ARGUMENT]: a program that waits
  : >"$folder/pid"
  "$programs/lives" "$@" <"$folder/go" >"$folder/pid" 2>"$folder/err" 9>&- &
  job=$!
  cleanup+=("kill -9 $job 2>/dev/null")
  wait_for 20 test -s "$folder/pid"
  program=$(cat "$folder/pid")
}
attach() {  # attach TRACE OPTION...
  local trace=$1
  shift
  rm -rf "$folder/$trace"
  "$OURO_BIN" record -o "$folder/$trace" "$@" 2>"$folder/$trace.summary" &
  recorder=$!
  cleanup+=("kill -9 $recorder 2>/dev/null")
  wait_for 20 grep -q ' are on' "$folder/$trace.summary"
}
# ends WAY STATUS: it goes on, to its end.
ends() {
  local status=0
  echo >&9
  wait $job 2>/dev/null || status=$?
  expect_equal "status of $1" "$status" "$2"
}
doctor() { "$OURO_BIN" doctor "$program" 2>&1 || true; }

# lives WAY STATUS BY_PID ALL [ARGUMENT]: so many of lives:event and basic:point are there to be recorded in either way.
gone() { ! kill -0 "$program" 2>/dev/null; }
lives() {
  local way=$1 status=$2 by_pid=$3 all=$4 how
  shift 4
  for how in by_pid all; do
    start "$way" "$@"
    if [[ $how == all ]]; then attach "$way-$how" --all; else attach "$way-$how" -p "$program"; fi
    ends "$way" "$status"
    wait_for 20 gone
    [[ $how == by_pid ]] || kill -INT $recorder
    wait $recorder || fail "record $way $how: $(cat "$folder/$way-$how.summary")"
    expect_equal "loss of $way, $how" "$(lost "$way-$how")" 0
    expect_equal "events of $way, $how" "$(babeltrace "$way-$how" | grep -cE ' (lives:event|basic:point): ')" "${!how}"
    [[ $way == daemon ]] || [[ $(count "$way-$how" lives:busy) -gt 0 ]] || fail "no events of the threads: $way $how"
  done
}
lives fork 0 210 210
lives clone 0 10 10
lives vfork 0 10 60 "$programs/basic"
lives spawn 0 10 60 "$programs/basic"
lives exec 0 20 20 "$programs/basic"
lives close-fds 0 10 10
lives daemon 0 10 10
lives no-capabilities 0 10 10
lives exit 0 10 10
lives abort 134 10 10
lives _exit 0 10 10
expect_equal "files afterwards" "$(cd "$OURO_RUNTIME_DIR" && ls)" ""

# ------ an untraced program takes the place of one that is recorded
start exec /bin/true
attach untraced -p "$program"
ends exec 0
wait $recorder || fail "record: $(cat "$folder/untraced.summary")"
expect_equal "events before an exec" "$(count untraced lives:event)" 10

# ------ the tool leaves while children are forked: none of them keeps the session
start fork
attach leaving -p "$program"
echo >&9
kill -INT $recorder
wait $recorder || fail "record: $(cat "$folder/leaving.summary")"
wait $job || fail "the program: $(cat "$folder/err")"

# ------ those that cannot be recorded, and say why
refused() {  # refused PATTERN OF DOCTOR
  local said status=0
  said=$("$OURO_BIN" record -o "$folder/none" -p "$program" --for 1s 2>&1) && fail "recorded: $said"
  expect_match "the refusal" "$said" 'error: record: process [0-9]+ \(lives\).*\(hint: '
  said=$("$OURO_BIN" doctor "$program") || status=$?
  expect_equal "doctor's status" "$status" 1
  expect_match "what doctor says" "$said" "$1"
  expect_match "doctor in JSON" "$("$OURO_BIN" doctor --json "$program" || true)" '"status": "fail"'
}
start seccomp-kill
refused 'fail +seccomp: 1 filter, 0 as it started, want .*hint: .*--seccomp-ok'
attach left_out --all --for 300ms
wait $recorder
expect_match "what --all says" "$(cat "$folder/left_out.summary")" 'warning: not recorded: process [0-9]+ \(lives\) took a seccomp filter'
expect_equal "events of one that was left out" "$(count left_out lives:busy)" 0
ends seccomp-kill 0

start seccomp-errno
# At once, or as soon as the tool looks again.
"$OURO_BIN" record -o "$folder/declined" -p "$program" --seccomp-ok --for 1s 2>"$folder/declined.summary" || true
expect_match "what doctor says" "$(doctor)" 'fail +sessions that it could not map: the last one: Operation not permitted'
expect_match "what record says" "$(cat "$folder/declined.summary")" 'process [0-9]+ \(lives\) cannot map the session: Operation not permitted \(hint: '
ends seccomp-errno 0

start sandboxed-fork
attach sandboxed -p "$program" --seccomp-ok
ends sandboxed-fork 0
wait $recorder || fail "record: $(cat "$folder/sandboxed.summary")"
expect_equal "events of children that may make no registry" "$(count sandboxed lives:event)" 210

"$OURO_BIN" list >/dev/null 2>&1 || true
expect_equal "files of those that may not remove theirs, once somebody looks" "$(cd "$OURO_RUNTIME_DIR" && ls)" ""

OURO_ATTACH=0 start fork
refused 'fail +registry: none is mapped'
ends fork 0

if ((EUID == 0)); then
  start undumpable
  attach undumpable -p "$program" --for 200ms
  wait $recorder
  ends undumpable 0
  start drop-user
  refused 'fail +runtime folder: .*is of user 0 .*want user 1'
  ends drop-user 0
  mkdir "$folder/root"
  start chroot "$folder/root"
  refused 'fail +runtime folder: .*has changed its root'
  ends chroot 0
fi
start fork
rm -rf "$OURO_RUNTIME_DIR"
refused 'fail +runtime folder: .*has lost its registry'
ends fork 0
program=4194304
expect_match "doctor of none" "$(doctor)" 'fail +process: none has the number 4194304'
