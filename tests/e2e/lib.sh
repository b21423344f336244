# What the scenarios share; each begins with: source "$OURO_SOURCE/tests/e2e/lib.sh"
#
# A scenario has a folder of its own, $folder, and a runtime folder of its own; nothing it starts outlives it by more than
# the limits below. It ends at the first command that fails, and says which.
set -euo pipefail
: "${OURO_BIN:?the ouro command}" "${OURO_BUILD:?the build folder}" "${OURO_SOURCE:?the source tree}"

programs=$OURO_BUILD/tests/programs
folder=$(mktemp -d "${TMPDIR:-/tmp}/ouro-e2e.XXXXXX")
# In memory, as at users': in a disk's file system programs would wait for the disk as they first write to a session.
memory=$(mktemp -d /dev/shm/ouro-e2e.XXXXXX 2>/dev/null || echo "$folder")
export OURO_RUNTIME_DIR=$memory/run XDG_CACHE_HOME=$folder
cleanup=()  # commands to run at the end, last first

finish() {
  local status=$? i
  for ((i = ${#cleanup[@]} - 1; i >= 0; --i)); do eval "${cleanup[i]}" || true; done
  rm -rf "$folder" "$memory"
  ((status == 0)) || echo "FAILED: ${0##*/}, status $status" >&2
}
trap finish EXIT
trap 'echo "FAILED: line $LINENO: $BASH_COMMAND" >&2' ERR

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
skip() {
  echo "SKIPPED: $*"
  exit 0
}
expect_equal() {  # expect_equal WHAT SEEN WANTED
  [[ $2 == "$3" ]] || fail "$1 is '$2', want '$3'"
}
expect_match() {  # expect_match WHAT TEXT PATTERN (extended regular expression)
  [[ $2 =~ $3 ]] || fail "$1 is '$2', want something that matches '$3'"
}

# record TRACE [OPTION...] -- PROGRAM...; the summary goes to $folder/TRACE.summary. Anything but the one line that says
# what was recorded fails the scenario.
record() {
  local trace=$folder/$1
  shift
  timeout 60 "$OURO_BIN" record -o "$trace" "$@" 2>"$trace.summary" || fail "ouro record: status $?: $(cat "$trace.summary")"
  [[ $(grep -c '^ouro: ' "$trace.summary") == 1 ]] || fail "ouro record said: $(cat "$trace.summary")"
}
recorded() { sed -nE 's/^ouro: recorded ([0-9]+) events?.*/\1/p' "$folder/$1.summary"; }
lost() { sed -nE 's/^ouro: recorded [0-9]+ events?, ([0-9]+) lost.*/\1/p' "$folder/$1.summary"; }

# babeltrace TRACE: its text, one event a line. babeltrace2 must not say a word about the trace.
babeltrace() {
  timeout 60 babeltrace2 "$folder/$1" 2>"$folder/babeltrace.stderr" || fail "babeltrace2 refuses $1: $(cat "$folder/babeltrace.stderr")"
  [[ ! -s $folder/babeltrace.stderr ]] || fail "babeltrace2 says of $1: $(cat "$folder/babeltrace.stderr")"
}
# count TRACE NAME: how many events of this name babeltrace2 finds. NAME is a regular expression.
count() { babeltrace "$1" | grep -cE "^[^{]* $2: " || true; }

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || fail "waited in vain for: $*"
    sleep 0.02
  done
}
